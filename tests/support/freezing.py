"""Processes that are stopped in their tracks, and go on later as if nothing had happened."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction

from jobs_app.models import Job
from jobs_app.platform.waiting import until


def process_of(job: Job) -> int:
    """The process that holds a job: the middle of ``host/process/message``."""
    return int(job.holder.split("/")[1])


@contextmanager
def frozen(process: int) -> Iterator[None]:
    """Stop a process, but not in the middle of a write: on SQLite nobody else could write then."""

    def stop() -> bool:
        os.kill(process, signal.SIGSTOP)
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("UPDATE jobs_app_queue SET paused_at = NULL")
        except OperationalError:
            os.kill(process, signal.SIGCONT)
            return False
        return True

    assert until(stop, 120)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


@contextmanager
def frozen_as_it_is(process: int) -> Iterator[None]:
    """Stop a process whatever it holds."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)
