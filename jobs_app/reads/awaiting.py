"""Waiting for jobs to end: one thread of the process asks for all of them, so that no waiter holds a connection."""

from __future__ import annotations

import logging
import os
import threading
from uuid import UUID

from django.db import Error, close_old_connections, connection

from jobs_app.lifecycle import FINAL
from jobs_app.models import Job

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1


class Awaiter:
    """Who waits for which job, in this process; at most ``limit`` at once."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.forget()

    def forget(self) -> None:
        """Begin anew, in a forked child."""
        self._lock = threading.Lock()
        self._waiting: dict[UUID, list[threading.Event]] = {}
        self._thread: threading.Thread | None = None
        self._count = 0

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return self._count

    def wait(self, job_id: UUID, seconds: float) -> bool:
        """Wait until a job has ended, at most so long; returns whether it has. False at once if too many wait."""
        ended = threading.Event()
        with self._lock:
            if self._count >= self._limit:
                return False
            self._count += 1
            self._waiting.setdefault(job_id, []).append(ended)
            if self._thread is None:
                self._thread = threading.Thread(target=self._poll, name="weir-awaiter", daemon=True)
                self._thread.start()
        if not connection.in_atomic_block:
            connection.close()
        try:
            return ended.wait(seconds)
        finally:
            with self._lock:
                self._count -= 1
                waiters = self._waiting[job_id]
                waiters.remove(ended)
                if not waiters:
                    del self._waiting[job_id]

    def _poll(self) -> None:
        while True:
            with self._lock:
                wanted = list(self._waiting)
                if not wanted:
                    self._thread = None
                    break
            try:
                close_old_connections()
                ended = set(Job.objects.filter(id__in=wanted, state__in=FINAL).values_list("id", flat=True))
            except Error as error:
                logger.warning("Jobs that are waited for could not be read; trying again: %s", error)
                connection.close()
                ended = set()
            with self._lock:
                for event in (event for job_id in ended for event in self._waiting.get(job_id, ())):
                    event.set()
            threading.Event().wait(POLL_SECONDS)
        connection.close()


WAITERS = 3
"""Requests of one web process that may wait at once; the others are answered as if they had not asked to."""

awaiter = Awaiter(WAITERS)
os.register_at_fork(after_in_child=awaiter.forget)
