"""What a handler reports while it runs: progress and log lines, within bounds, written beside it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from jobs_app.core import claims
from jobs_app.core import held as held_jobs
from jobs_app.core.held import Held
from jobs_app.core.liveness import flush
from jobs_app.models import Job
from tests.support.ledger import claimed, columns_of, submitted
from tests.support.together import at_once

NEVER = float("inf")


def holding(job: Job, *, soft_at: float = NEVER, hard_at: float = NEVER, **calls: Any) -> Held:
    calls.setdefault("on_overdue", lambda held, why: None)
    calls.setdefault("interrupt", lambda: None)
    return Held(job_id=job.id, attempt=job.attempt, soft_at=soft_at, hard_at=hard_at, **calls)


def test_progress_of_an_attempt_that_lost_its_job_is_not_written(now: datetime) -> None:
    job = claimed(submitted(now=now), now=now)
    held = holding(job)
    claims.give_back(job, now=now, reason="lost")
    claimed(job, now=now, holder="another")
    before = columns_of(job)
    held.progress = (0.9, "late")
    flush(held)
    assert columns_of(job) == before


def test_nothing_to_write_is_no_query(now: datetime, django_assert_num_queries: Any) -> None:
    held = holding(claimed(submitted(now=now), now=now))
    with django_assert_num_queries(0):
        flush(held)


def test_log_lines_are_bounded(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_jobs, "LINES_PER_ATTEMPT", 10)
    job = claimed(submitted(now=now), now=now)
    held = holding(job)
    held.log("x" * 20_000, "info", now)
    for number in range(5):
        held.log(str(number), "info", now)
    flush(held)
    for number in range(5, 100):
        held.log(str(number), "info", now)
    flush(held)
    texts = list(job.log_lines.order_by("id").values_list("text", flat=True))
    assert texts[0] == "x" * 10_000
    assert texts[1:10] == [str(number) for number in range(9)]
    assert texts[10:] == ["(an attempt may log 10 lines; the rest is not kept)"]


def test_lines_that_come_too_fast_lose_the_oldest_and_it_is_told(now: datetime) -> None:
    job = claimed(submitted(now=now), now=now)
    held = holding(job)
    for number in range(1234):
        held.log(str(number), "info", now)
    flush(held)
    texts = list(job.log_lines.order_by("id").values_list("text", flat=True))
    assert texts[0] == "(234 lines came faster than they could be written)"
    assert texts[1:] == [str(number) for number in range(234, 1234)]
    held.log("more", "info", now)
    flush(held)
    assert job.log_lines.count() == 1002


def test_two_threads_may_flush_at_once(quiet: None, nudged: list[str]) -> None:
    job = claimed(submitted())
    held = holding(job)
    earlier = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(10):
            for line in range(900):
                held.log(str(line), "info", datetime.now(UTC))
            at_once(*[partial(flush, held)] * 3)
    finally:
        sys.setswitchinterval(earlier)
    texts = job.log_lines.order_by("id").values_list("text", flat=True)
    assert list(texts) == [str(line) for line in range(900)] * 10
