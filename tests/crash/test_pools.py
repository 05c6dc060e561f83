"""The other pools: threads and solo run jobs, cancel them, and give back what they have when they are told to stop."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs_app.core import clock, control, submission, worker_control
from jobs_app.models import Job, Listener
from tests.support.ledger import fresh
from tests.support.processes import COMMANDS, ROOT, Workers, eventually, finished


class Pooled(Workers):
    """Workers, the one for jobs with another pool."""

    def __init__(self, environment: dict[str, str], logs: Path, pool: str) -> None:
        super().__init__({**environment, "STOP_GRACE_SECONDS": "1"}, logs)
        self.pool = pool

    def start(self, name: str) -> None:
        """Start one process."""
        pool = ["--pool", self.pool] if name == "worker" else []
        with self.log(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*COMMANDS[name], *pool],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


@pytest.fixture(params=["threads", "solo"], scope="module")
def _pooled(
    request: pytest.FixtureRequest, worker_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pooled]:
    made = Pooled(worker_environment, tmp_path_factory.mktemp("pooled"), request.param)
    yield made
    made.stop()


@pytest.fixture
def pooled(quiet: None, _pooled: Pooled) -> Iterator[Pooled]:
    _pooled.ensure()
    yield _pooled
    _pooled.settle()


def running(job: Job) -> None:
    eventually(lambda: fresh(job).state == "running", what="the job to run")


def test_jobs_of_every_sort_end_as_they_should(pooled: Pooled) -> None:
    wanted = {
        "system.echo": ({"text": "a"}, "succeeded", 1),
        "probe.fails": ({}, "failed", 1),
        "probe.flaky": ({"succeeds_at": 3}, "succeeded", 3),
        "probe.atomic_writer": ({"name": "group"}, "succeeded", 1),
        "probe.logs": ({}, "succeeded", 1),
    }
    jobs = {kind: submission.submit(kind, parameters) for kind, (parameters, _, _) in wanted.items()}
    for kind, (_, state, attempts) in wanted.items():
        row = finished(jobs[kind].id)
        assert (row.state, row.attempts.count()) == (state, attempts), (kind, row.error)


def test_a_running_job_is_cancelled(pooled: Pooled) -> None:
    job = submission.submit("probe.slow", {"seconds": 200, "steps": 1000})
    running(job)
    control.cancel(job.id, actor=None, now=clock.database_now())
    assert finished(job.id).state == "cancelled"


def test_a_worker_that_is_told_to_stop_gives_back_what_runs_past_the_grace(pooled: Pooled) -> None:
    job = submission.submit("probe.slow", {"seconds": 200, "steps": 1000})
    running(job)
    worker = pooled.processes["worker"]
    worker.terminate()
    eventually(lambda: fresh(job).state == "queued", what="the job to go back")
    assert worker.wait(60) == 0
    row = fresh(job)
    assert (row.failures, row.kills, row.attempts.get().error) == (
        0, 0, "its worker was told to stop, and its grace was over",
    )  # fmt: skip
    control.cancel(job.id, actor=None, now=clock.database_now())
    assert fresh(job).state == "cancelled"


def test_a_drained_worker_leaves_messages_where_they_are_until_it_is_resumed(pooled: Pooled) -> None:
    (row,) = eventually(lambda: list(Listener.objects.exclude(run=None)), what="the worker to say that it is there")
    worker_control.drain(row.run, None, clock.database_now())
    eventually(lambda: Listener.objects.get(pk=row.pk).draining, what="it to heed the wish")
    job = submission.submit("system.echo", {"text": "a"})
    sent_at = eventually(lambda: fresh(job).dispatched_at, what="a message to be sent")
    eventually(lambda: Listener.objects.filter(pk=row.pk, seen_at__gt=sent_at).exists(), what="it to speak again")
    assert (fresh(job).state, fresh(job).dispatched_at) == ("queued", sent_at), (
        "nobody took the message, or put it back"
    )
    resumed_at = clock.database_now()
    worker_control.resume(row.run, None, resumed_at)
    ended = finished(job.id)
    assert (ended.state, ended.attempt) == ("succeeded", 1)
    assert ended.started_at is not None
    assert ended.started_at > resumed_at
