"""Looks at the ledger while others load it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from django.db import connection

from jobs_app.models import Job

EACH_SECONDS = 0.1
# The states stand in the statement itself: SQLite uses an index on one state only if it sees which.
COUNT = """
SELECT (SELECT count(*) FROM jobs_app_job WHERE queue = %s AND state = 'queued'),
       (SELECT count(*) FROM jobs_app_job WHERE queue = %s AND state = 'running')
"""


class Watch(threading.Thread):
    """Counts about ten times a second how many jobs of a queue wait and run, on a connection of its own."""

    def __init__(self, queue: str) -> None:
        super().__init__(daemon=True)
        self.samples: list[tuple[float, int, int]] = []
        self._queue = queue
        self._over = threading.Event()

    def run(self) -> None:
        """The thread."""
        try:
            while not self._over.wait(EACH_SECONDS):
                before = time.time()
                with connection.cursor() as cursor:
                    cursor.execute(COUNT, [self._queue, self._queue])
                    waiting, running = cursor.fetchone()
                self.samples.append(((before + time.time()) / 2, waiting, running))
        finally:
            connection.close()

    @property
    def depth(self) -> int:
        """How many waited last."""
        return self.samples[-1][1] if self.samples else 0

    def end(self) -> None:
        """Stop looking."""
        self._over.set()
        self.join(60)


@contextmanager
def watched(queue: str) -> Iterator[Watch]:
    """A watch beside the block."""
    watch = Watch(queue)
    watch.start()
    try:
        yield watch
    finally:
        watch.end()


def finished(begin: float, end: float) -> int:
    """How many jobs ended between two moments (seconds since 1970)."""
    first, last = (datetime.fromtimestamp(each, tz=UTC) for each in (begin, end))
    return Job.objects.filter(finished_at__gte=first, finished_at__lt=last).count()
