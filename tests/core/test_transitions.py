"""The only writer of state: legal moves only, guarded by (id, state, attempt), each with its event."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from jobs_app.core import transitions
from jobs_app.lifecycle import FINAL, INITIAL, MOVES, EventName, State, legal
from jobs_app.models import Event, Job
from tests.support.ledger import columns_of, fresh, moves_of, reaching, submitted

PAIRS = [(source, target) for source in State for target in State]
LEGAL = [pair for pair in PAIRS if legal(*pair) and pair[1] is not State.RUNNING]
ILLEGAL = [pair for pair in PAIRS if not legal(*pair)]
LATER = timedelta(minutes=1)


@pytest.mark.parametrize(("source", "target"), ILLEGAL)
def test_an_illegal_move_is_refused_and_changes_nothing(now: datetime, source: State, target: State) -> None:
    job = reaching(source, now=now)
    before, events = columns_of(job), Event.objects.count()
    with pytest.raises(ValueError, match=f"expected a legal move, got {source} to {target}"):
        transitions.move(job.id, source, target, attempt=job.attempt, now=now, event=EventName.DUE)
    assert columns_of(job) == before
    assert Event.objects.count() == events


@pytest.mark.parametrize(("source", "target"), LEGAL)
def test_a_legal_move_is_made_with_its_event(alice: User, now: datetime, source: State, target: State) -> None:
    job = reaching(source, now=now)
    moved = transitions.move(
        job.id, source, target, attempt=job.attempt, now=now + LATER, event=EventName.DUE, actor=alice, reason="why"
    )  # fmt: skip
    assert moved
    row = fresh(job)
    assert row.status is target
    assert (row.finished_at == now + LATER) == target.final
    assert (row.lease_until, row.deadline_at, row.holder, row.dispatched_at) == (None, None, "", None)
    event = job.events.latest("id")
    assert (event.name, event.source, event.target, event.attempt) == ("due", source, target, job.attempt)
    assert (event.at, event.actor, event.reason) == (now + LATER, alice, "why")


@pytest.mark.parametrize("source", [source for source in State if State.RUNNING in MOVES[source]])
def test_only_a_claim_moves_to_running_for_it_also_takes_the_lease(now: datetime, source: State) -> None:
    job = reaching(source, now=now)
    with pytest.raises(ValueError, match="expected claim"):
        transitions.move(job.id, source, State.RUNNING, attempt=job.attempt, now=now, event=EventName.CLAIMED)


@pytest.mark.parametrize("actual", list(State))
def test_a_move_from_a_state_the_job_is_not_in_does_nothing(now: datetime, actual: State) -> None:
    job = reaching(actual, now=now)
    before = columns_of(job)
    for source, target in LEGAL:
        if source is not actual:
            assert not transitions.move(job.id, source, target, attempt=job.attempt, now=now, event=EventName.DUE)
    assert columns_of(job) == before


@pytest.mark.parametrize("attempt", [0, 2, 99])
def test_a_move_by_another_attempt_does_nothing(now: datetime, attempt: int) -> None:
    job = reaching(State.RUNNING, now=now)
    before, events = columns_of(job), moves_of(job)
    for target in (State.SUCCEEDED, State.FAILED, State.CANCELLED, State.RETRYING, State.QUEUED):
        assert not transitions.move(job.id, State.RUNNING, target, attempt=attempt, now=now, event=EventName.SUCCEEDED)
    assert columns_of(job) == before
    assert moves_of(job) == events


def test_a_move_of_a_job_that_is_not_there_does_nothing(now: datetime) -> None:
    other = reaching(State.QUEUED, now=now)
    assert not transitions.move(uuid4(), State.QUEUED, State.CANCELLED, attempt=0, now=now, event=EventName.CANCELLED)
    assert fresh(other).state == "queued"
    assert Event.objects.count() == 1


def test_a_second_move_loses(now: datetime) -> None:
    job = reaching(State.RUNNING, now=now)
    first, second = (
        transitions.move(job.id, State.RUNNING, target, attempt=1, now=now, event=EventName.FAILED)
        for target in (State.SUCCEEDED, State.FAILED)
    )
    assert (first, second) == (True, False)
    assert fresh(job).state == "succeeded"


def test_other_columns_are_set_with_the_move_or_not_at_all(now: datetime) -> None:
    job = reaching(State.RUNNING, now=now)
    refused = {"attempt": 7, "now": now, "event": EventName.FAILED, "error": "late"}
    assert not transitions.move(job.id, State.RUNNING, State.FAILED, **refused)  # type: ignore[arg-type]
    assert fresh(job).error == ""
    assert transitions.move(job.id, State.RUNNING, State.FAILED, **{**refused, "attempt": 1})  # type: ignore[arg-type]
    assert fresh(job).error == "late"


def test_move_and_event_stand_or_fall_with_the_callers_transaction(now: datetime) -> None:
    job = reaching(State.QUEUED, now=now)

    class Oops(Exception):
        pass

    def cancel_and_fail() -> None:
        with transaction.atomic():
            assert transitions.move(
                job.id, State.QUEUED, State.CANCELLED, attempt=0, now=now, event=EventName.CANCELLED
            )
            raise Oops

    with pytest.raises(Oops):
        cancel_and_fail()
    assert fresh(job).state == "queued"
    assert moves_of(job) == [("", "queued")]


@pytest.mark.parametrize("state", sorted(set(State) - INITIAL))
def test_a_job_is_not_created_in_the_middle_of_its_life(now: datetime, state: State) -> None:
    job = Job(kind="probe.nothing", queue="default", state=state, parameters={}, created_at=now, due_at=now)
    with pytest.raises(ValueError, match="expected a new job in one of"):
        transitions.create(job, now=now, actor=None)
    assert not Job.objects.exists()


@pytest.mark.parametrize("source", [State.SCHEDULED, State.RETRYING])
def test_jobs_whose_time_has_come_are_queued_each_with_its_event(now: datetime, source: State) -> None:
    jobs = [reaching(source, now=now) for _ in range(3)]
    assert transitions.make_due([job.id for job in jobs[:2]], source, now=now + LATER) == 2
    assert [fresh(job).state for job in jobs] == ["queued", "queued", source]
    for job in jobs[:2]:
        event = job.events.latest("id")
        assert (event.name, event.source, event.target, event.at) == ("due", source, "queued", now + LATER)
        assert event.attempt == job.attempt


def test_jobs_in_another_state_are_not_made_due(now: datetime) -> None:
    jobs = {state: reaching(state, now=now) for state in State}
    before = {state: columns_of(job) for state, job in jobs.items() if state is not State.SCHEDULED}
    assert transitions.make_due([job.id for job in jobs.values()], State.SCHEDULED, now=now) == 1
    assert before == {state: columns_of(job) for state, job in jobs.items() if state is not State.SCHEDULED}


def test_many_are_moved_only_at_the_attempt_that_was_seen(now: datetime) -> None:
    job = reaching(State.RETRYING, now=now)
    for seen, moved in ((2, 0), (0, 0), (1, 1)):
        found = transitions.move_many(
            [job.id], State.RETRYING, State.QUEUED, now=now, event=EventName.DUE, attempt=seen
        )
        assert len(found) == moved, seen
    assert moves_of(job)[-2:] == [("running", "retrying"), ("retrying", "queued")]


@pytest.mark.parametrize("state", sorted(FINAL))
def test_history_is_never_overwritten(now: datetime, state: State) -> None:
    job = reaching(state, now=now)
    before = columns_of(job)
    for source, target in LEGAL:
        transitions.move(job.id, source, target, attempt=job.attempt, now=now, event=EventName.DUE)
        transitions.make_due([job.id], source, now=now)
    claimed = transitions.claim([job.id], holder="x", now=now, lease_until=now + LATER)
    assert claimed == []
    assert columns_of(job) == before


def test_the_record_of_a_job_chains_from_nothing_to_its_end(now: datetime) -> None:
    job = reaching(State.RETRYING, now=now)
    transitions.make_due([job.id], State.RETRYING, now=now)
    transitions.move(job.id, State.QUEUED, State.CANCELLED, attempt=1, now=now, event=EventName.CANCELLED)
    assert moves_of(job) == [
        ("", "queued"), ("queued", "running"), ("running", "retrying"), ("retrying", "queued"), ("queued", "cancelled"),
    ]  # fmt: skip


def test_a_long_reason_is_cut(now: datetime) -> None:
    job = submitted(now=now)
    transitions.move(
        job.id, State.QUEUED, State.CANCELLED, attempt=0, now=now, event=EventName.CANCELLED, reason="x" * 5000
    )
    assert len(job.events.latest("id").reason) == 2000
