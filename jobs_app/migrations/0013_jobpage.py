from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('jobs_app', '0012_webhooks'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='listener',
            options={'permissions': [('open_flower', 'Can look at live workers in Flower')]},
        ),
    ]
