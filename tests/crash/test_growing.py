"""Folds that are killed (SIGKILL) before, within and after their transaction: each row counts once all the same."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from jobs_app.core import clock, execution, rescue
from jobs_app.models import Job
from tasks.kinds.growing import reading
from tasks.kinds.growing.models import Dataset, Part, Rollup
from tests.support.growing import appended, counted, made, recompute, row, table
from tests.support.ledger import HOLDER, fresh, submitted
from tests.support.processes import ROOT

pytestmark = pytest.mark.usefixtures("quiet", "nudged")

PROGRAM = """
import os, signal, sys, uuid
import django
django.setup()
from jobs_app.core import execution, outcomes
from tasks.kinds.growing import folding, store

job, place, left = uuid.UUID(sys.argv[1]), sys.argv[2], int(sys.argv[3])
folding.ROWS = 4
store.TIMES = 1

def deadly(function):
    def kill(*arguments, **named):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return function(*arguments, **named)
    return kill

module, name = {"read": (folding, "_read"), "buckets": (store, "_add"), "note": (folding, "_note"),
                "exchange": (folding, "_exchange"), "settle": (outcomes, "succeed_many")}[place]
setattr(module, name, deadly(getattr(module, name)))
execution.run([job], holder="doomed/1/message")
"""


def killed(environment: dict[str, str], job: Job, place: str, after: int = 0) -> None:
    """Run the job in a process of its own that is killed there; then take the job from it, as upkeep does."""
    command = [sys.executable, "-c", PROGRAM, str(job.id), place, str(after)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert fresh(job).state == "running"
    assert rescue.expired_leases(now=clock.database_now() + timedelta(minutes=5)) == 1


def finished(job: Job) -> Job:
    assert execution.run([job.id], holder=HOLDER) == 1
    assert (fresh(job).state, fresh(job).error) == ("succeeded", "")
    return fresh(job)


@pytest.fixture
def dataset(alice: User) -> Dataset:
    return made(alice)


def grow(dataset: Dataset, begin: int) -> list[dict[str, object]]:
    """Six parts of two rows, some of them late."""
    rows = [row(begin + each * 5 % 9, delay=f"{each}.5") for each in range(12)]
    for place in range(0, 12, 2):
        appended(dataset, *rows[place : place + 2])
    return rows


def test_a_fold_that_is_killed_anywhere_counts_each_row_once(
    worker_environment: dict[str, str], dataset: Dataset, alice: User
) -> None:
    # In the midst of the first batch's buckets, after two batches, and when all is folded but the job not settled.
    rows: list[dict[str, object]] = []
    for place, after, folded in (("buckets", 1, 0), ("note", 1, 2), ("settle", 0, 6)):
        before = reading.state(dataset).through
        rows += grow(dataset, len(rows))
        job = submitted("datasets.rollup", {"dataset": dataset.pk}, owner=alice)
        killed(worker_environment, job, place, after)
        state = reading.state(dataset)
        assert state.through - before == folded
        assert table(dataset) == counted(rows[: 2 * state.through])
        facts = finished(job).result["facts"]
        assert table(dataset) == counted(rows)
        assert (facts["parts"], facts["rows"]) == (6, 12), "also what the attempt had folded that was killed"
        assert set(Part.objects.filter(number__gt=before).values_list("folded_by", flat=True)) == {job.id}
    assert recompute(dataset) == 0


def test_a_recomputation_that_is_killed_leaves_the_table_as_it_was(
    worker_environment: dict[str, str], dataset: Dataset, alice: User
) -> None:
    rows = grow(dataset, 0)
    finished(submitted("datasets.rollup", {"dataset": dataset.pk}, owner=alice))
    for place, after in (("buckets", 2), ("exchange", 0)):
        job = submitted("datasets.rollup", {"dataset": dataset.pk, "recompute": True}, owner=alice)
        killed(worker_environment, job, place, after)
        assert Rollup.objects.count() == 2, "one that was not finished"
        assert table(dataset) == counted(rows)
        assert finished(job).result["facts"]["differences"] == 0
        assert table(dataset) == counted(rows)
        assert Rollup.objects.count() == 1
