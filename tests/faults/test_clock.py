"""Clocks that are wrong, and beats that are two or that die: leases keep the database's time, a tick is one job."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from jobs_app import wire
from jobs_app.core import clock
from jobs_app.models import Attempt, Job
from tests.faults.stage import Stage
from tests.support.ledger import fresh, submitted
from tests.support.missing import missing
from tests.support.processes import eventually, finished
from tests.surfaces.processes import celery

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


def test_f16_two_beats_and_one_that_dies_after_its_tick_submit_one_job_a_minute(stage: Stage, tmp_path: Path) -> None:
    stage.stop("beat")
    every = IntervalSchedule.objects.create(every=1, period="seconds")
    message = {"schedule": "greeting", "kind": "system.echo", "parameters": {"text": "good morning"}}
    PeriodicTask.objects.create(name="greeting", task=wire.SUBMIT, interval=every, kwargs=json.dumps(message))
    begun = clock.database_now().replace(second=0, microsecond=0)

    def ticks() -> int:
        return stage.said("upkeep").count(f"Task {wire.SUBMIT}[")

    before = ticks()
    with (
        celery("beat", "--pidfile=", environment=stage.environment, log=tmp_path / "one") as one,
        celery("beat", "--pidfile=", environment=stage.environment, log=tmp_path / "two"),
    ):
        eventually(lambda: ticks() - before >= 3, what="ticks of both")
        one.process.send_signal(signal.SIGKILL)
        one.process.wait()
        with celery("beat", "--pidfile=", environment=stage.environment, log=tmp_path / "three"):
            seen = ticks()
            eventually(lambda: ticks() - seen >= 4, what="ticks after a beat was killed")
    minutes = (clock.database_now() - begun) // timedelta(minutes=1) + 1
    jobs = Job.objects.filter(via="schedule")
    assert 1 <= jobs.count() <= minutes
    keys = list(jobs.values_list("idempotency_key", flat=True))
    assert len(set(keys)) == len(keys)
    for job in jobs:
        assert finished(job.id).attempts.count() == 1
    PeriodicTask.objects.all().delete()
