"""Real processes for tests: a worker for jobs, one for upkeep, and beat."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from celery import current_app

from jobs_app.lifecycle import State
from jobs_app.models import Job
from jobs_app.platform.waiting import until

ROOT = Path(__file__).resolve().parent.parent.parent
CELERY = [sys.executable, "-m", "celery", "-A", "project"]
QUIET = ["--without-mingle", "--without-gossip"]
COMMANDS = {
    "worker": [*CELERY, "worker", "-Q", "default", "-c", "2", "-n", "worker@test", *QUIET],
    "upkeep": [*CELERY, "worker", "-Q", "system", "-c", "1", "-n", "upkeep@test", *QUIET],
    # The schedule of the settings, in memory: each test empties the tables that the database scheduler lives in.
    "beat": [*CELERY, "beat", "--pidfile=", "-S", "tests.support.beats:Scheduler"],
}
PATIENCE = 60.0
T = TypeVar("T")


def eventually(ask: Callable[[], T], seconds: float = PATIENCE, *, what: str = "") -> T:
    """The first true answer of ``ask`` within ``seconds``; fails the test with the last answer otherwise."""
    answers: list[T] = []

    def asked() -> bool:
        answers[:] = [ask()]
        return bool(answers[0])

    if not until(asked, seconds, pause=0.05):
        raise AssertionError(f"expected {what or 'the condition'} within {seconds:g} s, last saw {answers[0]!r}")
    return answers[0]


def finished(job_id: UUID, seconds: float = PATIENCE) -> Job:
    """The row of a job, once it is final."""

    def ask() -> Job | None:
        row = Job.objects.get(id=job_id)
        return row if row.final else None

    try:
        return eventually(ask, seconds, what=f"job {job_id} to be final")
    except AssertionError:
        row = Job.objects.get(id=job_id)
        raise AssertionError(
            f"job {row} is still {row.state}: {list(row.events.values_list('name', 'reason'))}"
        ) from None


class Workers:
    """The processes, started when first needed."""

    def __init__(self, environment: dict[str, str], logs: Path) -> None:
        self._environment = environment
        self._logs = logs
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def ensure(self) -> None:
        """Start what is not running, and wait until the worker answers."""
        for name in COMMANDS:
            process = self.processes.get(name)
            if process is None or process.poll() is not None:
                self.start(name)
        if current_app.conf.worker_enable_remote_control:  # SQS has none; messages wait there until they are up
            eventually(lambda: len(current_app.control.ping(timeout=0.5)) >= 2, what="two workers to answer a ping")

    def start(self, name: str) -> None:
        """Start one process; its output goes to a log beside the others."""
        with self.log(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                COMMANDS[name], cwd=ROOT, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )

    def log(self, name: str) -> Path:
        """Where a process logs."""
        return self._logs / f"{name}.log"

    def settle(self) -> None:
        """Wait until nothing runs, so that the next test's empty ledger meets no late write."""
        eventually(lambda: not Job.objects.filter(state=State.RUNNING).exists(), what="running jobs to end")

    def stop(self) -> None:
        """End every process: asked first, then by force."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
