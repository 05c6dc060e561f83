import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Dataset",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100)),
                ("time", models.CharField(help_text="The column that says when.", max_length=100)),
                ("groups", models.JSONField(default=list, help_text="The columns that tell rows apart.")),
                ("measures", models.JSONField(default=list, help_text="The columns of numbers.")),
                ("created_at", models.DateTimeField()),
                ("deleted_at", models.DateTimeField(blank=True, null=True)),
                ("parts", models.PositiveIntegerField(default=0)),
                ("stored", models.PositiveBigIntegerField(default=0, help_text="Bytes of all that was appended.")),
                (
                    "owner",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Part",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "number",
                    models.PositiveIntegerField(
                        help_text="From 1, without gaps, in the order in which they were committed."
                    ),
                ),
                ("key", models.CharField(blank=True, help_text="The idempotency key.", max_length=255, null=True)),
                ("digest", models.CharField(max_length=64)),
                ("appended_at", models.DateTimeField()),
                ("file", models.UUIDField(blank=True, help_text="The upload that was taken.", null=True, unique=True)),
                ("rows", models.PositiveBigIntegerField(blank=True, null=True)),
                (
                    "late",
                    models.PositiveBigIntegerField(
                        default=0, help_text="Rows of an hour before the newest of earlier parts."
                    ),
                ),
                ("fault", models.CharField(blank=True, default="", max_length=500)),
                ("folded_by", models.UUIDField(blank=True, help_text="The job that folded it in first.", null=True)),
                ("content", models.BinaryField(null=True)),
                (
                    "dataset",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="growing.dataset",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Rollup",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("state", models.CharField(default="current", max_length=8)),
                ("through", models.PositiveIntegerField(default=0)),
                ("newest", models.DateTimeField(blank=True, help_text="The newest hour of any row in it.", null=True)),
                ("rows", models.PositiveBigIntegerField(default=0)),
                ("late", models.PositiveBigIntegerField(default=0)),
                ("aside", models.PositiveIntegerField(default=0, help_text="Parts that could not be taken.")),
                ("folded_at", models.DateTimeField(blank=True, null=True)),
                (
                    "dataset",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="rollups", to="growing.dataset"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Bucket",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("step", models.CharField(max_length=4)),
                ("at", models.DateTimeField(help_text="When it begins, in UTC.")),
                (
                    "group",
                    models.CharField(help_text="The values of the grouping columns, a JSON list.", max_length=600),
                ),
                ("measure", models.CharField(blank=True, max_length=100)),
                ("rows", models.PositiveBigIntegerField()),
                ("numbers", models.PositiveBigIntegerField(help_text="Rows that have a number.")),
                ("sum", models.CharField(blank=True, max_length=80)),
                ("least", models.CharField(blank=True, max_length=80)),
                ("greatest", models.CharField(blank=True, max_length=80)),
                (
                    "rollup",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="growing.rollup",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="dataset",
            constraint=models.UniqueConstraint(
                condition=models.Q(("deleted_at", None)), fields=("owner", "name"), name="dataset_name"
            ),
        ),
        migrations.AddIndex(
            model_name="part",
            index=models.Index(
                condition=models.Q(("folded_by__isnull", False)), fields=["folded_by"], name="parts_folded_by"
            ),
        ),
        migrations.AddConstraint(
            model_name="part",
            constraint=models.UniqueConstraint(fields=("dataset", "number"), name="part_number"),
        ),
        migrations.AddConstraint(
            model_name="part",
            constraint=models.UniqueConstraint(
                condition=models.Q(("key__isnull", False)), fields=("dataset", "key"), name="part_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="part",
            constraint=models.CheckConstraint(
                condition=models.Q(("content", None), ("file", None), _connector="XOR"), name="part_rows_or_file"
            ),
        ),
        migrations.AddConstraint(
            model_name="rollup",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "current")), fields=("dataset",), name="one_current_rollup"
            ),
        ),
        migrations.AddConstraint(
            model_name="rollup",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["current", "building", "dropped"])), name="rollup_state"
            ),
        ),
        migrations.AddConstraint(
            model_name="bucket",
            constraint=models.UniqueConstraint(fields=("rollup", "step", "at", "group", "measure"), name="bucket_once"),
        ),
    ]
