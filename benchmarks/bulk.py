"""Settled jobs in any number, made by the database itself: each with its attempt and the three events of its life."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Model

from jobs_app.core import queries, submission
from jobs_app.models import Attempt, Event, Job
from jobs_app.models.guard import writing

KINDS = 5
OWNERS = 10
CHUNK = 50_000
WAIT = "((n * 7919) % 1000) / 100.0"
"""Seconds that job n waits, 0 to 10; and runs, 0 to 100."""
RUN = "((n * 104729) % 5000) / 50.0"


class Maker:
    """Makes jobs on end. Numbers go on from one call to the next; ``made``: so many are there already."""

    def __init__(self, made: int = 0) -> None:
        owners = [User.objects.get_or_create(username=f"owner{number}")[0] for number in range(OWNERS)]
        self._first_owner = owners[0].pk
        self._made = made
        self._template = submission.submit("system.echo", {"text": "x"}, message=False)
        with writing():
            Event.objects.filter(job=self._template).delete()

    def done(self) -> None:
        """Take the template away."""
        with writing():
            Job.objects.filter(id=self._template.id).delete()

    def make(self, count: int, begin: datetime, length: timedelta) -> None:
        """Make so many jobs that were submitted evenly over a time, and succeeded."""
        apart = length.total_seconds() / count
        for place in range(0, count, CHUNK):
            self._make(min(CHUNK, count - place), begin + timedelta(seconds=place * apart), apart)

    def wait(self, count: int, begin: datetime, *, kind: str = "system.echo", queue: str = "default") -> None:
        """Make so many jobs that wait, submitted a millisecond after each other, each with its first event."""
        for place in range(0, count, CHUNK):
            self._wait(min(CHUNK, count - place), begin + place * timedelta(milliseconds=1), kind, queue)

    def _wait(self, count: int, begin: datetime, kind: str, queue: str) -> None:
        first, self._made = self._made + 1, self._made + count
        at, series = self._moment(begin, f"(n - {first}) * 0.001"), self._series(first, count)
        with transaction.atomic():
            self._insert(Job, series, {
                "id": self._id(), "kind": f"'{kind}'", "queue": f"'{queue}'",
                "owner_id": f"{self._first_owner} + n % {OWNERS}", "created_at": at, "due_at": at,
            }, f"jobs_app_job AS template WHERE template.id = {self._literal()}")  # fmt: skip
            self._insert(Event, series, {
                "job_id": self._id(), "attempt": "0", "at": at, "name": "'submitted'", "source": "''",
                "target": "'queued'", "actor_id": "NULL", "reason": "''",
            })  # fmt: skip

    def _make(self, count: int, begin: datetime, apart: float) -> None:
        first, self._made = self._made + 1, self._made + count
        submitted, started, ended = (
            self._moment(begin, f"(n - {first}) * {apart!r}{late}") for late in ("", f" + {WAIT}", f" + {WAIT} + {RUN}")
        )
        series = self._series(first, count)
        with transaction.atomic():
            self._insert(Job, series, {
                "id": self._id(), "kind": f"'kind' || (n % {KINDS})", "state": "'succeeded'", "attempt": "1",
                "owner_id": f"{self._first_owner} + n % {OWNERS}", "created_at": submitted, "due_at": submitted,
                "started_at": started, "finished_at": ended, "progress": "1",
            }, f"jobs_app_job AS template WHERE template.id = {self._literal()}")  # fmt: skip
            self._insert(Attempt, series, {
                "job_id": self._id(), "number": "1", "outcome": "'succeeded'", "holder": "'bulk'",
                "started_at": started, "finished_at": ended, "error": "''", "error_type": "''", "traceback": "''",
            })  # fmt: skip
            for name, source, target, at, attempt in (
                ("submitted", "", "queued", submitted, 0),
                ("claimed", "queued", "running", started, 1),
                ("succeeded", "running", "succeeded", ended, 1),
            ):
                self._insert(Event, series, {
                    "job_id": self._id(), "attempt": str(attempt), "at": at, "name": f"'{name}'",
                    "source": f"'{source}'", "target": f"'{target}'", "actor_id": "NULL", "reason": "''",
                })  # fmt: skip

    def _insert(self, model: type[Model], series: str, values: Mapping[str, str], template: str = "") -> None:
        columns = [field.column for field in model._meta.concrete_fields if field.column in values or template]
        given = [values.get(column, f'template."{column}"') for column in columns]
        names = ", ".join(f'"{column}"' for column in columns)
        source = f"{series}, {template}" if template else series
        with connection.cursor() as cursor:
            table = connection.ops.quote_name(model._meta.db_table)
            cursor.execute(f"INSERT INTO {table} ({names}) SELECT {', '.join(given)} FROM {source}")  # noqa: S608

    def _series(self, first: int, count: int) -> str:
        last = first + count - 1
        if connection.vendor == "postgresql":
            return f"generate_series({first}::bigint, {last}) AS series(n)"
        recursive = f"WITH RECURSIVE each(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM each WHERE n < {last})"  # noqa: S608
        return f"({recursive} SELECT n FROM each) AS series"  # noqa: S608

    def _id(self) -> str:
        if connection.vendor == "postgresql":
            return "lpad(to_hex(n), 32, '0')::uuid"
        return "printf('%032x', n)"

    def _literal(self) -> str:
        digits = self._template.id.hex
        return f"'{digits}'::uuid" if connection.vendor == "postgresql" else f"'{digits}'"

    def _moment(self, begin: datetime, seconds: str) -> str:
        if connection.vendor == "postgresql":
            return f"'{begin.isoformat()}'::timestamptz + make_interval(secs => {seconds})"
        text = queries.bind_time(begin.astimezone(UTC))
        return f"strftime('%Y-%m-%d %H:%M:%f', '{text}', '+' || ({seconds}) || ' seconds')"
