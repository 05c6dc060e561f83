"""The four kinds of job that chaos runs, and the record of what they did.

Loaded by ``KIND_MODULES=tests.chaos.kinds``. The record is a file that outlives every process: one line a start,
appended in one write, so that what ran twice can be counted. ``chaos_effects`` is a plain table without
any uniqueness: a second row of one job would show.
"""

from __future__ import annotations

import os
import threading
import time
from datetime import timedelta

from jobs_app.authoring import Backoff, JobContext, job

RECORD = "WEIR_CHAOS_RECORD"
TABLE = "chaos_effects"
SLICE = 0.05
"""Seconds between two looks of a handler that sleeps."""

PATIENT = Backoff(max_attempts=50, base=timedelta(milliseconds=50), maximum=timedelta(milliseconds=500))


@job("chaos.quick")
def quick(context: JobContext) -> int:
    """Do next to nothing. It is never tried again, so a fault of the machinery that is laid to the job shows."""
    note(context, "chaos.quick")
    return context.attempt


@job("chaos.slow")
def slow(seconds: float, listens: bool = False, *, context: JobContext) -> int:
    """Take a while. One that does not listen reports its end even when the job was taken over meanwhile."""
    note(context, "chaos.slow")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        threading.Event().wait(SLICE)
        if listens:
            context.progress(1 - max(until - time.monotonic(), 0) / seconds)
    return context.attempt


@job("chaos.atomic", atomic=True, retry=PATIENT)
def atomic(seconds: float, *, context: JobContext) -> int:
    """Write one row in the transaction that also settles the job."""
    from django.db import connection

    note(context, "chaos.atomic")
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {TABLE} (job, attempt) VALUES (%s, %s)", [context.job_id, context.attempt])
    threading.Event().wait(seconds)
    return context.attempt


@job("chaos.failing", retry=PATIENT)
def failing(times: int, *, context: JobContext) -> int:
    """Raise in the first ``times`` attempts."""
    note(context, "chaos.failing")
    if context.attempt <= times:
        raise RuntimeError(f"attempt {context.attempt} fails on purpose")
    return context.attempt


def note(context: JobContext, kind: str) -> None:
    """Append a line: job, attempt, kind, process, seconds since the epoch."""
    line = f"{context.job_id} {context.attempt} {kind} {os.getpid()} {time.time():.3f}\n"
    descriptor = os.open(os.environ[RECORD], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
