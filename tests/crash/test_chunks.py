"""A worker process that dies in the midst of a message of many jobs: each of them ends as if it had been alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from jobs_app.core import clock, submission, transport
from jobs_app.lifecycle import FINAL
from jobs_app.models import Job, Queue
from jobs_app.models.guard import writing
from tests.support.ledger import fresh
from tests.support.processes import Workers, eventually, finished


@pytest.fixture
def paused(workers: Workers) -> Iterator[None]:
    """Nothing is sent but what the test sends."""
    with writing():
        Queue.objects.update_or_create(name="default", defaults={"paused_at": clock.database_now()})
    yield
    _go_on()


def _go_on() -> None:
    with writing():
        Queue.objects.filter(name="default").update(paused_at=None)
    transport.publisher.nudge("default")


def one_message(*jobs: Job) -> None:
    transport.publish(jobs[0].kind, [job.id for job in jobs], "default")


@pytest.mark.usefixtures("paused")
def test_only_the_job_that_ran_is_held_to_have_ended_its_process() -> None:
    before = [submission.submit("probe.number", {"value": value}) for value in range(3)]
    poison = submission.submit("probe.killed", {})
    behind = [submission.submit("probe.number", {"value": value}) for value in range(20)]
    one_message(*before, poison, *behind)
    eventually(lambda: fresh(poison).kills == 1, what="its first victim")
    eventually(lambda: {fresh(job).state for job in behind} == {"queued"}, what="the others to be given back")
    for job in behind:
        row = fresh(job)
        assert (row.kills, row.failures, row.started_at) == (0, 0, None)
    _go_on()
    assert finished(poison.id).error_type == "WorkerLost"
    assert fresh(poison).kills == 3
    rows = [finished(job.id) for job in (*before, *behind)]
    assert [row.result for row in rows] == [*range(3), *range(20)]
    assert {(row.kills, row.failures) for row in rows} == {(0, 0)}


@pytest.mark.usefixtures("paused")
def test_a_worker_that_vanishes_with_a_message_loses_none_of_its_jobs(workers: Workers) -> None:
    jobs = [submission.submit("probe.slow", {"seconds": 0.5, "steps": 5}) for _ in range(12)]
    one_message(*jobs)
    eventually(lambda: Job.objects.filter(state="succeeded").count() >= 2, what="the first of them to end")
    os.killpg(workers.processes["worker"].pid, signal.SIGKILL)
    workers.processes["worker"].wait(20)
    _go_on()
    workers.ensure()
    rows = [finished(job.id) for job in jobs]
    assert {row.state for row in rows} == {"succeeded"}
    assert max(row.attempt for row in rows) <= 2
    for row in rows:
        assert row.attempts.filter(outcome="succeeded").count() == 1
    assert not Job.objects.exclude(state__in=FINAL).exists()
