"""Retry and change of priority: what becomes of a job in each state, and that dispatch sees it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from jobs_app.core import control, dispatch, transitions, transport
from jobs_app.errors import Conflict, InvalidRequest, NotFound
from jobs_app.lifecycle import WAITING, EventName, State
from jobs_app.models import Job
from tests.support.ledger import altered, columns_of, fresh, happened, reaching, submitted

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("state", [State.SCHEDULED, State.RETRYING])
def test_a_job_that_waits_for_its_time_is_due_at_once(alice: User, now: datetime, state: State) -> None:
    job = altered(reaching(state, owner=alice, now=now), due_at=now + timedelta(hours=1))
    before = columns_of(job)
    accepted = control.retry_now(job.id, actor=alice, now=now + SECOND)
    assert (accepted.job.id, accepted.replayed) == (job.id, False)
    assert columns_of(job) == {**before, "due_at": now + SECOND}
    event = job.events.latest("id")
    assert (event.name, event.source, event.target, event.actor, event.at) == (
        "made due", state, state, alice, now + SECOND,
    )  # fmt: skip
    dispatch.promote(now=now + SECOND)
    assert fresh(job).state == "queued"


def test_retrying_twice_is_no_error_and_no_second_record(now: datetime) -> None:
    job = altered(reaching(State.RETRYING, now=now), due_at=now + timedelta(hours=1))
    control.retry_now(job.id, actor=None, now=now + SECOND)
    before, events = columns_of(job), happened(job)
    assert control.retry_now(job.id, actor=None, now=now + 2 * SECOND).replayed
    assert (columns_of(job), happened(job)) == (before, events)


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
def test_to_retry_what_did_not_end_well_makes_a_new_job(alice: User, now: datetime, state: State) -> None:
    job = reaching(state, owner=alice, now=now)
    before = columns_of(job)
    new = control.retry_now(job.id, actor=alice, now=now + SECOND, idempotency_key="once").job
    assert (new.rerun_of_id, new.state, new.attempt) == (job.id, "queued", 0)
    assert columns_of(job) == before
    assert control.retry_now(job.id, actor=alice, now=now + SECOND, idempotency_key="once").job == new


@pytest.mark.parametrize("state", [State.BLOCKED, State.QUEUED, State.RUNNING, State.SUCCEEDED])
def test_others_are_not_retried(now: datetime, state: State) -> None:
    job = reaching(state, now=now)
    before = columns_of(job)
    with pytest.raises(Conflict, match=f"has failed or was cancelled, and this one is {state}"):
        control.retry_now(job.id, actor=None, now=now)
    assert columns_of(job) == before
    assert Job.objects.count() == 1


@pytest.mark.parametrize("state", sorted(WAITING))
def test_the_priority_of_a_job_that_waits_is_changed(alice: User, now: datetime, state: State) -> None:
    job = reaching(state, owner=alice, now=now, priority=5)
    before = columns_of(job)
    control.reprioritise(job.id, -100, actor=alice, now=now)
    assert columns_of(job) == {**before, "priority": -100}
    event = job.events.latest("id")
    assert (event.name, event.target, event.actor, event.reason) == ("reprioritised", state, alice, "from 5 to -100")
    events = happened(job)
    control.reprioritise(job.id, -100, actor=alice, now=now)
    assert happened(job) == events, "the same once more is no event"


@pytest.mark.parametrize("state", sorted(set(State) - WAITING))
def test_of_others_it_is_not(now: datetime, state: State) -> None:
    job = reaching(state, now=now)
    before = columns_of(job)
    with pytest.raises(Conflict, match=f"expected a job that waits, and this one is {state}"):
        control.reprioritise(job.id, 1, actor=None, now=now)
    assert columns_of(job) == before


@pytest.mark.parametrize("priority", [-101, 101])
def test_a_priority_has_bounds(now: datetime, priority: int) -> None:
    job = submitted(now=now)
    with pytest.raises(InvalidRequest, match=f"expected a priority from -100 to 100, got {priority}"):
        control.reprioritise(job.id, priority, actor=None, now=now)


def test_strangers_find_no_such_job(alice: User, bob: User, carol: User, now: datetime) -> None:
    job = reaching(State.SCHEDULED, owner=alice, now=now)
    before = columns_of(job)
    with pytest.raises(NotFound):
        control.reprioritise(job.id, 1, actor=bob, now=now)
    with pytest.raises(NotFound):
        control.retry_now(job.id, actor=bob, now=now)
    assert columns_of(job) == before
    control.reprioritise(job.id, 1, actor=carol, now=now)
    control.retry_now(job.id, actor=carol, now=now)
    assert (fresh(job).priority, fresh(job).due_at) == (1, now)


@pytest.mark.usefixtures("quiet", "nudged")
def test_dispatch_takes_jobs_in_the_changed_order(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [submitted(now=now + timedelta(milliseconds=place)) for place in range(3)]
    control.reprioritise(jobs[2].id, 10, actor=None, now=now)
    control.reprioritise(jobs[0].id, -10, actor=None, now=now)
    sent: list[Any] = []
    monkeypatch.setattr(transport, "publish", lambda kind, ids, queue: sent.extend(ids))
    dispatch.refill("default", now=now + SECOND)
    assert sent == [jobs[2].id, jobs[1].id, jobs[0].id]


def test_a_change_of_what_has_moved_meanwhile_changes_nothing(now: datetime) -> None:
    job = reaching(State.RETRYING, now=now)
    control.cancel(job.id, actor=None, now=now)
    before, events = columns_of(job), happened(job)
    assert not transitions.amend(job, now=now, event=EventName.REPRIORITISED, priority=3)
    rows = Job.objects.filter(id__in=[job.id], state=State.RETRYING)
    assert transitions.amend_many(rows, now=now, event=EventName.REPRIORITISED, priority=3) == []
    assert (columns_of(job), happened(job)) == (before, events)
