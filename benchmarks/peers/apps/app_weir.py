"""Weir itself, as a peer of the others: on PostgreSQL or SQLite, as its settings in the environment say."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import control
import django
import redis

django.setup()

from django.db import connection, transaction

from jobs_app.core import dispatch, events, submission
from jobs_app.core.clock import database_now
from jobs_app.lifecycle import EventName, State
from jobs_app.models import Attempt, Event, Gate, Job, Pace, Turnstile
from jobs_app.models.guard import writing

SAMPLES = 10
"""Run times of a kind that are enough to tell that it is short."""
OPEN = (State.QUEUED, State.RUNNING, State.RETRYING)


class App(control.Base):
    """Rows of the ledger."""

    def prepare(self):
        """Migrations and what a fresh ledger needs."""
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        call_command("prepare", stdout=sys.stderr)

    def clear(self):
        """Forget all jobs and messages; what was learnt of their kinds stays, as on a platform that is in use."""
        redis.Redis.from_url(control.BROKER).flushdb()
        children = [each.related_model for each in Job._meta.related_objects if each.related_model is not Job]
        tables = list(dict.fromkeys(each._meta.db_table for each in (*children, Event, Attempt, Gate, Turnstile, Job)))
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute(f"TRUNCATE {', '.join(tables)} CASCADE")
                return
            with transaction.atomic():
                for table in tables:
                    cursor.execute(f"DELETE FROM {table}")

    def load(self, kind, count):
        """Rows as a submission writes them, with their events; then what the window holds is sent."""
        with transaction.atomic():
            first = submission.submit(f"peers.{kind}", {}, message=False)
            (self._multiply if connection.vendor == "postgresql" else self._insert)(first, count - 1)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")
        dispatch.refill(first.queue, now=database_now())

    def _multiply(self, first, count):
        """By one statement a table, in the server."""
        columns = ", ".join(field.column for field in Job._meta.concrete_fields if not field.primary_key)
        of_event = [field.column for field in Event._meta.concrete_fields if not field.primary_key]
        event = ", ".join(of_event)
        copied = ", ".join("job.id" if column == "job_id" else f"event.{column}" for column in of_event)
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO jobs_app_job (id, {columns}) SELECT uuidv7(), {columns} "
                "FROM jobs_app_job, generate_series(1, %s) WHERE id = %s",
                [count, first.id],
            )
            cursor.execute(
                f"INSERT INTO jobs_app_event ({event}) SELECT {copied} FROM jobs_app_job job "
                "JOIN jobs_app_event event ON event.job_id = %s AND job.created_at = %s AND job.id <> %s",
                [first.id, first.created_at, first.id],
            )

    def _insert(self, first, count):
        fields = [field.attname for field in Job._meta.concrete_fields if not field.primary_key]
        values = {name: getattr(first, name) for name in fields}
        for size in control.batches(count, 2000):
            jobs = [Job(**values) for _ in range(size)]
            with writing():
                Job.objects.bulk_create(jobs)
            events.record_many(
                events.build(
                    each.id, EventName.SUBMITTED, attempt=0, now=first.created_at, source=None, target=State.QUEUED,
                    reason=first.via,
                )
                for each in jobs
            )  # fmt: skip

    def submit(self, kind):
        """As an application does."""
        submission.submit(f"peers.{kind}", {})

    def remaining(self):
        """Jobs that are not final."""
        return Job.objects.filter(state__in=OPEN).count()

    def learnt(self):
        """Whether the run times of both kinds are known: chunks follow them."""
        return sum(len(each.seconds) >= SAMPLES for each in Pace.objects.filter(kind__startswith="peers.")) == 2

    def chunk(self):
        """Jobs a message, whose number is a part of who holds an attempt."""
        return Attempt.objects.count() / max(Attempt.objects.values("holder").distinct().count(), 1)
