"""Liveness: one thread in each worker process keeps the leases of what the process holds.

In the same statement it learns of cancellation and of jobs that were taken over; it also writes progress and log
lines, so that a handler never waits for the database to say how far it is.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import DatabaseError, OperationalError, close_old_connections, connection

from jobs_app import conf
from jobs_app.context import Cancelled, TimedOut
from jobs_app.core import queries, sql
from jobs_app.core.clock import database_now
from jobs_app.lifecycle import State
from jobs_app.models import Job, LogLine
from jobs_app.models.guard import writing

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.5
LINES_WAITING = 1000
"""Log lines kept in memory until the next flush; a handler that logs faster loses the oldest, and is told."""

LINES_PER_ATTEMPT = 10_000
LINE_LENGTH = 10_000


@dataclass
class Held:
    """One claimed job, as its process knows it. Times are of ``time.monotonic``."""

    job_id: UUID
    attempt: int
    soft_at: float
    hard_at: float
    on_overdue: Callable[[Held, str], None]
    """Called from the thread when the job must be ended by force: with ``timeout`` or ``cancel``."""
    interrupt: Callable[[], None]
    """Called from the thread to raise in the handler's thread, if it has one that can be reached."""
    cancelled_at: float | None = None
    lost: bool = False
    interrupted: bool = False
    forced: bool = False
    started: bool = False
    progress: tuple[float, str] | None = None
    lines: deque[tuple[datetime, str, str]] = field(default_factory=lambda: deque(maxlen=LINES_WAITING))
    lines_written: int = 0
    lines_dropped: int = 0
    flushing: threading.Lock = field(default_factory=threading.Lock)
    """The thread and the handler's own may flush at once."""

    @property
    def should_stop(self) -> bool:
        """Whether the handler should end."""
        return self.lost or self.cancelled_at is not None or self.timed_out

    @property
    def timed_out(self) -> bool:
        """Whether the soft timeout is up."""
        return self.started and time.monotonic() >= self.soft_at

    def check(self) -> None:
        """Raise what the handler is to be told, if anything."""
        if self.lost:
            raise Cancelled("the job was taken over by another worker")
        if self.cancelled_at is not None:
            raise Cancelled("cancelled on request")
        if self.timed_out:
            raise TimedOut("its time was up")

    def log(self, text: str, level: str, now: datetime) -> None:
        """Queue a log line, within bounds."""
        kept = self.lines_written + len(self.lines)
        if kept < LINES_PER_ATTEMPT:
            self.lines_dropped += len(self.lines) == LINES_WAITING
            self.lines.append((now, level, text[:LINE_LENGTH]))
        elif kept == LINES_PER_ATTEMPT:
            last = f"(an attempt may log {LINES_PER_ATTEMPT:,} lines; the rest is not kept)"
            self.lines.append((now, "warning", last))


def extend(held: list[tuple[UUID, int]], *, now: datetime) -> dict[UUID, bool]:
    """Extend the leases of ``(id, attempt)`` pairs; returns those still held, each with whether it was cancelled."""
    until = now + timedelta(seconds=conf.current().lease_seconds)
    with connection.cursor() as cursor:
        cursor.execute(sql.statement("heartbeat"), {"lease_until": queries.bind_time(until), **queries.bind_held(held)})
        return {queries.read_id(row[0]): row[1] is not None for row in cursor.fetchall()}


def flush(held: Held) -> None:
    """Write what a job reported since the last flush. Progress is guarded like any other write; lines are facts."""
    with held.flushing, writing():
        if held.progress is not None:
            (fraction, message), held.progress = held.progress, None
            Job.objects.filter(id=held.job_id, state=State.RUNNING, attempt=held.attempt).update(
                progress=fraction, progress_message=message
            )
        taken = [held.lines.popleft() for _ in range(len(held.lines))]
        if not taken:
            return
        rows = [
            LogLine(job_id=held.job_id, attempt=held.attempt, at=at, level=level, text=text)
            for at, level, text in taken
        ]  # fmt: skip
        if held.lines_dropped:
            dropped, held.lines_dropped = held.lines_dropped, 0
            told = f"({dropped:,} lines came faster than they could be written)"
            rows.insert(0, LogLine(job_id=held.job_id, attempt=held.attempt, at=rows[0].at, level="warning", text=told))
        try:
            LogLine.objects.bulk_create(rows)
        except OperationalError:
            held.lines.extendleft(reversed(taken))  # the ledger is away for a moment
            raise
        held.lines_written += len(taken)


class Heart:
    """The thread. It runs while anything is held, and starts anew in a forked child."""

    def __init__(self) -> None:
        self._held: dict[UUID, Held] = {}
        self._changed = threading.Condition()
        self._pid = 0

    def hold(self, held: Held) -> None:
        """Keep the lease of a job from now on."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._held, self._changed = {}, threading.Condition()
            threading.Thread(target=self._loop, name="weir-heart", daemon=True).start()
        with self._changed:
            self._held[held.job_id] = held
            self._changed.notify_all()

    def release(self, held: Held) -> None:
        """Stop keeping a job, and write what it reported last. Never raises: no lease may be kept for good."""
        with self._changed:
            self._held.pop(held.job_id, None)
        try:
            flush(held)
        except Exception:
            logger.warning("The last reports of job %s were not written", held.job_id, exc_info=True)

    def others(self, held: Held) -> list[Held]:
        """What else this process holds: to be given back if the process must be ended."""
        with self._changed:
            return [each for each in self._held.values() if each is not held]

    def _loop(self) -> None:
        beat_at = 0.0
        while True:
            with self._changed:
                if not self._held:
                    connection.close()
                    self._changed.wait_for(lambda: bool(self._held))
                    # A claim just took a whole lease: the first beat may wait its time.
                    beat_at = time.monotonic() + conf.current().heartbeat_seconds
                held = list(self._held.values())
            if time.monotonic() >= beat_at:
                beat_at = time.monotonic() + conf.current().heartbeat_seconds
                self._survive(self._beat, held)
            for each in held:
                self._survive(flush, each)
                self._survive(self._enforce, each)
            with self._changed:
                self._changed.wait(FLUSH_SECONDS)

    def _survive(self, step: Callable[[Any], None], what: Any) -> None:
        """Take a step; whatever it raises, the next is taken too: without this thread every lease would run out."""
        try:
            step(what)
        except DatabaseError:
            logger.warning("The ledger did not take a heartbeat; trying again", exc_info=True)
            close_old_connections()
        except Exception:
            logger.exception("A heartbeat failed; trying again")

    def _beat(self, held: list[Held]) -> None:
        close_old_connections()
        ours = extend([(each.job_id, each.attempt) for each in held], now=database_now())
        for each in held:
            if each.job_id not in ours:
                # Settled just now by its own thread, or taken over: either way it is no longer to be run here.
                each.lost = True
            elif ours[each.job_id] and each.cancelled_at is None:
                each.cancelled_at = time.monotonic()

    def _enforce(self, held: Held) -> None:
        """Asked first (``check`` raises), interrupted after a grace, ended by force after another."""
        with self._changed:
            if held.job_id not in self._held:
                return
        now, grace = time.monotonic(), conf.current().cancel_grace_seconds
        overdue = held.started and now >= held.hard_at
        asked_at = held.cancelled_at
        if asked_at is not None and now >= asked_at + grace and not held.interrupted:
            held.interrupted = True
            held.interrupt()
        forced = asked_at is not None and now >= asked_at + 2 * grace
        if (overdue or forced) and not held.forced:
            held.forced = True
            held.on_overdue(held, "timeout" if overdue else "cancel")


heart = Heart()
