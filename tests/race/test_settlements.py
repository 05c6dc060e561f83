"""One attempt, two ends: the first counts, the second is refused and recorded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import pytest
from django.db import connection

from jobs_app.core import claims, clock, control, liveness, outcomes, rescue
from jobs_app.models import Job
from jobs_app.policies import Backoff
from tests.support.ledger import claimed, fresh, happened, moves_of, submitted
from tests.support.together import HELD_SECONDS, against, at_once

pytestmark = pytest.mark.usefixtures("quiet", "nudged")

LAPSED = timedelta(seconds=6)
PASSES_BY = connection.vendor == "postgresql"
"""A rescue does not wait for a row that somebody has locked; SQLite has one lock for all."""

FAILURE = outcomes.Failure("it broke")
POLICY = Backoff(max_attempts=5)

ENDS: dict[str, Callable[[Job, datetime], object]] = {
    "succeed": lambda job, now: outcomes.succeed(job, 1, 1, now=now),
    "retry": lambda job, now: outcomes.fail(job, FAILURE, ValueError(), POLICY, now=now),
    "cancel": lambda job, now: outcomes.cancel(job, now=now, reason="on request"),
    "rescue": lambda job, now: rescue.expired_leases(now=now),
    "give back": lambda job, now: claims.give_back(job, now=now, reason="not started"),
}


@pytest.fixture
def job() -> Job:
    return claimed(submitted(max_attempts=5))


@pytest.mark.parametrize("second", ENDS)
@pytest.mark.parametrize("first", ["succeed", "retry", "rescue"])
def test_whoever_comes_second_waits_and_then_changes_nothing(job: Job, first: str, second: str) -> None:
    now = clock.database_now() + LAPSED
    with against(lambda: ENDS[first](job, now)) as rival:
        result = ENDS[second](job, now)
    assert not result
    assert rival.waited >= HELD_SECONDS or second == "rescue"
    assert fresh(job).state == {"succeed": "succeeded", "retry": "retrying", "rescue": "queued"}[first]
    assert len(moves_of(job)) == 3 + (happened(job)[-1] == "late write refused")
    assert job.attempts.count() == 1


def test_of_all_ends_at_once_one_counts() -> None:
    for _ in range(8):
        job = claimed(submitted(max_attempts=5))
        now = clock.database_now() + LAPSED
        results = at_once(*(partial(end, job, now) for end in ENDS.values()))
        assert sum(map(bool, results)) == 1
        ends = [pair for pair in moves_of(job) if pair[0] == "running" and pair[1] != "running"]
        assert len(ends) == 1
        assert job.attempts.get().outcome != "running"


def test_a_heartbeat_that_meets_a_rescue_saves_the_job(job: Job) -> None:
    now = clock.database_now() + LAPSED
    with against(lambda: liveness.extend([(job.id, 1)], now=now)) as rival:
        rescued = rescue.expired_leases(now=now)
    assert (rescued, fresh(job).state, fresh(job).kills) == (0, "running", 0)
    assert rival.waited >= HELD_SECONDS or PASSES_BY


def test_a_heartbeat_that_comes_after_a_rescue_learns_that_the_job_is_lost(job: Job) -> None:
    now = clock.database_now() + LAPSED
    with against(lambda: rescue.expired_leases(now=now)) as rival:
        held = liveness.extend([(job.id, 1)], now=now)
    assert (held, fresh(job).state, fresh(job).lease_until) == ({}, "queued", None)
    assert rival.waited >= HELD_SECONDS


def test_a_cancel_that_meets_a_retry_ends_the_job(job: Job) -> None:
    now = clock.database_now()
    with against(lambda: ENDS["retry"](job, now)) as rival:
        control.cancel(job.id, actor=None, now=now)
    assert rival.waited >= HELD_SECONDS
    assert fresh(job).state == "cancelled"
    assert moves_of(job)[2:] == [("running", "retrying"), ("retrying", "cancelled")]


def test_a_retry_that_meets_a_cancel_ends_the_job(job: Job) -> None:
    now = clock.database_now()
    with against(lambda: control.cancel(job.id, actor=None, now=now)) as rival:
        ENDS["retry"](job, now)
    assert rival.waited >= HELD_SECONDS
    assert fresh(job).state == "cancelled"
    assert moves_of(job)[2:] == [("running", "running"), ("running", "cancelled")]


def test_a_rescue_that_meets_a_cancel_ends_the_job(job: Job) -> None:
    now = clock.database_now() + LAPSED
    with against(lambda: control.cancel(job.id, actor=None, now=now)) as rival:
        rescued = rescue.expired_leases(now=now)
    assert rival.waited >= HELD_SECONDS or PASSES_BY
    assert rescued + rescue.expired_leases(now=now) == 1
    assert fresh(job).state == "cancelled"


def test_two_cancels_at_once_are_one_record(job: Job) -> None:
    now = clock.database_now()
    at_once(*[partial(control.cancel, job.id, actor=None, now=now)] * 6)
    waiting = submitted()
    at_once(*[partial(control.cancel, waiting.id, actor=None, now=now)] * 6)
    assert happened(job) == ["submitted", "claimed", "cancel requested"]
    assert happened(waiting) == ["submitted", "cancelled"]


def test_a_success_that_meets_a_cancel_is_a_success(job: Job) -> None:
    now = clock.database_now()
    with against(lambda: control.cancel(job.id, actor=None, now=now)) as rival:
        assert outcomes.succeed(job, 1, 1, now=now)
    assert rival.waited >= HELD_SECONDS
    assert fresh(job).state == "succeeded"
