"""django-tasks with its database backend: a row a task, claimed one by one."""

import control
import counting
import django

django.setup()

from django.core.management import call_command
from django.db import connection
from django_tasks import task
from django_tasks_db.models import DBTaskResult, get_date_max


@task()
def noop():
    counting.count()


@task()
def compute():
    counting.compute()


TASKS = {"noop": noop, "compute": compute}


class App(control.Base):
    """Rows of DBTaskResult."""

    def prepare(self):
        """The table."""
        call_command("migrate", verbosity=0)

    def clear(self):
        """Forget all tasks."""
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {DBTaskResult._meta.db_table}")

    def load(self, kind, count):
        """Rows as enqueue() writes them, many at once."""
        TASKS[kind].enqueue()
        one = DBTaskResult.objects.latest("enqueued_at")
        names = [field.attname for field in DBTaskResult._meta.concrete_fields if not field.primary_key]
        values = {name: getattr(one, name) for name in names} | {"run_after": one.run_after or get_date_max()}
        for size in control.batches(count - 1):
            DBTaskResult.objects.bulk_create(DBTaskResult(**values) for _ in range(size))
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")

    def submit(self, kind):
        """As an application does."""
        TASKS[kind].enqueue()

    def remaining(self):
        """Rows that are ready or running."""
        return DBTaskResult.objects.filter(status__in=("READY", "RUNNING")).count()
