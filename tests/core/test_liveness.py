"""Liveness: a thread beside the handler keeps its lease, learns what it must, and writes what it reports."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobs_app.context import Cancelled, TimedOut
from jobs_app.core import claims, clock, control, outcomes
from jobs_app.core.held import Held
from jobs_app.core.liveness import Heart, extend
from jobs_app.models import Job, LogLine
from jobs_app.platform.waiting import until
from tests.support.ledger import altered, claimed, columns_of, fresh, submitted

SECOND = timedelta(seconds=1)
NEVER = float("inf")


def holding(job: Job, *, soft_at: float = NEVER, hard_at: float = NEVER, **calls: Any) -> Held:
    calls.setdefault("on_overdue", lambda held, why: None)
    calls.setdefault("interrupt", lambda: None)
    return Held(job_id=job.id, attempt=job.attempt, soft_at=soft_at, hard_at=hard_at, **calls)


@pytest.fixture
def heart(quiet: None, nudged: list[str], configured: Callable[..., None]) -> Iterator[Heart]:
    """A heart that beats ten times a second."""
    configured(heartbeat_seconds=0.1, lease_seconds=5, cancel_grace_seconds=0.2)
    made = Heart()
    yield made
    for held in list(made._held.values()):
        made.release(held)


@pytest.fixture
def job(heart: Heart) -> Job:
    """A running job, committed."""
    return claimed(submitted())


def test_leases_are_extended_and_cancels_learned_in_one_statement(
    now: datetime, django_assert_num_queries: Any
) -> None:
    jobs = [claimed(submitted(now=now), now=now) for _ in range(3)]
    control.cancel(jobs[1].id, actor=None, now=now)
    with django_assert_num_queries(1):
        found = extend([(job.id, job.attempt) for job in jobs], now=now + SECOND)
    assert found == {jobs[0].id: False, jobs[1].id: True, jobs[2].id: False}
    assert {fresh(job).lease_until for job in jobs} == {now + timedelta(seconds=6)}


def test_what_is_no_longer_held_is_not_extended(now: datetime) -> None:
    settled, rescued, queued = (claimed(submitted(now=now), now=now) for _ in range(3))
    outcomes.succeed(settled, 1, 1, now=now)
    claims.give_back(rescued, now=now, reason="lost")
    claimed(rescued, now=now, holder="another")
    claims.give_back(queued, now=now, reason="lost")
    before = [columns_of(job) for job in (settled, rescued, queued)]
    assert extend([(job.id, 1) for job in (settled, rescued, queued)], now=now + SECOND) == {}
    assert [columns_of(job) for job in (settled, rescued, queued)] == before
    assert extend([], now=now) == {}


def test_the_thread_keeps_the_lease(heart: Heart, job: Job) -> None:
    heart.hold(holding(job))
    first = fresh(job).lease_until
    assert first is not None
    assert until(lambda: (fresh(job).lease_until or first) > first + SECOND / 2, 20)
    assert fresh(job).attempt == 1


def test_a_released_job_is_not_kept(heart: Heart, job: Job) -> None:
    held, other = holding(job), claimed(submitted())
    heart.hold(held)
    heart.hold(holding(other))
    heart.release(held)
    before = fresh(job).lease_until
    first = fresh(other).lease_until
    assert first is not None
    # The other's lease moves on, so the thread has beaten meanwhile.
    assert until(lambda: (fresh(other).lease_until or first) > first + SECOND / 2, 20)
    assert fresh(job).lease_until == before


def test_a_cancel_is_learned(heart: Heart, job: Job) -> None:
    held = holding(job)
    heart.hold(held)
    held.check()
    control.cancel(job.id, actor=None, now=clock.database_now())
    assert until(lambda: held.should_stop, 20)
    with pytest.raises(Cancelled, match="cancelled on request"):
        held.check()
    assert not held.lost


def test_a_job_that_was_taken_over_is_noticed(heart: Heart, job: Job) -> None:
    held = holding(job)
    heart.hold(held)
    claims.give_back(job, now=clock.database_now(), reason="lost")
    claimed(job, holder="another")
    assert until(lambda: held.lost, 20)
    with pytest.raises(Cancelled, match="taken over by another worker"):
        held.check()


def test_progress_and_log_lines_are_written_meanwhile(heart: Heart, job: Job) -> None:
    held = holding(job)
    heart.hold(held)
    held.progress = (0.25, "a quarter")
    held.log("first", "info", datetime(2026, 1, 1, tzinfo=UTC))
    held.log("second", "error", datetime(2026, 1, 2, tzinfo=UTC))
    assert until(lambda: LogLine.objects.count() == 2, 20)
    row = fresh(job)
    assert (row.progress, row.progress_message) == (0.25, "a quarter")
    lines = list(job.log_lines.order_by("id").values_list("attempt", "level", "text", "at"))
    assert lines == [
        (1, "info", "first", datetime(2026, 1, 1, tzinfo=UTC)),
        (1, "error", "second", datetime(2026, 1, 2, tzinfo=UTC)),
    ]


def test_what_was_reported_last_is_written_on_release(heart: Heart, job: Job) -> None:
    held = holding(job)
    heart.hold(held)
    held.log("last words", "info", datetime.now(UTC))
    heart.release(held)
    assert job.log_lines.get().text == "last words"


def test_what_does_not_stop_is_interrupted_after_a_grace_and_ended_after_another(heart: Heart, job: Job) -> None:
    told: list[tuple[str, float]] = []
    held = holding(
        job,
        interrupt=lambda: told.append(("interrupted", time.monotonic())),
        on_overdue=lambda held, why: told.append((why, time.monotonic())),
    )
    heart.hold(held)
    heart.start(held)
    control.cancel(job.id, actor=None, now=clock.database_now())
    assert until(lambda: len(told) == 2, 20)
    assert [word for word, _ in told] == ["interrupted", "cancel"]
    assert held.cancelled_at is not None
    assert told[0][1] >= held.cancelled_at + 0.2
    assert told[1][1] >= held.cancelled_at + 0.4


def test_a_hard_timeout_is_enforced_once(heart: Heart, job: Job) -> None:
    told: list[str] = []
    held = holding(job, hard_at=time.monotonic() + 0.2, on_overdue=lambda held, why: told.append(why))
    heart.hold(held)
    first = fresh(job).lease_until
    assert first is not None
    # A claimed job that has not begun has no time running.
    assert until(lambda: (fresh(job).lease_until or first) > first + SECOND / 2, 20)
    assert told == []
    held.started = True
    assert until(lambda: bool(told), 20)
    assert told == ["timeout"]


def test_a_soft_timeout_is_told_to_whoever_asks(now: datetime) -> None:
    held = holding(claimed(submitted(now=now), now=now), soft_at=time.monotonic() - 1)
    held.check()
    held.started = True
    with pytest.raises(TimedOut, match="its time was up"):
        held.check()


def test_the_thread_survives_whatever_it_meets(heart: Heart, job: Job, caplog: pytest.LogCaptureFixture) -> None:
    def broken(held: Held, why: str) -> None:
        raise RuntimeError("settling failed")

    poisoned = claimed(submitted())
    bad = holding(poisoned, hard_at=0.0, on_overdue=broken)
    bad.started = True
    bad.progress = (7.0, "beyond the range that the ledger allows")
    with caplog.at_level(logging.CRITICAL, "jobs_app.core.liveness"):
        heart.hold(bad)
        other = holding(job)
        other.started = True
        heart.hold(other)
        first = fresh(job).lease_until
        assert first is not None
        assert until(lambda: (fresh(job).lease_until or first) > first + SECOND, 20)
    assert fresh(poisoned).progress == 0.0


def test_release_never_raises(heart: Heart, job: Job) -> None:
    held = holding(job)
    heart.hold(held)
    held.progress = (7.0, "beyond the range that the ledger allows")
    heart.release(held)
    assert heart.others(holding(claimed(submitted()))) == []


def test_what_else_is_held_is_known(heart: Heart, job: Job) -> None:
    held, other = holding(job), holding(claimed(submitted()))
    heart.hold(held)
    heart.hold(other)
    assert heart.others(held) == [other]


def test_a_heart_with_nothing_to_keep_holds_no_connection(heart: Heart, job: Job) -> None:
    held = holding(job)
    heart.hold(held)
    first = fresh(job).lease_until
    assert first is not None
    assert until(lambda: (fresh(job).lease_until or first) > first, 20)
    heart.release(held)
    again = claimed(altered(submitted(), priority=1))
    heart.hold(holding(again))
    second = fresh(again).lease_until
    assert second is not None
    assert until(lambda: (fresh(again).lease_until or second) > second, 20), "it goes on with a new one"
