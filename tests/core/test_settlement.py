"""Settling while the ledger is away: what a handler did is settled when it is back, and done once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError, connection

from jobs_app.core import claims, clock, execution, rescue, settlement, transitions
from jobs_app.lifecycle import State
from jobs_app.models import Attempt
from tests.support.ledger import HOLDER, altered, claimed, fresh, happened, run, submitted
from tests.support.processes import eventually
from tests.support.together import HELD_SECONDS, against

pytestmark = pytest.mark.usefixtures("quiet", "nudged")


class Outage:
    """From the first statement that holds ``begins_at`` on, so many fail as on a lost connection."""

    def __init__(self, begins_at: str, statements: int) -> None:
        self.begins_at, self.left, self.begun = begins_at, statements, False

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        self.begun |= self.begins_at in sql
        if not self.begun or not self.left:
            return execute(sql, params, many, context)
        self.left -= 1
        raise OperationalError("database is locked")  # what an outage is on SQLite; both databases take it for one


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settlement, "RETRY_SECONDS", 0.01)


@pytest.fixture
def outage() -> Iterator[Callable[..., Outage]]:
    """Statements of this thread fail for a while. A wrapper stays on Django's connection when it reconnects."""
    installed: list[Outage] = []

    def begin(begins_at: str, statements: int) -> Outage:
        found = Outage(begins_at, statements)
        installed.append(found)
        connection.execute_wrappers.append(found)
        return found

    yield begin
    for each in installed:
        connection.execute_wrappers.remove(each)


def test_a_settlement_is_tried_until_the_ledger_is_back(outage: Callable[..., Outage]) -> None:
    away = outage("result_bytes = done.size", 5)
    job = run("probe.number", {"value": 7})
    assert away.left == 0, "it was away"
    assert (job.state, job.result, job.attempt) == ("succeeded", 7, 1)
    assert happened(job) == ["submitted", "claimed", "succeeded"]


def test_a_failure_is_settled_so_too(outage: Callable[..., Outage]) -> None:
    outage('"error_type" =', 3)
    job = run("probe.fails")
    assert (job.state, job.failures, job.kills) == ("failed", 1, 0)


def test_an_atomic_job_under_which_the_ledger_went_away_runs_again_without_using_up_an_attempt(
    outage: Callable[..., Outage],
) -> None:
    outage('"result_bytes" =', 1)
    job = run("probe.atomic_writer", {"name": "once"})
    assert not Group.objects.exists()
    assert (job.state, job.failures, job.kills) == ("queued", 0, 0)
    assert Attempt.objects.get().error == "the ledger went away while it ran"
    assert execution.run([job.id], holder=HOLDER) == 1
    assert fresh(job).state == "succeeded"
    assert Group.objects.count() == 1


def test_outages_never_add_up_to_an_end_but_each_has_it_wait_longer(
    outage: Callable[..., Outage], configured: Callable[..., None]
) -> None:
    """A job that breaks its own connection each time must not be tried again at once for ever."""
    configured(max_kills=1)
    job = submitted("probe.atomic_writer", {"name": "once"})
    waits = []
    for _ in range(4):
        outage('"result_bytes" =', 1)
        assert execution.run([job.id], holder=HOLDER) == 1
        row, ended_at = fresh(job), Attempt.objects.latest("number").finished_at
        waits.append((row.state, max((row.due_at - ended_at).total_seconds(), 0)))
        transitions.make_due([job.id], State.RETRYING, now=clock.database_now())
    assert waits == [("queued", 0), ("retrying", 1), ("retrying", 2), ("retrying", 4)]
    assert execution.run([job.id], holder=HOLDER) == 1
    assert (fresh(job).state, fresh(job).attempt, fresh(job).kills) == ("succeeded", 5, 0)


def test_that_wait_is_five_minutes_at_most(now: datetime) -> None:
    job = submitted("probe.atomic_writer", {"name": "once"}, now=now)
    for _ in range(15):
        (row,) = claims.claim([job.id], holder=HOLDER, now=now)
        assert rescue.lost_ledger(row, now=now)
        assert fresh(job).due_at - now <= rescue.LONGEST_WAIT
        transitions.make_due([job.id], State.RETRYING, now=now)
    assert fresh(job).due_at - now == rescue.LONGEST_WAIT


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite needs no watching")
def test_a_slow_disk_is_not_taken_for_a_ledger_that_does_not_answer(
    configured: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, written = os.fsync, []

    def slow(descriptor: int) -> None:
        written.append(descriptor)
        threading.Event().wait(3)  # the watch looks once a second
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    configured(ledger_patience_seconds=1)
    job = run("probe.large", {"size": 1_000_000})
    assert (job.state, len(written)) == ("succeeded", 1)


def test_a_claim_is_tried_until_the_ledger_is_back(outage: Callable[..., Outage]) -> None:
    job = submitted("probe.number", {"value": 7})
    outage("holder", 3)
    assert execution.run([job.id], holder=HOLDER) == 1
    assert fresh(job).result == 7


def test_a_claim_whose_answer_was_lost_is_found_again(outage: Callable[..., Outage]) -> None:
    job = submitted("probe.number", {"value": 7})
    claimed(job, holder=HOLDER)  # committed, and then the connection broke
    outage("holder", 1)
    assert execution.run([job.id], holder=HOLDER) == 1
    assert (fresh(job).state, fresh(job).attempt) == ("succeeded", 1)


def test_a_message_whose_claim_meets_a_long_outage_is_left_to_be_sent_again(
    outage: Callable[..., Outage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "CLAIM_SECONDS", 0.0)
    job = submitted()
    outage("holder", 1)
    assert execution.run([job.id], holder=HOLDER) == 0
    assert (fresh(job).state, fresh(job).attempt) == ("queued", 0)
    assert execution.run([job.id], holder=HOLDER) == 1


def test_leases_are_not_judged_just_after_an_outage(noon: datetime) -> None:
    """A heartbeat every 0.5 s: while the ledger was away nobody could extend a lease."""
    vigil, second = rescue.Vigil(), timedelta(seconds=1)
    assert [vigil.may_judge(noon + n * second) for n in (0, 2, 60)] == [True, True, True]
    vigil.note_outage()
    assert [vigil.may_judge(noon + n * second) for n in (70, 70.5, 71, 73)] == [False, False, True, True]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite has one lock for all who write")
@pytest.mark.parametrize("met_by", ["rescue_lost", "refill"])
def test_leases_are_not_judged_just_after_a_long_wait_for_the_lock_of_sqlite(
    configured: Callable[..., None], monkeypatch: pytest.MonkeyPatch, met_by: str
) -> None:
    from tasks import upkeep

    job, due = claimed(submitted()), altered(submitted(), state="scheduled")
    altered(job, lease_until=clock.database_now() - timedelta(seconds=60))
    monkeypatch.setattr(upkeep, "vigil", rescue.Vigil())
    configured(heartbeat_seconds=0.2)
    with against(lambda: None) as rival:
        getattr(upkeep, met_by)()
    assert rival.waited >= HELD_SECONDS
    assert upkeep.rescue_lost() == 0
    assert fresh(job).state == "running", "its worker waited for the lock too, and is to have the next turn"
    eventually(upkeep.rescue_lost, what="the worker's time for a heartbeat to be over")
    assert (fresh(job).state, fresh(due).state) == ("queued", "queued" if met_by == "refill" else "scheduled")


def test_upkeep_notes_an_outage_that_it_meets(outage: Callable[..., Outage], monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks import upkeep

    job = claimed(submitted())
    altered(job, lease_until=clock.database_now() - timedelta(seconds=60))
    monkeypatch.setattr(upkeep, "vigil", rescue.Vigil())
    outage("SELECT", 1)
    with pytest.raises(OperationalError):
        upkeep.rescue_lost()
    assert upkeep.rescue_lost() == 0
    assert fresh(job).state == "running"
    eventually(upkeep.rescue_lost, what="the worker's time for a heartbeat to be over")
    assert fresh(job).state == "queued"
