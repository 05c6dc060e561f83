"""Two ledgers on one PostgreSQL server, a shallow and a deep one, and the way into either.

The deep one is filled without its indexes and checks, which are made afterwards: some minutes instead of an hour.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import connection

from benchmarks import figures
from benchmarks.bulk import Maker
from jobs_app.core import admission, clock, estimates, lanes, transport, turnstile
from jobs_app.models import Event, Queue, RollupCursor
from jobs_app.models.guard import writing

SHALLOW, DEEP = "shallow", "deep"
KEPT = "shallow_kept"
"""The shallow one as it was made, to begin anew with."""

TABLES = ("jobs_app_job", "jobs_app_attempt", "jobs_app_event")
QUEUE, KIND = "default", "probe.nothing"
LIMIT = 100_000_000
"""Jobs that may wait: none is refused here."""

STEP = 500_000


def make(settled: int, shallow: int, queued: int) -> None:
    """Make both: with so many jobs that have ended, and the deep one with so many that wait."""
    with writing():
        Queue.objects.update_or_create(name=QUEUE, defaults={"limit": LIMIT})
    empty = connection.settings_dict["NAME"]
    connection.close()
    with _server() as cursor:
        cursor.execute("ALTER SYSTEM SET max_wal_size = '8GB'")
        cursor.execute("SELECT pg_reload_conf()")
        for name in (KEPT, DEEP):
            cursor.execute(f'CREATE DATABASE {name} TEMPLATE "{empty}"')
    with at(KEPT):
        fill(Maker(), shallow, 0)
    renew()
    with at(DEEP), _bare():
        fill(Maker(), settled, queued)
    for name in (SHALLOW, DEEP):
        with at(name), connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("SELECT pg_database_size(current_database())")
            figures.say(f"the {name} ledger has {cursor.fetchone()[0] / 1e9:.2f} GB")


def renew() -> None:
    """Put the shallow ledger back to how it was made."""
    connection.close()
    with _server() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {SHALLOW} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {SHALLOW} TEMPLATE {KEPT}")


def fill(maker: Maker, settled: int, queued: int) -> None:
    """Jobs of the last month that have ended, all counted by the statistics, and those that have waited for an hour."""
    now, month = clock.database_now(), timedelta(days=30)
    for begin in range(0, settled, STEP):
        count = min(STEP, settled - begin)
        maker.make(count, now - month * (1 - begin / settled) - timedelta(hours=2), month * (count / settled))
        figures.say(f"{begin + count:,} jobs have ended")
    maker.wait(queued, now - timedelta(hours=1), kind=KIND, queue=QUEUE)
    maker.done()
    with writing():
        through = Event.objects.order_by("-id").values_list("id", flat=True).first() or 0
        RollupCursor.objects.update_or_create(id=1, defaults={"events_through": through})


@contextmanager
def at(name: str) -> Iterator[None]:
    """Be on one of them: what this process remembered of the other is forgotten."""
    connection.close()
    connection.settings_dict["NAME"] = name
    for each in (turnstile.turnstile, admission.policies):
        each.forget()
    estimates.forget()
    transport.publisher.drain()
    try:
        yield
    finally:
        transport.publisher.drain()
        connection.close()


def policy() -> lanes.Policy:
    """What holds for the queue of the benchmark."""
    return lanes.policy(QUEUE)


@contextmanager
def _bare() -> Iterator[None]:
    """Without the indexes of the big tables, but their keys, and without checks of what refers to what."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY(%s)"
            " AND indexname NOT IN (SELECT conname FROM pg_constraint)",
            [list(TABLES)],
        )
        found = cursor.fetchall()
        for name, _ in found:
            cursor.execute(f'DROP INDEX "{name}"')
        cursor.execute("SET session_replication_role = replica")
    yield
    with connection.cursor() as cursor:
        cursor.execute("SET maintenance_work_mem = '512MB'")
        for name, definition in found:
            cursor.execute(definition)
            figures.say(f"index {name} is there")


@contextmanager
def _server() -> Iterator[Any]:
    before, connection.settings_dict["NAME"] = connection.settings_dict["NAME"], "postgres"
    with connection.cursor() as cursor:
        yield cursor
    connection.close()
    connection.settings_dict["NAME"] = before
