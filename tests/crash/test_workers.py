"""Whole workers that die: their jobs are taken over. Of frozen ones tells ``tests/faults/test_worker.py``."""

from __future__ import annotations

import os
import signal

from jobs_app.core import submission
from jobs_app.models import Job
from tests.support.ledger import fresh, happened
from tests.support.processes import Workers, eventually, finished


def running(job: Job) -> Job:
    def ask() -> Job | None:
        row = fresh(job)
        return row if row.state == "running" else None

    row = eventually(ask, what="the job to run")
    assert row is not None
    return row


def test_the_job_of_a_worker_that_vanished_is_taken_over_when_its_lease_has_run_out(workers: Workers) -> None:
    job = submission.submit("probe.slow_at_first", {"seconds": 200})
    running(job)
    os.killpg(workers.processes["worker"].pid, signal.SIGKILL)
    workers.processes["worker"].wait(20)
    eventually(lambda: fresh(job).state == "queued", what="the lease to run out")
    lost = job.attempts.get()
    assert (lost.outcome, lost.error) == ("lost", "its worker stopped answering")
    workers.ensure()
    row = finished(job.id)
    assert (row.state, row.result, row.kills, row.failures) == ("succeeded", 2, 1, 0)
    assert happened(job) == ["submitted", "claimed", "rescued", "claimed", "succeeded"]


def test_a_worker_that_is_asked_to_stop_finishes_what_it_runs(workers: Workers) -> None:
    job = submission.submit("probe.slow_at_first", {"seconds": 3})
    running(job)
    worker = workers.processes["worker"]
    worker.terminate()
    assert worker.wait(30) == 0
    row = fresh(job)
    assert (row.state, row.result, row.attempt) == ("succeeded", 1, 1)
