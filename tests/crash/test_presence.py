"""Real workers: who takes jobs is known, who stops is gone at once, who was killed is gone soon."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from jobs_app.core import clock, presence, submission
from jobs_app.core.presence import Listening
from jobs_app.models import Listener
from tests.support.ledger import fresh
from tests.support.processes import CELERY, QUIET, ROOT, eventually

Worker = subprocess.Popen[bytes]

SOON = 6.0
"""Seconds, on a busy machine, within which "at once" must have come about; the row alone would last 15."""


@pytest.fixture
def start(quiet: None, worker_environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Start a worker with these options; all are ended after the test."""
    started: list[Worker] = []

    def begin(*options: str, queues: str = "default") -> Worker:
        with (tmp_path / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [*CELERY, "worker", "-Q", queues, "-n", "here@test", *QUIET, *options],
                cwd=ROOT,
                env={**worker_environment, "STOP_GRACE_SECONDS": "1"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        started.append(process)
        return process

    yield begin
    for each in started:
        if each.poll() is None:
            os.killpg(each.pid, signal.SIGKILL)
        each.wait(20)


def listening() -> Listening:
    return presence.listeners("default", now=clock.database_now())


def expect(processes: int, slots: int, seconds: float = 60.0) -> None:
    wanted = Listening(processes, slots)
    eventually(lambda: listening() == wanted, seconds, what=f"{wanted} (now {listening()})")


def names() -> set[str]:
    return set(Listener.objects.values_list("process", flat=True))


@pytest.mark.parametrize(
    ("options", "processes", "slots"),
    [(("-c", "3"), 3, 3), (("--pool", "threads", "-c", "4"), 1, 4), (("--pool", "solo", "-c", "4"), 1, 1)],
    ids=["prefork", "threads", "solo"],
)
def test_a_worker_is_there_with_its_slots_and_gone_as_soon_as_it_is_told_to_stop(
    start: Callable[..., Worker], options: tuple[str, ...], processes: int, slots: int
) -> None:
    worker = start(*options)
    expect(processes, slots)
    assert all(each.startswith("here@test/") for each in names())
    if processes == 1:
        assert names() == {f"here@test/{worker.pid}"}
    else:
        assert f"here@test/{worker.pid}" not in names(), "the parent never opens the database"
    worker.terminate()
    expect(0, 0, SOON)
    assert not Listener.objects.exists()
    assert worker.wait(60) == 0
    assert not Listener.objects.exists(), "nobody spoke after the last word"


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_a_worker_that_still_runs_a_job_when_it_is_told_to_stop_takes_no_more(
    start: Callable[..., Worker], pool: str
) -> None:
    worker = start("--pool", pool, "-c", "2")
    eventually(lambda: listening().processes, what="a worker")
    job = submission.submit("probe.slow", {"seconds": 200, "steps": 1000})
    eventually(lambda: fresh(job).state == "running", what="the job to run")
    worker.terminate()
    expect(0, 0, SOON)
    assert worker.wait(60) == 0


def test_a_killed_worker_is_gone_after_fifteen_seconds(start: Callable[..., Worker]) -> None:
    worker = start("-c", "2")
    expect(2, 2)
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait(20)
    first, last = (Listener.objects.order_by(each)[0].seen_at for each in ("seen_at", "-seen_at"))
    for moment, there in ((first + timedelta(seconds=14), 2), (last + timedelta(seconds=16), 0)):
        assert presence.listeners("default", now=moment).processes == there
    assert Listener.objects.count() == 2, "the rows are upkeep's to delete"


def test_a_child_that_is_replaced_leaves_nothing_and_its_successor_speaks(start: Callable[..., Worker]) -> None:
    start("-c", "1", "--max-tasks-per-child", "1")
    expect(1, 1)
    (first,) = names()
    submission.submit("probe.nothing", {})
    (second,) = eventually(lambda: names() - {first}, what="its successor")
    assert second != first
    eventually(lambda: names() == {second}, SOON, what="the first one's row to go")


def test_a_worker_takes_the_queues_it_was_started_for_and_upkeep_none(start: Callable[..., Worker]) -> None:
    start("-c", "1", queues="default,system")
    expect(1, 1)
    assert Listener.objects.get().queues == ["default"]
