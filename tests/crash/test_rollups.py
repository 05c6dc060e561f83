"""Aggregators and pruning that are killed (SIGKILL) in the middle of a transaction: the sums agree all the same."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from jobs_app.core.retention import orphans, pruning
from jobs_app.core.rollups import cursor, proof, rolling
from jobs_app.lifecycle import State
from jobs_app.models import Event, Job
from jobs_app.steps import Step
from tests.support.ledger import reaching
from tests.support.processes import ROOT
from tests.support.rollups import Diary, counted

pytestmark = pytest.mark.usefixtures("quiet", "nudged")

NOON = datetime(2026, 3, 4, 12, 0, 30, tzinfo=UTC)
LATER = timedelta(days=40)

PROGRAM = """
import os, signal, sys
import django
django.setup()
from datetime import datetime
from jobs_app.core.retention import pruning
from jobs_app.core.rollups import rolling, store

what, now, left = sys.argv[1], datetime.fromisoformat(sys.argv[2]), int(sys.argv[3])
write = store.write

def kill(*arguments, **named):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    write(*arguments, **named)

store.write = kill
rolling.BATCH = pruning.JOBS = 5
rolling.roll(now=now, batches=100) if what == "roll" else pruning.run(now=now)
"""


def killed(environment: dict[str, str], what: str, now: datetime, after: int) -> bool:
    """Run it in a process of its own that is killed after so many writes; returns whether it came to that."""
    command = [sys.executable, "-c", PROGRAM, what, now.isoformat(), str(after)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=60)
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr.decode()
    return done.returncode != 0


def proved() -> None:
    ((_, differences),) = proof.verify(NOON, NOON + timedelta(hours=1), clock=lambda: NOON + LATER)
    assert [str(each) for each in differences] == []


def test_an_aggregator_that_is_killed_in_the_middle_leaves_nothing_behind(worker_environment: dict[str, str]) -> None:
    for _ in range(10):
        reaching(State.SUCCEEDED, now=NOON)
    steps = set()
    for after in (0, 1, 2, 3, 4, 5, 7):  # minutes, hours, days of the first batch, and so on
        assert killed(worker_environment, "roll", NOON, after)
        through = cursor.read().through["events_through"]
        steps.add(through)
        rolled = Event.objects.filter(id__lte=through).count()
        assert sum(counts.total() for (step, *_), counts in counted().items() if step == "day") == rolled
        proved()
    assert len(steps) > 2, "some were killed in a later batch than the first"
    assert Event.objects.filter(id__gt=max(steps)).exists()
    rolling.roll(now=NOON)
    assert counted() == Diary().look().counts()


def test_pruning_that_is_killed_in_the_middle_loses_no_count(worker_environment: dict[str, str]) -> None:
    for _ in range(12):
        reaching(State.SUCCEEDED, now=NOON)
    rolling.roll(now=NOON)
    before, left = counted(), set()
    for after in (0, 1, 2, 3, 4):
        assert killed(worker_environment, "prune", NOON + LATER, after)
        left.add(Job.objects.count())
        assert counted() == {key: counts for key, counts in before.items() if cursor.read().keeps(*kept(key))}
        proved()
    assert len(left) > 1, "some batches were committed"
    while pruning.run(now=NOON + LATER):
        pass
    assert not Job.objects.exists()
    proved()
    assert not list(orphans.rows())


def kept(key: tuple[str, datetime, str, str, int]) -> tuple[Step, datetime]:
    return Step(key[0]), key[1]
