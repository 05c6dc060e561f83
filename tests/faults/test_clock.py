"""Clocks that are wrong, and beats that are two or that die: leases keep the database's time, a tick is one job."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django_celery_beat.models import PeriodicTask

from jobs_app.core import clock
from jobs_app.lifecycle import UNFINISHED
from jobs_app.models import Attempt, Job, Schedule, Tick
from tests.faults.stage import Stage
from tests.support import ticking
from tests.support.ledger import fresh, submitted
from tests.support.missing import missing
from tests.support.processes import eventually, finished
from tests.surfaces.processes import Running, celery

pytestmark = pytest.mark.slow

SHIFTS = {"worker": "-600", "second": "+600"}
"""Seconds by which a worker's clock is wrong."""
MINUTE = timedelta(minutes=1)
"""Far longer than anything here takes, far less than the clocks are wrong."""


def fake_time() -> str:
    """Where the library is that shifts a process's clock."""
    for directory in (Path("/usr/lib") / f"{os.uname().machine}-linux-gnu", Path("/usr/lib")):
        library = directory / "faketime" / "libfaketime.so.1"
        if library.exists():
            return str(library)
    return missing("expected libfaketime, found none. Debian, Ubuntu: apt install faketime")


@pytest.fixture
def shifted(stage: Stage) -> Iterator[Stage]:
    """Two workers, ten minutes fast and ten minutes slow."""
    if connection.vendor != "postgresql":
        pytest.skip("on SQLite the database's clock is the process's own")
    library = fake_time()
    stage.stop("worker")
    for name, shift in SHIFTS.items():
        stage.start(name, LD_PRELOAD=library, FAKETIME=shift, FAKETIME_DONT_FAKE_MONOTONIC="1")
    yield stage
    for name in SHIFTS:
        if stage.alive(name):
            stage.kill(name)


def held_by_both(jobs: list[Job]) -> bool:
    """Whether all run, and each worker has some."""
    rows = [fresh(job) for job in jobs]
    return all(row.state == "running" for row in rows) and len({row.holder.split("@")[0] for row in rows}) == 2


def test_f17_workers_with_wrong_clocks_neither_lose_their_leases_nor_keep_them_too_long(shifted: Stage) -> None:
    jobs = [submitted("probe.slow", {"seconds": 7, "steps": 20}) for _ in range(4)]
    eventually(lambda: held_by_both(jobs), what="both workers to run jobs")
    for job in jobs:
        row = finished(job.id)
        assert (row.state, row.attempt, row.kills) == ("succeeded", 1, 0), "longer than its lease, and never rescued"
        assert row.started_at is not None
        assert row.finished_at is not None
        assert timedelta(0) <= row.started_at - job.created_at < MINUTE
        assert timedelta(seconds=7) <= row.finished_at - row.started_at < MINUTE

    orphans = [submitted("probe.slow_at_first", {"seconds": 120}) for _ in range(4)]
    eventually(lambda: held_by_both(orphans), what="both workers to run jobs")
    now = clock.database_now()
    for job in orphans:
        lease = fresh(job).lease_until
        assert lease is not None
        assert abs(lease - now) < timedelta(seconds=10)
    for name in SHIFTS:
        shifted.kill(name)
    eventually(lambda: not Job.objects.filter(state="running").exists(), what="their leases to run out")
    for lost in Attempt.objects.filter(job__in=orphans):
        assert (lost.number, lost.outcome) == (1, "lost")
        assert lost.finished_at is not None
        assert timedelta(0) < lost.finished_at - lost.started_at < MINUTE


def test_f16_two_beats_that_are_killed_again_and_again_give_each_tick_one_job(stage: Stage, tmp_path: Path) -> None:
    """The short form of ``make schedules``: seconds of it, and nothing is missed for long."""
    stage.stop("beat")
    begun = clock.database_now()
    plans = ticking.make(begun)
    chance = random.Random(16)

    def decided() -> int:
        return Tick.objects.count()

    with ExitStack() as stack:
        beats = [_beat(stage, stack, tmp_path, number) for number in range(2)]
        for round_ in range(4):
            seen = decided()
            eventually(lambda seen=seen: decided() > seen + 6, what="ticks")  # type: ignore[misc]
            victim = chance.randrange(2)
            beats[victim].process.send_signal(signal.SIGKILL)
            beats[victim].process.wait()
            if round_ == 1:
                stage.kill("worker")
                stage.start("worker")
            if round_ == 2:
                stage.broker.flush()
            beats[victim] = _beat(stage, stack, tmp_path, 2 + round_)
        now = clock.database_now()
        eventually(lambda: not Schedule.objects.filter(next_due_at__lte=now).exists(), what="all to be decided")
        ticking.end(clock.database_now())
        eventually(lambda: not Job.objects.filter(state__in=UNFINISHED).exists(), 120, what="every job to end")
    assert list(ticking.faults(plans, begun, now)) == []
    PeriodicTask.objects.all().delete()


def _beat(stage: Stage, stack: ExitStack, directory: Path, number: int) -> Running:
    log = directory / f"beat-{number}"
    return stack.enter_context(celery("beat", "--pidfile=", environment=stage.environment, log=log))
