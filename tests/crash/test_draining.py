"""Two real workers, one of which is drained while jobs flow: it takes none after, the other does all, none is lost."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobs_app.core import clock, presence, submission, worker_control
from jobs_app.models import Attempt, Job, Listener
from jobs_app.reads import workers as reads
from jobs_app.reads.workers import WorkerView
from tests.support.ledger import fresh
from tests.support.processes import CELERY, QUIET, ROOT, Workers, eventually, finished

NAME = "second@test"
Start = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def second(workers: Workers, worker_environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Start another worker beside the first; it is ended after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def begin() -> subprocess.Popen[bytes]:
        command = [*CELERY, "worker", "-Q", "default", "-c", "2", "-n", NAME, *QUIET]
        with (tmp_path / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env=worker_environment, stdout=log, stderr=log, start_new_session=True
            )
        started.append(process)
        return process

    yield begin
    for each in started:
        if each.poll() is None:
            os.killpg(each.pid, signal.SIGKILL)
        each.wait(20)


def there() -> WorkerView | None:
    """The second worker, as it is shown."""
    found = reads.workers(None, now=clock.database_now()).workers
    return next((each for each in found if each.name == NAME), None)


def stands(standing: str) -> Callable[[], bool]:
    return lambda: (seen := there()) is not None and seen.standing == standing


def flow(count: int, seconds: float = 0.0) -> list[Job]:
    """Submit jobs; those that take a while are in nobody's batch."""
    kind, parameters = ("probe.slow", {"seconds": seconds}) if seconds else ("probe.nothing", {})
    return [submission.submit(kind, parameters) for _ in range(count)]


def runs_on_the_second(jobs: list[Job]) -> list[Job]:
    """Those of them that the second worker runs now, or has run."""
    its = Attempt.objects.filter(job__in=jobs, holder__startswith=f"{NAME}/").values_list("job", flat=True)
    return [job for job in jobs if job.id in set(its)]


def test_of_two_workers_one_is_drained_and_resumed_while_jobs_flow(workers: Workers, second: Start) -> None:
    process = second()
    eventually(lambda: presence.listeners("default", now=clock.database_now()).slots == 4, what="four slots")
    long = flow(6, seconds=8)
    eventually(lambda: runs_on_the_second(long), what="the second worker to run something")
    worker = there()
    assert worker is not None
    assert worker.id is not None
    assert worker.running
    assert (worker.pid, worker.slots, worker.processes) == (process.pid, 2, 2)
    assert (worker.memory or 0) > 30_000_000

    worker_control.drain(worker.id, None, clock.database_now())
    eventually(lambda: not Listener.objects.filter(run=worker.id, draining=False).exists(), what="it to heed the wish")
    held = runs_on_the_second(long)
    after = flow(30)
    for job in [*after, *long]:
        assert finished(job.id).state == "succeeded"
    assert runs_on_the_second([*after, *long]) == held, "it took no job after it had said so"
    assert all(fresh(job).attempt == 1 for job in held), "it finished what it ran"
    eventually(stands("drained"), what="it to be drained")

    worker_control.resume(worker.id, None, clock.database_now())
    eventually(stands("taking jobs"), what="it to be resumed")
    again = flow(6, seconds=2)
    eventually(lambda: runs_on_the_second(again), what="the second worker to run something again")
    for job in again:
        finished(job.id)


def test_a_drained_worker_that_is_started_again_takes_jobs(workers: Workers, second: Start) -> None:
    process = second()
    first = eventually(there, what="the second worker")
    assert first is not None
    assert first.id is not None
    worker_control.drain(first.id, None, clock.database_now())
    eventually(stands("drained"), what="it to be drained")
    process.terminate()
    assert process.wait(60) == 0
    second()
    eventually(stands("taking jobs"), what="it to be there again")
    worker = there()
    assert worker is not None
    assert worker.id != first.id
