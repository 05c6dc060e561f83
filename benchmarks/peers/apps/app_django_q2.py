"""django-q2 with the database as its broker: a row a task that waits, deleted once it is done."""

import control
import django

django.setup()

from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ
from django_q.signing import SignedPackage
from django_q.tasks import async_task

KINDS = {"noop": "counting.count", "compute": "counting.compute"}


class App(control.Base):
    """Rows of OrmQ."""

    def prepare(self):
        """The tables."""
        call_command("migrate", verbosity=0)

    def clear(self):
        """Forget all tasks."""
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {OrmQ._meta.db_table}")

    def load(self, kind, count):
        """Rows as async_task() writes them, many at once: copies of one, each with an id of its own."""
        name = async_task(KINDS[kind])
        one = OrmQ.objects.latest("id")
        one.delete()
        task = SignedPackage.loads(one.payload)
        for size in control.batches(count):
            names = [f"{name[:-8]}{place:08x}" for place in range(OrmQ.objects.count(), OrmQ.objects.count() + size)]
            OrmQ.objects.bulk_create(
                OrmQ(key=one.key, payload=SignedPackage.dumps({**task, "id": each}), lock=timezone.now())
                for each in names
            )
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")

    def submit(self, kind):
        """As an application does."""
        async_task(KINDS[kind])

    def remaining(self):
        """Rows that are not acknowledged."""
        return OrmQ.objects.count()
