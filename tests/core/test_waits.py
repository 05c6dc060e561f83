"""Why one job waits: a test for each reason, on the rows that make it hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User

from jobs_app.core import claims, estimates, execution, outcomes, transport
from jobs_app.errors import NotFound
from jobs_app.lifecycle import State
from jobs_app.models import Gate, Job, Queue
from jobs_app.models.guard import writing
from jobs_app.policies import Backoff
from jobs_app.reads import jobs, waits
from jobs_app.reads.waits import Reason, ReasonView
from tests.support.ledger import HOLDER, altered, claimed, fresh, reaching, submitted
from tests.support.measures import SECOND, flowed, listening

Configure = Callable[..., None]
LANE = "default"


@pytest.fixture(autouse=True)
def _anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(transport, "circuit", transport.Circuit())
    yield
    estimates.forget()


def why(job: Job, now: datetime) -> ReasonView:
    estimates.forget()
    found = waits.why(fresh(job), now=now)
    assert found is not None
    return found


def lane(**columns: object) -> None:
    with writing():
        Queue.objects.update_or_create(name=LANE, defaults=columns)


def on_broker(job: Job, now: datetime) -> Job:
    return altered(job, dispatched_at=now)


@pytest.mark.parametrize("state", [State.RUNNING, State.SUCCEEDED, State.FAILED, State.CANCELLED])
def test_what_does_not_wait_has_no_reason(state: State, now: datetime) -> None:
    assert waits.why(reaching(state, now=now), now=now) is None


def test_a_job_that_is_not_due_waits_for_its_time(now: datetime) -> None:
    found = why(reaching(State.SCHEDULED, now=now), now)
    assert (found.reason, found.until, found.queue) == (Reason.NOT_DUE, now + timedelta(hours=1), None)


def test_a_paused_queue_is_the_cause_until_it_is_resumed(now: datetime) -> None:
    job = submitted(now=now)
    listening(LANE, now)
    lane(paused_at=now - timedelta(minutes=5))
    found = why(job, now)
    assert (found.reason, found.queue) == (Reason.PAUSED, LANE)
    assert found.sentence == "Queue default was paused 5 min ago: nothing of it starts until it is resumed"
    assert why(on_broker(job, now), now).reason is Reason.TURN, "what is on the broker still runs"
    lane(paused_at=None)
    assert why(altered(job, dispatched_at=None), now).reason is Reason.TURN


def test_a_queue_that_no_worker_serves(now: datetime) -> None:
    job = submitted(now=now)
    found = why(job, now)
    assert (found.reason, found.queue) == (Reason.NO_WORKER, LANE)
    listening("other", now)
    assert why(job, now).reason is Reason.NO_WORKER
    listening(LANE, now)
    assert why(job, now).reason is not Reason.NO_WORKER


def test_a_broker_that_takes_no_messages(now: datetime) -> None:
    job = submitted(now=now)
    listening(LANE, now)
    transport.circuit.trip()
    assert why(job, now).reason is Reason.BROKER
    assert why(on_broker(job, now), now).reason is not Reason.BROKER, "its message is there already"


def test_a_broker_or_upkeep_that_is_not_heard_of_while_slots_are_free(now: datetime) -> None:
    job = submitted(now=now - 60 * SECOND)
    listening(LANE, now)
    found = why(on_broker(job, now - 60 * SECOND), now)
    assert found.reason is Reason.BROKER
    assert "2 slots are free, and nothing is measured any more" in found.sentence
    flowed(LANE, now, 10, depth=1)
    assert "No message reaches a worker" in why(job, now).sentence


def test_a_full_window_and_how_many_go_before(configured: Configure, now: datetime) -> None:
    configured(window=2)
    listening(LANE, now)
    first = [on_broker(submitted(now=now), now + timedelta(microseconds=place)) for place in range(2)]
    job = submitted(now=now)
    found = why(job, now)
    assert found.reason is Reason.WINDOW
    assert found.sentence == "The window of queue default is full, with 2 messages on the broker: 2 jobs go before it"
    claimed(first[0], now=now)
    assert why(job, now).reason is not Reason.WINDOW


def test_busy_slots_and_the_turn(now: datetime) -> None:
    listening(LANE, now, slots=1)
    runs, before, job = (submitted(now=now) for _ in range(3))
    assert why(job, now).sentence == "Its turn comes: 2 jobs go before it, and 1 slot is free in queue default"
    claimed(runs, now=now)
    found = why(job, now)
    assert found.reason is Reason.BUSY
    assert found.sentence == "The only slot of queue default is busy: 1 job goes before it"
    assert "it is the next" in why(before, now).sentence
    urgent = submitted(now=now, priority=5)
    assert "it is the next" in why(urgent, now).sentence, "the order is dispatch's"


def test_a_job_whose_worker_was_lost_says_so_too(now: datetime) -> None:
    job = claimed(submitted(now=now), now=now)
    assert claims.give_back(job, now=now, reason="its worker stopped answering")
    listening(LANE, now)
    assert why(job, now).sentence.startswith("Its worker was lost, so it waits for another. Its turn comes")


def test_a_due_job_waits_outside_a_full_queue(configured: Configure, now: datetime) -> None:
    configured(queue_limit=2)
    job = altered(reaching(State.SCHEDULED, now=now), due_at=now)
    submitted(now=now)
    flowed(LANE, now, 1)
    assert why(job, now).reason is Reason.TURN
    submitted(now=now)
    found = why(job, now)
    assert (found.reason, found.queue) == (Reason.FULL, LANE)
    assert found.sentence == "Queue default is full: 2 jobs wait in it, and it has room for 2"


def test_a_queue_that_was_full_takes_jobs_again_below_low_water(configured: Configure, now: datetime) -> None:
    configured(queue_limit=10, queue_low_water=0.5)
    job = altered(reaching(State.SCHEDULED, now=now), due_at=now)
    for _ in range(6):
        submitted(now=now)
    with writing():
        Gate.objects.update_or_create(queue=LANE, defaults={"closed_at": now})
    found = why(job, now)
    assert found.reason is Reason.FULL
    assert "takes jobs again below 5" in found.sentence


def test_an_owner_with_a_full_share_waits_for_their_own(configured: Configure, now: datetime, alice: User) -> None:
    configured(queue_limit=4, user_share=0.25)
    job = altered(reaching(State.SCHEDULED, now=now, owner=alice), due_at=now)
    flowed(LANE, now, 1)
    assert why(job, now).reason is Reason.TURN
    submitted(now=now, owner=alice)
    assert why(job, now).reason is Reason.SHARE


def test_upkeep_that_is_away_is_the_reason_of_what_is_due_and_has_room(now: datetime) -> None:
    job = altered(reaching(State.SCHEDULED, now=now), due_at=now)
    assert why(job, now).reason is Reason.UPKEEP
    assert why(altered(reaching(State.RETRYING, now=now), due_at=now), now).reason is Reason.UPKEEP


def test_a_child_waits_for_room_and_its_parent_for_it(configured: Configure, now: datetime) -> None:
    configured(queue_limit=1, queue_headroom=0)
    parent = submitted("family.parent", {"count": 3, "failing": []}, now=now)
    assert execution.run([parent.id], holder=HOLDER) == 1
    altered(Job.objects.filter(parent=parent).earliest("id"), state=State.QUEUED)  # the one that found room
    found = why(parent, now)
    assert found.reason is Reason.CHILDREN
    assert found.sentence == "It waits for the jobs that it spawned: 3 of 3 have not ended"
    child = Job.objects.filter(parent=parent, state=State.BLOCKED).latest("id")
    assert why(child, now).reason is Reason.FULL


def test_the_next_attempt_and_why_there_was_none(now: datetime) -> None:
    job = claimed(submitted("probe.fails", {"reason": "x"}, now=now), now=now)
    job = altered(job, max_attempts=5)
    later = Backoff(max_attempts=5)
    assert outcomes.fail(job, outcomes.Failure("broken"), ValueError("broken"), later, now=now)
    job = altered(job, due_at=now + timedelta(minutes=1))
    found = why(job, now)
    assert (found.reason, found.until) == (Reason.RETRY, job.due_at)
    assert found.sentence == "Attempt 1 failed; the next of at most 5 begins"
    with writing():
        job.attempts.update(outcome="snoozed")
    assert why(job, now).reason is Reason.SNOOZED


def test_strangers_are_told_nothing(alice: User, bob: User, now: datetime) -> None:
    job = submitted(owner=alice, now=now)
    assert jobs.job_as_it_stands(alice, job.id, now=now).reason is not None
    with pytest.raises(NotFound):
        jobs.job_as_it_stands(bob, job.id, now=now)


def test_a_deep_queue_is_counted_only_so_far(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    monkeypatch.setattr(waits, "MOST", 3)
    listening(LANE, now)
    *_, job = (submitted(now=now) for _ in range(6))
    assert "3 jobs or more go before it" in why(job, now).sentence
