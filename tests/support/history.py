"""Weeks of statistics, written as rollups are: a quiet night, a busy noon, one hour in which nothing left the queue."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from jobs_app.core.rollups import cursor, store, sums
from jobs_app.histograms import bin_of
from jobs_app.models import QueueLevel, Rollup
from jobs_app.models.guard import writing
from jobs_app.steps import Step

MICRO = 1_000_000
KINDS = {"datasets.profile": (24, 3.2), "datasets.aggregate": (60, 0.4), "reports.render": (9, 21.0)}
"""Kind: jobs an hour at noon, and seconds that one takes."""


def weeks(*, now: datetime, days: int = 90, owner: int = 0, queue: str = "default", kinds: int = 3) -> int:
    """Rollups of minutes, hours and days up to now, as far as each step is told on a page. Returns how many rows."""
    told = {Step.MINUTE: timedelta(hours=4), Step.HOUR: timedelta(days=min(days, 8)), Step.DAY: timedelta(days=days)}
    rows, levels = [], []
    for step, back in told.items():
        at = step.floor(now - back)
        while at <= now:
            stalled = timedelta(hours=2) <= now - at < timedelta(hours=2, minutes=40) and step is not Step.DAY
            busy = 0.15 + max(math.sin(math.pi * (at.hour - 5) / 14), 0) if step is not Step.DAY else 8 + at.weekday()
            levels.append(_level(step, at, queue, 40 if stalled else 3 * busy, 2400 if stalled else 6 * busy))
            for number, (kind, (an_hour, run)) in enumerate(list(KINDS.items())[:kinds]):
                count = int(an_hour * busy * (step.length / timedelta(hours=1) if step is Step.MINUTE else 1) + number)
                rows.append(_rollup(step, at, queue, kind, owner, 0 if stalled else count, count, run * (1 + busy / 8)))
            at += step.length
    with writing():
        Rollup.objects.bulk_create(rows, batch_size=500)
        QueueLevel.objects.bulk_create(levels, batch_size=500)
    for step in Step:
        store.write(step, sums.together(store.of(Rollup.objects.filter(step=step, owner__gte=0))))
    assert cursor.advance(cursor.read(), caught_up_at=now)
    return len(rows)


def _level(step: Step, at: datetime, queue: str, depth: float, oldest: float) -> QueueLevel:
    many = int(depth)
    return QueueLevel(
        step=step, at=at, queue=queue, samples=6, depth_sum=6 * many, depth_max=many + 1, depth_last=many,
        oldest_max=oldest,
    )  # fmt: skip


def _rollup(step: Step, at: datetime, queue: str, kind: str, owner: int, ended: int, came: int, run: float) -> Rollup:
    failed = ended // 9 if at.hour in {10, 11} or (step is Step.DAY and at.day % 7 == 0) else ended // 60
    waits, runs = _spread(ended, run / 3), _spread(ended, run)
    return Rollup(
        step=step, at=at, queue=queue, kind=kind, owner=owner, submitted=came, started=ended, succeeded=ended - failed,
        failed=failed, retried=failed // 2, cancelled=ended // 70, rescued=ended // 200,
        wait={str(bin_of(int(each * MICRO))): waits.count(each) for each in waits}, wait_micros=int(sum(waits) * MICRO),
        run={str(bin_of(int(each * MICRO))): runs.count(each) for each in runs}, run_micros=int(sum(runs) * MICRO),
    )  # fmt: skip


def _spread(count: int, mean: float) -> list[float]:
    """So many durations, exponentially spread, without chance."""
    return [-mean * math.log(1 - (each + 0.5) / count) for each in range(min(count, 400))] if count else []
