"""Claims: each job of a message is taken once, by one worker, for one attempt."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection

from jobs_app import wire
from jobs_app.core import claims, control, outcomes, rescue
from jobs_app.lifecycle import Outcome, State
from jobs_app.models import Attempt, Job
from tests.support.ledger import (
    HOLDER,
    altered,
    claimed,
    columns_of,
    fresh,
    happened,
    moves_of,
    reaching,
    submitted,
)  # fmt: skip

SECOND = timedelta(seconds=1)


def test_a_claim_takes_the_lease_and_opens_an_attempt(alice: User, now: datetime) -> None:
    job = altered(submitted(owner=alice, now=now, max_attempts=3), dispatched_at=now, progress=0.5)
    (taken,) = claims.claim([job.id], holder=HOLDER, now=now + SECOND)
    row = fresh(job)
    assert (row.state, row.attempt, row.holder, row.started_at) == ("running", 1, HOLDER, now + SECOND)
    assert row.lease_until == now + timedelta(seconds=6), "LEASE_SECONDS of the tests is 5"
    assert row.deadline_at is not None
    assert abs(row.deadline_at - (now + SECOND + job.hard_timeout)) <= timedelta(milliseconds=1)
    assert (row.progress, row.progress_message) == (0.0, "")
    attempt = row.attempts.get()
    assert (attempt.number, attempt.outcome, attempt.holder, attempt.started_at) == (1, "running", HOLDER, now + SECOND)
    event = row.events.latest("id")
    assert (event.name, event.source, event.target, event.attempt, event.reason) == (
        "claimed", "queued", "running", 1, HOLDER,
    )  # fmt: skip
    assert taken.owner == alice
    assert (taken.attempt, taken.deadline_at) == (row.attempt, row.deadline_at)


def test_a_message_delivered_twice_claims_nothing(now: datetime) -> None:
    job = claimed(submitted(now=now), now=now)
    before = columns_of(job)
    assert claims.claim([job.id], holder="another", now=now + SECOND) == []
    assert columns_of(job) == before
    assert happened(job) == ["submitted", "claimed"]
    assert Attempt.objects.count() == 1


@pytest.mark.parametrize("state", sorted(set(State) - {State.QUEUED}))
def test_only_queued_jobs_are_claimed(now: datetime, state: State) -> None:
    job = reaching(state, now=now)
    before = columns_of(job)
    assert claims.claim([job.id], holder=HOLDER, now=now + SECOND) == []
    assert columns_of(job) == before


def test_of_a_message_what_can_be_claimed_is_claimed_in_its_order(now: datetime) -> None:
    jobs = [submitted(now=now) for _ in range(4)]
    done = reaching(State.SUCCEEDED, now=now)
    wanted = [jobs[2].id, uuid4(), jobs[0].id, done.id, jobs[3].id, jobs[2].id]
    taken = claims.claim(wanted, holder=HOLDER, now=now)
    assert [job.id for job in taken] == [jobs[2].id, jobs[0].id, jobs[3].id]
    assert fresh(jobs[1]).state == "queued"


@pytest.mark.parametrize(
    "forged",
    [
        None, "text", 7, {}, {"a": 1}, [None], [7], [[]], ["x" * 10_000], ["'; DROP TABLE jobs_app_job; --"],
        [{"id": 1}], [True], [1.5], [str(uuid4())], ["\0"],
    ],
    ids=repr,
)  # fmt: skip
def test_a_forged_message_claims_nothing(now: datetime, forged: Any) -> None:
    job = submitted(now=now)
    assert claims.claim(wire.ids_of(forged), holder=HOLDER, now=now) == []
    assert fresh(job).state == "queued"


def test_of_a_forged_message_only_real_ids_are_left() -> None:
    real = uuid4()
    assert wire.ids_of([1, str(real), "x", None, real.hex]) == [real, real]


def test_an_endless_message_is_cut(now: datetime) -> None:
    job = submitted(now=now)
    padding = [UUID(int=number) for number in range(claims.MESSAGE_LIMIT)]
    assert claims.claim([*padding, job.id], holder=HOLDER, now=now) == []
    assert len(claims.claim([*padding[:-1], job.id], holder=HOLDER, now=now)) == 1


def test_an_empty_message_claims_nothing(db: None, now: datetime) -> None:
    assert claims.claim([], holder=HOLDER, now=now) == []


@pytest.mark.parametrize(("late_by", "claimable"), [(-SECOND, True), (timedelta(0), False), (SECOND, False)])
def test_an_expired_job_is_not_claimed(now: datetime, late_by: timedelta, claimable: bool) -> None:
    expires_at = now + timedelta(minutes=1)
    job = submitted(now=now, expires_at=expires_at)
    assert bool(claims.claim([job.id], holder=HOLDER, now=expires_at + late_by)) == claimable


def test_an_expiry_on_the_full_second_is_compared_as_a_time(now: datetime) -> None:
    # SQLite keeps times as text, and leaves out the fraction of a full second.
    full = (now + timedelta(minutes=1)).replace(microsecond=0)
    job = submitted(now=now, expires_at=full)
    assert claims.claim([job.id], holder=HOLDER, now=full + timedelta(microseconds=1)) == []
    assert claims.claim([job.id], holder=HOLDER, now=full - timedelta(microseconds=1))


def test_a_job_that_was_started_before_its_expiry_is_tried_again_after_it(now: datetime) -> None:
    job = claimed(submitted(now=now, expires_at=now + SECOND), now=now)
    assert claims.give_back(job, now=now, reason="its grace was over", started=True)
    assert claims.claim([job.id], holder=HOLDER, now=now + timedelta(hours=1))


def test_the_second_claim_is_the_second_attempt(now: datetime) -> None:
    job = claimed(submitted(now=now), now=now)
    claims.give_back(job, now=now, reason="its grace was over", started=True)
    again = claimed(job, now=now + SECOND, holder="another")
    assert (again.attempt, again.started_at, again.holder) == (2, now, "another")
    assert list(again.attempts.values_list("number", "outcome")) == [(1, "lost"), (2, "running")]


def test_the_deadline_follows_the_kinds_hard_timeout(now: datetime) -> None:
    for hard_timeout in (timedelta(milliseconds=1500), timedelta(days=40), timedelta(seconds=1, microseconds=1000)):
        job = altered(submitted(now=now), hard_timeout=hard_timeout)
        deadline = claimed(job, now=now).deadline_at
        assert deadline is not None
        assert abs(deadline - (now + hard_timeout)) <= timedelta(milliseconds=1)


def test_the_lease_follows_the_setting(now: datetime, configured: Callable[..., None]) -> None:
    configured(lease_seconds=60)
    assert claimed(submitted(now=now), now=now).lease_until == now + timedelta(seconds=60)


def test_a_job_given_back_uses_up_no_attempt_and_has_no_mark_of_it(now: datetime) -> None:
    job = claimed(submitted(now=now), now=now)
    assert claims.give_back(job, now=now + SECOND, reason="the process had to end")
    row = fresh(job)
    assert (row.state, row.failures, row.kills, row.lease_until, row.holder) == ("queued", 0, 0, None, "")
    assert row.dispatched_at is None, "so that it is sent again"
    assert moves_of(job)[-1] == ("running", "queued")
    attempt = row.attempts.get()
    assert (attempt.outcome, attempt.finished_at, attempt.error) == ("lost", now + SECOND, "the process had to end")


def test_a_job_given_back_before_it_was_ever_started_still_expires(now: datetime) -> None:
    job = submitted(now=now, expires_at=now + 9 * SECOND)
    for _ in range(2):
        claims.give_back(claimed(job, now=now), now=now, reason="not started")
    assert fresh(job).started_at is None
    assert rescue.expire_waiting(now=now + 9 * SECOND) == 1
    assert fresh(job).state == "failed"


def test_a_job_given_back_after_it_was_started_does_not_expire(now: datetime) -> None:
    job = submitted(now=now, expires_at=now + 9 * SECOND)
    claims.give_back(claimed(job, now=now), now=now, reason="its grace was over", started=True)
    claims.give_back(claimed(job, now=now + SECOND), now=now + SECOND, reason="not started")
    assert fresh(job).started_at == now
    assert rescue.expire_waiting(now=now + 9 * SECOND) == 0


def test_a_job_to_be_cancelled_is_not_given_back_but_ended(now: datetime) -> None:
    job = claimed(submitted(now=now), now=now)
    control.cancel(job.id, actor=None, now=now)
    assert claims.give_back(job, now=now, reason="the process had to end")
    assert fresh(job).state == "cancelled"
    assert fresh(job).attempts.get().outcome == "cancelled"


def test_what_is_no_longer_ours_is_not_given_back(now: datetime) -> None:
    job = claimed(submitted(now=now), now=now)
    claims.give_back(job, now=now, reason="first")
    other = claimed(job, now=now, holder="another")
    before = columns_of(job)
    assert not claims.give_back(job, now=now, reason="late")
    assert columns_of(job) == before
    outcomes.succeed(other, None, 4, now=now)
    assert not claims.give_back(other, now=now, reason="late")


def test_the_end_of_an_attempt_touches_neither_an_earlier_end_nor_another_attempt(now: datetime) -> None:
    late = claimed(submitted(now=now), now=now)
    claims.give_back(late, now=now, reason="frozen")
    claimed(late, now=now, holder="another")
    before = list(late.attempts.order_by("number").values())
    claims.end_attempt(late, Outcome.SUCCEEDED, now=now + SECOND)
    assert list(late.attempts.order_by("number").values()) == before


@pytest.mark.parametrize("number", [1, 50])
def test_a_claim_takes_as_many_queries_for_one_job_as_for_fifty(
    now: datetime, number: int, django_assert_num_queries: Any
) -> None:
    ids = [submitted(now=now).id for _ in range(number)]
    # On SQLite savepoint, claim, attempts, events, release.
    with django_assert_num_queries(1 if connection.vendor == "postgresql" else 5):
        assert len(claims.claim(ids, holder=HOLDER, now=now)) == number
    assert Job.objects.filter(state="running").count() == number
