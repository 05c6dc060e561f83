"""One job, several workers: one gets it."""

from __future__ import annotations

import random
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection

from jobs_app.core import claims, clock, control, rescue
from jobs_app.models import Attempt, Job
from tests.support.ledger import fresh, happened, submitted
from tests.support.together import HELD_SECONDS, against, at_once

pytestmark = pytest.mark.usefixtures("quiet", "nudged")


def test_a_message_delivered_twice_at_once_is_claimed_once() -> None:
    now = clock.database_now()
    ids = [submitted(now=now).id for _ in range(5)]
    waits = connection.vendor == "sqlite"
    with against(lambda: claims.claim(ids, holder="first", now=now), seconds=HELD_SECONDS if waits else 2) as rival:
        second = claims.claim(ids, holder="second", now=now)
        # PostgreSQL's claim skips locked rows: the worker turns to other work rather than waiting.
        assert waits or not rival.committed.is_set()
    assert second == []
    assert rival.waited >= HELD_SECONDS or not waits
    assert set(Attempt.objects.values_list("job__holder", "number", "holder")) == {("first", 1, "first")}
    assert Attempt.objects.count() == 5


def test_many_workers_with_overlapping_messages_share_the_jobs() -> None:
    now = clock.database_now()
    ids = [submitted(now=now).id for _ in range(40)]
    order = random.Random(7)
    messages = [order.sample(ids, 25) for _ in range(8)]
    taken = at_once(
        *(partial(claims.claim, message, holder=f"worker {n}", now=now) for n, message in enumerate(messages))
    )
    assert len({job.id for jobs in taken for job in jobs}) == sum(map(len, taken))
    for number, jobs in enumerate(taken):
        assert {fresh(job).holder for job in jobs} <= {f"worker {number}"}
    asked = {each for message in messages for each in message}
    left = claims.claim(ids, holder="last", now=now)
    assert len(left) + sum(map(len, taken)) == 40
    assert {job.id for job in left} >= set(ids) - asked
    assert Attempt.objects.count() == 40
    assert set(Attempt.objects.values_list("number", flat=True)) == {1}


def test_a_cancel_that_meets_a_claim_asks_the_worker_to_stop() -> None:
    now = clock.database_now()
    job = submitted(now=now)
    with against(lambda: claims.claim([job.id], holder="worker", now=now)) as rival:
        control.cancel(job.id, actor=None, now=now)
    assert rival.waited >= HELD_SECONDS
    row = fresh(job)
    assert (row.state, row.cancel_requested_at) == ("running", now)
    assert happened(job) == ["submitted", "claimed", "cancel requested"]


def test_a_claim_that_meets_a_cancel_gets_nothing() -> None:
    now = clock.database_now()
    job = submitted(now=now)
    with against(lambda: control.cancel(job.id, actor=None, now=now)):
        assert claims.claim([job.id], holder="worker", now=now) == []
    assert fresh(job).state == "cancelled"
    assert not Attempt.objects.exists()


def test_cancel_and_claim_at_once_end_in_one_of_two_ways() -> None:
    ways = set()
    for _ in range(15):
        now = clock.database_now()
        job = submitted(now=now)
        steps = [
            partial(claims.claim, [job.id], holder="worker", now=now),
            partial(control.cancel, job.id, actor=None, now=now),
        ]
        at_once(*steps)  # type: ignore[arg-type]
        row = fresh(job)
        ways.add((row.state, row.attempt, row.cancel_requested_at is not None, tuple(happened(job))))
    assert ways <= {
        ("cancelled", 0, True, ("submitted", "cancelled")),
        ("running", 1, True, ("submitted", "claimed", "cancel requested")),
    }


def test_an_expiry_that_meets_a_claim_does_not_fail_what_runs() -> None:
    now = clock.database_now()
    job = submitted(now=now, expires_at=now + timedelta(seconds=1))
    with against(lambda: claims.claim([job.id], holder="worker", now=now)) as rival:
        expired = rescue.expire_waiting(now=now + timedelta(seconds=1))
    assert (expired, fresh(job).state) == (0, "running")
    assert rival.waited >= HELD_SECONDS or connection.vendor == "sqlite"


def test_a_hundred_jobs_are_claimed_once_each_by_workers_that_take_what_they_find() -> None:
    now = clock.database_now()
    ids = [submitted(now=now).id for _ in range(100)]

    def work(number: int) -> int:
        taken = 0
        for start in range(0, 100, 10):
            taken += len(claims.claim(ids[start : start + 10], holder=f"worker {number}", now=now))
        return taken

    shares = at_once(*(partial(work, number) for number in range(4)))
    assert sum(shares) == 100
    assert Job.objects.filter(state="running", attempt=1).count() == 100
