"""Workers that die, freeze or are restarted under load: no job is lost, none is settled twice."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from django.db import connections
from django.db.models import QuerySet

from jobs_app.core import submission
from jobs_app.models import Attempt, Job
from tests.faults.stage import Stage
from tests.support.ledger import fresh, happened, submitted
from tests.support.processes import eventually, finished

pytestmark = pytest.mark.slow

SEED = 20261123
WHOLE = 0.1
"""How often the whole worker is killed, and not one child."""
RESTARTS = 4
GRACE = timedelta(seconds=5)


def process_of(job: Job) -> int:
    """The process that holds a job: the middle of ``host/process/message``."""
    return int(job.holder.split("/")[1])


def unharmed(jobs: list[Job]) -> QuerySet[Job]:
    """Those of the jobs that no worker was killed with."""
    return Job.objects.filter(id__in=[job.id for job in jobs], kills=0)


def rescued(job: Job) -> int:
    return fresh(job).kills


def test_f02_jobs_of_children_and_workers_that_are_killed_at_random_run_again_and_end_once(stage: Stage) -> None:
    chance = random.Random(SEED)  # a seed makes a failure repeatable
    jobs = [submitted("probe.slow_at_first", {"seconds": 120}) for _ in range(20)]
    while unharmed(jobs).exists():
        running = eventually(lambda: list(unharmed(jobs).filter(state="running")), what="a job to run")
        threading.Event().wait(chance.uniform(0, 0.2))
        if chance.random() < WHOLE:
            stage.kill("worker")
            victims = list(unharmed(jobs).filter(state="running"))  # those claimed during the wait, too
            stage.start("worker")
        else:
            victims = chance.sample(running, chance.randint(1, len(running)))
            for victim in victims:
                with suppress(ProcessLookupError):  # a claim of the killed worker that the database got round to later
                    os.kill(process_of(victim), signal.SIGKILL)
        for victim in victims:
            eventually(partial(rescued, victim), what="the rescue")
    for job in jobs:
        row = finished(job.id)
        assert (row.state, row.result, row.kills) == ("succeeded", 2, 1)
        assert happened(row) == ["submitted", "claimed", "rescued", "claimed", "succeeded"]
        assert list(row.attempts.order_by("number").values_list("outcome", flat=True)) == ["lost", "succeeded"]


def test_f04_a_worker_whose_parent_froze_is_ended_from_outside_and_its_jobs_are_taken_over(stage: Stage) -> None:
    job = submitted("probe.slow_at_first", {"seconds": 120})
    eventually(lambda: fresh(job).state == "running", what="the job to run")
    stage.freeze("worker")
    eventually(lambda: not stage.alive("worker"), what="the frozen worker to be ended")
    stage.start("worker")
    row = finished(job.id)
    assert (row.state, row.result, row.attempt) == ("succeeded", 2, 2)
    stage.serves()


@contextmanager
def load(kinds: list[tuple[str, dict[str, object]]], pause: float) -> Iterator[list[UUID]]:
    """Submit one job after another while the block runs."""
    made: list[UUID] = []
    over = threading.Event()

    def submit() -> None:
        try:
            while not over.wait(pause):
                kind, parameters = kinds[len(made) % len(kinds)]
                made.append(submission.submit(kind, parameters).id)
        finally:
            connections.close_all()

    thread = threading.Thread(target=submit)
    thread.start()
    try:
        yield made
    finally:
        over.set()
        thread.join(30)


def test_f13_a_rolling_restart_under_load_loses_nothing_and_runs_nothing_twice(stage: Stage) -> None:
    stage.start("second")
    stage.await_ready("second")
    stops: list[float] = []
    # Half of what one worker can do, so that a job waits for a restart and not for its turn.
    with load([("probe.nothing", {}), ("probe.slow", {"seconds": 0.5, "steps": 5})], 0.25) as made:
        while len(stops) < RESTARTS:
            name = ("worker", "second")[len(stops) % 2]
            began = time.monotonic()
            assert stage.stop(name) == 0
            stops.append(time.monotonic() - began)
            stage.start(name)
            stage.await_ready(name)
            threading.Event().wait(1)
    mine = Job.objects.filter(id__in=made)
    eventually(lambda: mine.filter(state="succeeded").count() == len(made), what="every job to succeed")
    waits = sorted(job.started_at - job.created_at for job in mine if job.started_at)
    print(f"{len(made)} jobs, {len(stops)} stops of up to {max(stops):.1f} s, longest wait {waits[-1]}")
    assert set(Attempt.objects.filter(job__in=made).values_list("number", "outcome")) == {(1, "succeeded")}, "once each"
    assert max(stops) < 30
    assert waits[-1] < GRACE + timedelta(seconds=5)
    stage.stop("second")
