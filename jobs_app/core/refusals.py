"""Counts of refusals. Nothing is written while the caller waits; a second later its process adds up and writes.

While refusals go on it writes less and less often: that is when the database has enough to do.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable

from django.db import Error, IntegrityError, close_old_connections, connection, transaction

from jobs_app.core.clock import database_now
from jobs_app.lifecycle import Reason
from jobs_app.models import Refusal
from jobs_app.models.guard import writing

logger = logging.getLogger(__name__)

WRITE_SECONDS = 1.0
LONGEST_SECONDS = 10.0
DIFFERENT = 1000
"""Users and reasons a process counts apart between two writes; the rest is added to the system's."""


class Tally:
    """What this process refused since it wrote last."""

    def __init__(self, write_seconds: float = WRITE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._write_seconds = write_seconds
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """Begin anew: in a forked child, whose parent writes its own."""
        self._counts: Counter[tuple[str, int | None, Reason]] = Counter()
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._pause, self._written_at = self._write_seconds, 0.0

    def count(self, queue: str, owner: int | None, reason: Reason, jobs: int = 1) -> None:
        """Count a refusal, of one job or of more; it is written about a second later."""
        with self._lock:
            key = (queue, owner, reason)
            self._counts[key if key in self._counts or len(self._counts) < DIFFERENT else (queue, None, reason)] += jobs
            if self._timer is None:
                self._timer = threading.Timer(self.pause(), self._write_apart)
                self._timer.daemon = True
                self._timer.start()

    def pause(self) -> float:
        """Seconds until the next write: twice as many as before, unless it has been quiet for as long since."""
        quiet = self._clock() - self._written_at > self._pause
        self._pause = self._write_seconds if quiet else min(2 * self._pause, LONGEST_SECONDS)
        return self._pause

    def write(self) -> int:
        """Write what was counted; returns how many refusals. While the ledger is away they are kept."""
        with self._lock:
            counts, self._counts, self._timer = self._counts, Counter(), None
            self._written_at = self._clock()
        if not counts:
            return 0
        try:
            try:
                _insert(counts)
            except IntegrityError:  # a user was deleted meanwhile: the refusals count all the same
                anyone: Counter[tuple[str, int | None, Reason]] = Counter()
                for (queue, _, reason), count in counts.items():
                    anyone[queue, None, reason] += count
                _insert(anyone)
        except Error as error:
            logger.warning("Refusals could not be counted yet: %s", error)
            with self._lock:
                self._counts.update(counts)
            return 0
        return counts.total()

    def _write_apart(self) -> None:
        close_old_connections()
        try:
            self.write()
        finally:
            connection.close()


def _insert(counts: Counter[tuple[str, int | None, Reason]]) -> None:
    now = database_now()
    with transaction.atomic(), writing():
        Refusal.objects.bulk_create(
            Refusal(queue=queue, owner_id=owner, reason=reason, at=now, count=count)
            for (queue, owner, reason), count in counts.items()
        )


tally = Tally()
os.register_at_fork(after_in_child=tally.forget)
atexit.register(tally.write)
