"""The inline path: a quick job of a caller who waits is run in the web process, as a recorded job like any other.

Only kinds that say so, and only while nearly all of their jobs have been measured to be quick enough. If one is slower
all the same, it goes on in its thread, and if its process dies, it is rescued like any other.
"""

from __future__ import annotations

import logging
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Slow
from datetime import datetime
from uuid import UUID

from django.db import close_old_connections

from jobs_app.core import estimates, execution, force, gate
from jobs_app.core.pulses import Pulse
from jobs_app.registry import Kind

logger = logging.getLogger(__name__)

THREADS = 2
"""Jobs one web process runs at once; more wait for a worker."""

SAMPLES = 5
"""Fewer measured jobs of a kind say nothing of how quick it is."""


def fits(kind: Kind, pulse: Pulse) -> bool:
    """Whether a kind may be run in the request now: 95 of 100 of its latest jobs were quick enough."""
    pace = pulse.paces.get(kind.name)
    if kind.inline is None or pace is None or pulse.paused_at is not None:
        return False
    return pace.samples >= SAMPLES and pace.p95 < kind.inline.total_seconds()


class Place:
    """One of this process's threads, kept for a job that is about to be submitted."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._done: Future[int] | None = None

    def run(self, job_id: UUID) -> None:
        """Start the job."""
        self._done = self._runner.start(job_id)

    @property
    def taken(self) -> bool:
        """Whether a job was started."""
        return self._done is not None

    def give_up(self) -> None:
        """The thread is not needed after all."""
        self._runner.free()

    def wait(self, seconds: float) -> bool:
        """Wait for the job's end; returns whether it came about. What went wrong here is no fault of the caller's."""
        if self._done is None:
            return False
        try:
            self._done.result(seconds)
        except Slow:
            return False
        except Exception:
            # The job was accepted: as when this process had died, its lease runs out and it runs again.
            logger.warning("A job could not be run in the request; it is left to be rescued", exc_info=True)
            return False
        return True


class Runner:
    """The threads of a web process that run jobs, with a database connection each."""

    def __init__(self, threads: int = THREADS) -> None:
        self._count = threads
        self.forget()

    def forget(self) -> None:
        """Begin anew: a forked child has none of its parent's threads."""
        self._threads = ThreadPoolExecutor(self._count, thread_name_prefix="weir-inline")
        self._room = threading.Semaphore(self._count)

    def place(self, kind: Kind, queue: str, *, now: datetime) -> Place | None:
        """Keep a thread for a job of a kind that fits; None when it does not, or all are taken."""
        if kind.inline is None or not fits(kind, estimates.pulse(queue, now=now)):
            return None
        return Place(self) if self._room.acquire(blocking=False) else None

    def start(self, job_id: UUID) -> Future[int]:
        """Run a job in a thread that was kept."""
        return self._threads.submit(self._run, job_id)

    def free(self) -> None:
        """A thread is free again."""
        self._room.release()

    def _run(self, job_id: UUID) -> int:
        try:
            close_old_connections()
            return execution.run([job_id], holder=f"web@{gate.name_of_process()}/inline", overdue=force.disown)
        finally:
            self.free()


runner = Runner()
os.register_at_fork(after_in_child=runner.forget)
