"""Jobs that run for hours are run once: no timeout of a broker and no lost or doubled message plays a part."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from celery import current_app

from jobs_app import conf
from jobs_app.core import claims, clock, dispatch, liveness, outcomes, rescue, submission, transport
from jobs_app.models import Job
from tests.measures.impatient import VISIBILITY_SECONDS
from tests.support import broker, conveyor
from tests.support.ledger import altered, claimed, fresh, happened, submitted
from tests.support.processes import CELERY, QUIET, Workers, eventually, finished
from tests.support.servers import launch

QUEUE = "default"
HOURS = 8
STEP = timedelta(seconds=15)
"""Three quarters of a lease: late heartbeats, and still in time."""
STEPS = timedelta(hours=HOURS) // STEP
PURGE_EVERY = 60
LONG, SHORT = 4, 3


@pytest.fixture
def world(db: None, configured: Callable[..., None]) -> None:
    """Times of production; an empty broker."""
    configured(lease_seconds=20, heartbeat_seconds=2, window=5)
    transport.publisher.drain()
    conveyor.purge(QUEUE)


def long_job(now: datetime) -> Job:
    """A job that may run all day, in its first attempt."""
    day = timedelta(days=1)
    return claimed(altered(submitted(now=now), timeout=day, hard_timeout=day), now=now)


def upkeep(now: datetime, *, conveyor_too: bool = True) -> int:
    """What beat's ticks do; returns how many jobs were rescued."""
    if conveyor_too:
        dispatch.promote(now=now)
        dispatch.find_lost(QUEUE, now=now)
        dispatch.refill(QUEUE, now=now)
    return rescue.expired_leases(now=now) + rescue.expire_waiting(now=now)


def beat(held: list[Job], now: datetime) -> set[UUID]:
    """One heartbeat of the processes that hold these; returns what they still hold."""
    return set(liveness.extend([(job.id, job.attempt) for job in held], now=now))


@pytest.mark.slow
def test_eight_hours_of_long_jobs_are_each_claimed_once(
    world: None, nudged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = clock.database_now()
    chance = random.Random(7)
    held = [long_job(start + number * STEP / LONG) for number in range(LONG)]
    names = {job.id for job in held}
    waiting = [submitted(now=start).id for _ in range(SHORT)]
    lost = duplicates = 0
    for step in range(1, STEPS + 1):
        now = start + step * STEP
        # Each process beats by its own clock, half a step apart from the next.
        assert beat(held[:2], now - STEP / 2) | beat(held[2:], now) == names
        assert upkeep(now, conveyor_too=step % 4 == 0) == 0
        if step % PURGE_EVERY == 0:
            lost += conveyor.purge(QUEUE)
        # A message from any time, delivered now: by a broker that gave up waiting for an ack, or by a forger.
        again = chance.sample(sorted(names), k=chance.randint(1, LONG))
        assert claims.claim([*again, *again], holder="late@test/2/again", now=now) == []
        duplicates += len(again)
    end = start + STEPS * STEP
    assert lost >= SHORT * (STEPS // PURGE_EVERY) // 2, "the broker really lost messages, and got them again"
    assert duplicates >= STEPS
    for job in held:
        assert outcomes.succeed(job, None, 4, now=end)
        row = fresh(job)
        assert (row.state, row.attempt, row.attempts.count(), row.kills) == ("succeeded", 1, 1, 0)
        assert row.started_at is not None
        assert row.finished_at is not None
        assert row.finished_at - row.started_at > timedelta(hours=HOURS) - STEP
        assert happened(job) == ["submitted", "claimed", "succeeded"]
    for name in waiting:
        deliver = [claims.claim([name], holder=f"worker@test/3/{again}", now=end) for again in range(3)]
        assert [len(taken) for taken in deliver] == [1, 0, 0]


def test_of_long_jobs_the_one_whose_heart_stops_is_claimed_again_and_no_other(world: None, nudged: list[str]) -> None:
    start = clock.database_now()
    held = [long_job(start) for _ in range(LONG)]
    silent = held[0]
    rescued_at = None
    for step in range(1, 250):
        now = start + step * STEP
        beat(held if step <= 100 else held[1:], now)
        if upkeep(now):
            rescued_at = now
            assert len(claims.claim([job.id for job in held], holder="other@test/2/next", now=now)) == 1
            break
    assert rescued_at is not None
    since = rescued_at - (start + 100 * STEP)
    assert timedelta(seconds=conf.current().lease_seconds) < since <= timedelta(seconds=30)
    assert [fresh(job).attempt for job in held] == [2, 1, 1, 1]
    assert not outcomes.succeed(silent, None, 4, now=now), "what the first process says too late is refused"


def test_a_job_longer_than_the_visibility_timeout_runs_once(
    workers: Workers, worker_environment: dict[str, str], tmp_path: Path
) -> None:
    """On the broker in force; RabbitMQ has no such timeout, and is sent the duplicates only."""
    workers.processes["worker"].terminate()
    workers.processes["worker"].wait(60)
    log = tmp_path / "impatient.log"
    command = [*CELERY[:-1], "tests.measures.impatient", "worker", "-Q", QUEUE, "-c", "3", "-n", "impatient@test"]
    impatient = launch([*command, *QUIET, "--loglevel", "INFO"], log, worker_environment)
    try:
        eventually(lambda: " ready." in log.read_text(), what="the worker to be ready")
        if os.environ.get("WEIR_TEST_BROKER") == "sqs":
            _shorten_visibility()
        marks = tmp_path / "marks"
        seconds = 5.0 * VISIBILITY_SECONDS
        job = submission.submit("probe.marks", {"file": str(marks), "seconds": seconds})
        eventually(lambda: fresh(job).state == "running", what="the job to run")
        for _ in range(5):
            current_app.send_task("probe.marks", args=[[str(job.id)]], queue=QUEUE, ignore_result=True)
        row = finished(job.id)
        assert (row.state, row.attempt, row.attempts.count()) == ("succeeded", 1, 1)
        other = finished(submission.submit("probe.nothing", {}).id)
        assert other.state == "succeeded", "the worker took everything before it"
        eventually(lambda: log.read_text().count("received") >= 7, what="all seven messages to be delivered")
        assert [line.split()[0] for line in marks.read_text().splitlines()] == ["start", "end"]
        assert row.started_at is not None
        assert row.finished_at is not None
        assert row.finished_at - row.started_at >= timedelta(seconds=seconds)
    finally:
        os.killpg(impatient.pid, signal.SIGKILL)
        impatient.wait()


def _shorten_visibility() -> None:
    """SQS keeps the timeout with the queue, as it was when the queue was made."""
    server = broker.running
    client = server.client()
    for address in server.queues():
        client.set_queue_attributes(QueueUrl=address, Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS)})
