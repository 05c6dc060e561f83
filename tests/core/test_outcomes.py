"""Settling: one guarded write ends an attempt; a late one changes nothing and is recorded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from jobs_app.core import claims, control, outcomes
from jobs_app.models import Job
from jobs_app.policies import NO_RETRY, Backoff, Discard, Retry, Snooze
from tests.support.ledger import altered, claimed, columns_of, fresh, happened, moves_of, submitted

SECOND = timedelta(seconds=1)
FAILURE = outcomes.Failure("it broke", "ValueError", "Traceback …")
STEADY = Backoff(max_attempts=3, base=10 * SECOND, maximum=10 * SECOND)

SETTLEMENTS: dict[str, Callable[[Job, datetime], bool]] = {
    "succeeded": lambda job, now: outcomes.succeed(job, {"late": True}, 13, now=now),
    "failed": lambda job, now: outcomes.fail(job, FAILURE, Discard("no"), STEADY, now=now),
    "retrying": lambda job, now: outcomes.fail(job, FAILURE, ValueError(), STEADY, now=now),
    "cancelled": lambda job, now: outcomes.cancel(job, now=now, reason="late"),
}


@pytest.fixture
def job(now: datetime) -> Job:
    """A running job with three attempts."""
    return claimed(submitted(now=now, max_attempts=3), now=now)


def test_success_is_settled_with_its_result(job: Job, now: datetime) -> None:
    assert outcomes.succeed(job, {"rows": 3}, 10, now=now + SECOND)
    row = fresh(job)
    assert (row.state, row.result, row.result_bytes, row.progress) == ("succeeded", {"rows": 3}, 10, 1.0)
    assert (row.finished_at, row.lease_until, row.error, row.failures) == (now + SECOND, None, "", 0)
    assert row.attempts.values_list("outcome", "finished_at").get() == ("succeeded", now + SECOND)
    assert happened(job) == ["submitted", "claimed", "succeeded"]


def test_success_after_a_failure_leaves_no_error_on_the_job(job: Job, now: datetime) -> None:
    outcomes.fail(job, FAILURE, Retry(timedelta(0)), STEADY, now=now)
    altered(job, state="queued")
    outcomes.succeed(claimed(job, now=now), 1, 1, now=now)
    row = fresh(job)
    assert (row.state, row.error, row.error_type, row.failures) == ("succeeded", "", "", 1)
    assert list(row.attempts.values_list("outcome", "error")) == [("failed", "it broke"), ("succeeded", "")]


def test_a_failure_with_attempts_left_is_due_again_within_its_ceiling(job: Job, now: datetime) -> None:
    assert outcomes.fail(job, FAILURE, ValueError(), STEADY, now=now + SECOND)
    row = fresh(job)
    assert (row.state, row.failures, row.error, row.error_type) == ("retrying", 1, "it broke", "ValueError")
    assert now + SECOND <= row.due_at <= now + 11 * SECOND
    assert (row.finished_at, row.lease_until, row.dispatched_at) == (None, None, None)
    attempt = row.attempts.get()
    assert (attempt.outcome, attempt.error, attempt.traceback) == ("failed", "it broke", "Traceback …")
    assert happened(job)[-1] == "retry planned"


@pytest.mark.parametrize(
    ("cause", "failures", "state"),
    [
        (ValueError(), 0, "retrying"),
        (ValueError(), 1, "retrying"),
        (ValueError(), 2, "failed"),
        (Discard("no"), 0, "failed"),
        (Retry(SECOND), 0, "retrying"),
        (Retry(SECOND), 2, "failed"),
        (Snooze(SECOND), 2, "retrying"),
    ],
)
def test_the_decision_follows_the_failures_so_far(
    job: Job, now: datetime, cause: Exception, failures: int, state: str
) -> None:
    job.failures = failures
    assert outcomes.fail(job, FAILURE, cause, STEADY, now=now)
    row = fresh(job)
    assert row.state == state
    assert row.failures == failures + (not isinstance(cause, Snooze))
    assert (row.finished_at is not None) == (state == "failed")


def test_a_job_that_was_put_off_has_no_error(job: Job, now: datetime) -> None:
    assert outcomes.fail(job, outcomes.Failure("not now"), Snooze(9 * SECOND), NO_RETRY, now=now)
    row = fresh(job)
    assert (row.state, row.error, row.failures, row.due_at) == ("retrying", "", 0, now + 9 * SECOND)
    assert row.attempts.get().outcome == "snoozed"


def test_attempts_lost_with_their_worker_do_not_count_as_failures(job: Job, now: datetime) -> None:
    claims.give_back(job, now=now, reason="lost")
    again = claimed(job, now=now)
    assert again.attempt == 2
    assert outcomes.fail(again, FAILURE, ValueError(), STEADY, now=now)
    assert fresh(job).failures == 1


@pytest.mark.parametrize("settlement", SETTLEMENTS)
@pytest.mark.parametrize("first", SETTLEMENTS)
def test_a_settlement_that_comes_second_changes_nothing_and_is_recorded(
    job: Job, now: datetime, first: str, settlement: str
) -> None:
    assert SETTLEMENTS[first](job, now)
    before, attempt = columns_of(job), job.attempts.values().get()
    assert not SETTLEMENTS[settlement](job, now + SECOND)
    assert columns_of(job) == before
    assert job.attempts.values().get() == attempt
    event = job.events.latest("id")
    assert (event.name, event.source, event.target) == ("late write refused", first, first)
    assert event.reason == f"attempt 1 reported '{settlement}' when the job was {first} at attempt 1"


@pytest.mark.parametrize("settlement", SETTLEMENTS)
def test_a_worker_that_lost_its_job_cannot_settle_for_its_successor(job: Job, now: datetime, settlement: str) -> None:
    claims.give_back(job, now=now, reason="frozen")
    other = claimed(job, now=now, holder="another")
    before, attempts = columns_of(job), list(job.attempts.values())
    assert not SETTLEMENTS[settlement](job, now + SECOND)
    assert columns_of(job) == before
    assert list(job.attempts.values()) == attempts
    event = job.events.latest("id")
    assert (event.name, event.attempt) == ("late write refused", 1)
    assert event.reason == f"attempt 1 reported '{settlement}' when the job was running at attempt 2"
    assert outcomes.succeed(other, 1, 1, now=now), "the successor can"


def test_settling_a_job_that_is_gone_is_no_error(job: Job, now: datetime) -> None:
    ghost = Job(id="0" * 32, attempt=1)
    assert not outcomes.succeed(ghost, None, 4, now=now)
    assert "late write refused" not in happened(job)


@pytest.mark.parametrize("cause", [ValueError(), Retry(SECOND), Snooze(SECOND)])
def test_a_job_that_was_to_be_cancelled_is_not_tried_again(job: Job, now: datetime, cause: Exception) -> None:
    control.cancel(job.id, actor=None, now=now)
    assert outcomes.fail(job, FAILURE, cause, STEADY, now=now + SECOND)
    row = fresh(job)
    assert (row.state, row.finished_at) == ("cancelled", now + SECOND)
    assert row.attempts.get().outcome == "cancelled"
    assert row.events.latest("id").reason == "on request; its last attempt ended with: it broke"


def test_a_job_that_failed_for_good_while_it_was_to_be_cancelled_has_failed(job: Job, now: datetime) -> None:
    control.cancel(job.id, actor=None, now=now)
    assert outcomes.fail(job, FAILURE, Discard("no"), STEADY, now=now)
    assert fresh(job).state == "failed"


def test_a_late_failure_of_a_job_to_be_cancelled_is_refused_too(job: Job, now: datetime) -> None:
    claims.give_back(job, now=now, reason="frozen")
    other = claimed(job, now=now, holder="another")
    control.cancel(job.id, actor=None, now=now)
    assert not outcomes.fail(job, FAILURE, ValueError(), STEADY, now=now)
    assert fresh(job).state == "running"
    assert outcomes.cancel(other, now=now, reason="on request")
    assert moves_of(job)[-1] == ("running", "cancelled")
