"""A process that stands still within a transaction: its locks stop no others and, for long, not even its own row.

On PostgreSQL. SQLite has one lock for all, which a frozen process keeps until it goes on or is ended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections

from jobs_app.core import claims, clock, dispatch, outcomes, queries, rescue
from jobs_app.core.failures import LEDGER_ERRORS
from jobs_app.models import Job, Queue
from jobs_app.models.guard import writing
from jobs_app.platform.waiting import until
from tests.support import conveyor
from tests.support.ledger import altered, claimed, fresh, submitted
from tests.support.together import against

pytestmark = [
    pytest.mark.usefixtures("quiet", "nudged"),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one lock for all"),
]

LAPSED = timedelta(seconds=6)


@contextmanager
def frozen(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, work: Callable[[], object]) -> Iterator[None]:
    """Run the block while another thread does ``work`` and stands still within ``where.name``.

    When it goes on its connection has been taken from it.
    """
    original, there, on = getattr(where, name), threading.Event(), threading.Event()
    outcome: list[BaseException | None] = []

    def stand_still(*arguments: Any, **named: Any) -> Any:
        if threading.current_thread() is thread and connection.in_atomic_block:
            there.set()
            on.wait(60)
        return original(*arguments, **named)

    def act() -> None:
        try:
            work()
            outcome.append(None)
        except BaseException as error:
            outcome.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=act)
    monkeypatch.setattr(where, name, stand_still)
    thread.start()
    assert there.wait(30)
    try:
        yield
    finally:
        on.set()
        thread.join(60)
    assert isinstance(outcome[0], LEDGER_ERRORS)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "IDLE_SECONDS", 0.5)


def test_a_locked_row_does_not_keep_the_others_from_being_rescued() -> None:
    now = clock.database_now()
    locked, other = claimed(submitted()), claimed(submitted())
    altered(locked, lease_until=now - LAPSED)
    with against(lambda: queries.running(locked.id, 1), seconds=2) as rival:
        assert rescue.expired_leases(now=now + LAPSED) == 1
        assert not rival.committed.is_set()
    assert (fresh(locked).state, fresh(other).state) == ("running", "queued")
    assert rescue.expired_leases(now=now + LAPSED) == 1


def test_a_job_whose_worker_is_frozen_in_its_settlement_is_rescued(monkeypatch: pytest.MonkeyPatch) -> None:
    job = claimed(submitted())
    now = clock.database_now() + LAPSED
    with frozen(monkeypatch, claims, "end_attempt", lambda: outcomes.succeed(job, 1, 1, now=now)):
        assert rescue.expired_leases(now=now) == 0
        assert until(lambda: rescue.expired_leases(now=now) == 1, 30)
    assert (fresh(job).state, fresh(job).result) == ("queued", None)


def test_a_queue_whose_dispatcher_is_frozen_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with writing():
        Queue.objects.create(name="default")
    job, now = submitted(), clock.database_now()
    with frozen(monkeypatch, dispatch, "_room", lambda: dispatch.refill("default", now=now)):
        assert dispatch.refill("default", now=now) == 1
    assert fresh(job).dispatched_at == now
    conveyor.purge("default")


def test_a_row_that_others_refer_to_can_be_rescued_meanwhile() -> None:
    """An atomic handler that was frozen has inserted log lines, a checkpoint or children of its job."""
    now = clock.database_now() + LAPSED
    job = claimed(submitted())

    def refer() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM jobs_app_job WHERE id = %s FOR KEY SHARE", [job.id])

    with against(refer, seconds=2) as rival:
        assert rescue.expired_leases(now=now) == 1
        assert not rival.committed.is_set()
    assert Job.objects.get().state == "queued"
