"""Workers that die, freeze or are restarted under load: no job is lost, none is settled twice."""

from __future__ import annotations

import itertools
import os
import random
import signal
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from django.contrib.auth.models import Group
from django.db import connections
from django.db.models import QuerySet

from jobs_app.core import clock, control, submission
from jobs_app.models import Attempt, Job
from tests.faults.stage import Stage
from tests.support.freezing import frozen, frozen_as_it_is, process_of
from tests.support.ledger import columns_of, fresh, happened, submitted
from tests.support.processes import eventually, finished

pytestmark = pytest.mark.slow

SEED = 20261123
WHOLE = 2
"""The turn at which the whole worker is killed, and not some of its children."""
RESTARTS = 4
GRACE = timedelta(seconds=5)
CHILD_SECONDS, WORKER_SECONDS = 5.0, 30.0
"""Within which a job of a killed child, and of a whole worker, waits again. Leases alone would take 4.8 to 7 s here."""


def unharmed(jobs: list[Job]) -> QuerySet[Job]:
    """Those of the jobs that no worker was killed with."""
    return Job.objects.filter(id__in=[job.id for job in jobs], kills=0)


def rescued(job: Job) -> int:
    return fresh(job).kills


def test_f02_jobs_of_children_and_workers_that_are_killed_at_random_run_again_and_end_once(stage: Stage) -> None:
    chance = random.Random(SEED)  # a seed makes a failure repeatable
    jobs = [submitted("probe.slow_at_first", {"seconds": 120}) for _ in range(20)]
    killed: dict[bool, list[tuple[Job, datetime]]] = {False: [], True: []}
    turns = itertools.count()
    while unharmed(jobs).exists():
        running = eventually(lambda: list(unharmed(jobs).filter(state="running")), what="a job to run")
        threading.Event().wait(chance.uniform(0, 0.2))
        whole = next(turns) == WHOLE
        at = clock.database_now()
        if whole:
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
        killed[whole] += [(victim, at) for victim in victims]
    for job in jobs:
        row = finished(job.id)
        assert (row.state, row.result, row.kills) == ("succeeded", 2, 1)
        assert happened(row) == ["submitted", "claimed", "rescued", "claimed", "succeeded"]
        assert list(row.attempts.order_by("number").values_list("outcome", flat=True)) == ["lost", "succeeded"]
    children, workers = (
        [(job.attempts.get(number=1).finished_at - at).total_seconds() for job, at in each]  # type: ignore[operator]
        for each in (killed[False], killed[True])
    )
    print(f"s until they waited again: children {children}, workers {workers}")
    assert statistics.median(children) < CHILD_SECONDS
    assert max(children + workers) < WORKER_SECONDS


def mine_of(job: Job) -> Job:
    """The row, once it runs."""
    eventually(lambda: fresh(job).state == "running", what="the job to run")
    return fresh(job)


def refused(job: Job) -> str:
    """What the record says of a write that came too late."""
    event = eventually(lambda: job.events.filter(name="late write refused").first(), what="the late worker to report")
    assert event is not None
    return event.reason


def test_f03_what_a_frozen_child_says_after_its_job_was_taken_over_is_refused_and_recorded(stage: Stage) -> None:
    job = submitted("probe.slow_at_first", {"seconds": 2})
    with frozen(process_of(mine_of(job))):
        row = finished(job.id)
        assert (row.state, row.result, row.attempt) == ("succeeded", 2, 2)
        before = columns_of(job)
    assert refused(row) == "attempt 1 reported 'succeeded' when the job was succeeded at attempt 2"
    assert columns_of(job) == before
    assert list(row.attempts.order_by("number").values_list("outcome", flat=True)) == ["lost", "succeeded"]
    assert happened(job) == ["submitted", "claimed", "rescued", "claimed", "succeeded", "late write refused"]
    stage.serves()


def test_f03_a_child_frozen_in_the_transaction_of_an_atomic_job_leaves_no_effect_once_another_took_it_over(
    postgresql: None, stage: Stage, tmp_path: Path
) -> None:
    job = submitted("probe.atomic_at_first", {"seconds": 2, "mark": str(tmp_path / "written")})
    eventually((tmp_path / "written").exists, what="the row to be written")
    with frozen_as_it_is(process_of(mine_of(job))):
        row = finished(job.id)
        assert (row.state, row.result, row.attempt) == ("succeeded", 2, 2)
    assert refused(row) == "attempt 1 reported 'succeeded' when the job was succeeded at attempt 2"
    assert list(Group.objects.values_list("name", flat=True)) == ["attempt 2"]
    assert list(row.attempts.order_by("number").values_list("outcome", flat=True)) == ["lost", "succeeded"]
    stage.serves()


def test_f03_a_child_frozen_with_the_only_lock_of_the_ledger_ends_its_atomic_job_itself(
    sqlite: Path, stage: Stage, tmp_path: Path
) -> None:
    job = submitted("probe.atomic_at_first", {"seconds": 2, "mark": str(tmp_path / "written")})
    eventually((tmp_path / "written").exists, what="the row to be written")
    lease = mine_of(job).lease_until
    assert lease is not None
    with frozen_as_it_is(process_of(fresh(job))):
        eventually(lambda: clock.database_now() > lease + timedelta(seconds=1), what="its lease to run out")
        assert fresh(job).state == "running", "nobody else can write, so nobody takes it over"
    row = finished(job.id)
    assert (row.state, row.result, row.attempt, row.kills) == ("succeeded", 1, 1, 0)
    assert list(Group.objects.values_list("name", flat=True)) == ["attempt 1"]
    assert happened(job) == ["submitted", "claimed", "succeeded"]
    stage.serves()


def test_f04_a_worker_whose_parent_froze_is_ended_from_outside_and_its_jobs_are_taken_over(stage: Stage) -> None:
    job = submitted("probe.slow_at_first", {"seconds": 120})
    eventually(lambda: fresh(job).state == "running", what="the job to run")
    stage.freeze("worker")
    eventually(lambda: not stage.alive("worker"), what="the frozen worker to be ended")
    stage.start("worker")
    row = finished(job.id)
    assert (row.state, row.result, row.attempt) == ("succeeded", 2, 2)
    stage.serves()


def test_a_worker_that_is_told_to_stop_ends_a_deaf_handler_after_its_grace_and_uses_up_no_attempt(
    stage: Stage, tmp_path: Path
) -> None:
    stage.stop("worker")
    stage.start("worker", STOP_GRACE_SECONDS="1")
    job = submitted("probe.deaf", {"mark": str(tmp_path / "started")}, max_attempts=1)
    eventually((tmp_path / "started").exists, what="the handler to be started")
    assert stage.stop("worker") == 0
    row = fresh(job)
    assert (row.state, row.attempt, row.failures, row.kills) == ("queued", 1, 0, 0)
    assert row.attempts.get().error.startswith("its worker was told to stop, and its grace was over; it did not stop")
    control.cancel(job.id, actor=None, now=clock.database_now())


def test_a_worker_that_is_told_to_stop_while_the_broker_is_frozen_finishes_its_job_and_ends(stage: Stage) -> None:
    job = submitted("probe.slow", {"seconds": 2})
    mine_of(job)
    stage.broker.freeze()
    assert stage.stop("worker") == 0
    row = fresh(job)
    assert (row.state, row.attempts.get().outcome) == ("succeeded", "succeeded")
    stage.broker.thaw()
    stage.start("worker")
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
            more = len(made) + 4
            eventually(lambda more=more: len(made) >= more, what="some load on both")
    mine = Job.objects.filter(id__in=made)
    eventually(lambda: mine.filter(state="succeeded").count() == len(made), what="every job to succeed")
    waits = sorted(job.started_at - job.created_at for job in mine if job.started_at)
    print(f"{len(made)} jobs, {len(stops)} stops of up to {max(stops):.1f} s, longest wait {waits[-1]}")
    attempts = Attempt.objects.filter(job__in=made)
    assert attempts.filter(outcome="succeeded").count() == len(made), "once each"
    given_back = set(attempts.exclude(outcome="succeeded").values_list("error", flat=True))
    assert given_back <= {"its worker was told to stop before it was started"}
    assert max(stops) < 30
    assert waits[-1] < GRACE + timedelta(seconds=5)
    stage.stop("second")
