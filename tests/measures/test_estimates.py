"""Estimates on a real worker: over a run of three kinds of different length, four starts of five are as told."""

from __future__ import annotations

import random
import threading

import pytest

from jobs_app.core import clock, estimates
from jobs_app.models import Flow, Job, Pace
from tests.support.ledger import submitted
from tests.support.processes import Workers, eventually

pytestmark = pytest.mark.slow

BURSTS = 12
WANTED = 0.8


def lengths(dice: random.Random) -> dict[str, dict[str, float]]:
    """One job of each kind: at once, some tenths of a second, a second or so."""
    return {
        "probe.nothing": {},
        "probe.slow": {"seconds": dice.uniform(0.1, 0.4)},
        "probe.stubborn": {"seconds": dice.uniform(0.5, 2.0)},
    }


def submit(dice: random.Random, count: int) -> list[Job]:
    """So many jobs, of the three kinds in any order."""
    made = []
    for _ in range(count):
        kind, parameters = dice.choice(list(lengths(dice).items()))
        made.append(submitted(kind, parameters))
    return made


def test_the_range_that_is_told_holds_four_of_five_true_starts(workers: Workers) -> None:
    dice = random.Random(4)
    estimates.forget()
    first = [job.id for job in submit(dice, 24)]  # nothing is known of their kinds yet
    eventually(lambda: not Job.objects.filter(id__in=first).exclude(state="succeeded").exists(), what="the first jobs")
    eventually(lambda: Pace.objects.count() == 3, what="the paces of three kinds")
    estimates.forget()
    ids = []
    for _ in range(BURSTS):
        ids += [job.id for job in submit(dice, dice.randrange(1, 30))]
        threading.Event().wait(dice.uniform(0.5, 6.0))  # so that jobs meet deep queues and empty ones
    mine = Job.objects.filter(id__in=ids)
    eventually(lambda: not mine.exclude(state="succeeded").exists(), 180, what="every job to succeed")
    told = [job for job in mine if job.start_from is not None]
    assert len(told) == len(ids), "every job was told when it would start"
    kept = [job for job in told if job.start_from <= job.started_at <= job.start_until]
    ended = [job for job in told if job.finish_from <= job.finished_at <= job.finish_until]
    waits = sorted((job.started_at - job.created_at).total_seconds() for job in told)
    widths = sorted((job.start_until - job.start_from).total_seconds() for job in told)
    early = sum(job.started_at < job.start_from for job in told)
    print(
        f"\n{len(told)} jobs: {len(kept) / len(told):.0%} started and {len(ended) / len(told):.0%} ended as told "
        f"({early} earlier, {len(told) - len(kept) - early} later); waits up to {waits[-1]:.1f} s, "
        f"half under {waits[len(waits) // 2]:.1f} s; half of the ranges under {widths[len(widths) // 2]:.1f} s"
    )
    assert len(kept) / len(told) >= WANTED
    assert waits[-1] > 4, "some waited in earnest"
    eventually(
        lambda: sum(Flow.objects.values_list("promised", flat=True)) >= len(told), what="all starts to be counted"
    )
    score = estimates.score("default", now=clock.database_now())
    assert score.part is not None
    assert score.part >= WANTED
