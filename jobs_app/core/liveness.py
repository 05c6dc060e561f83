"""Liveness: one thread in each worker process keeps the leases of what the process holds.

In the same statement it learns of cancellation and of jobs that were taken over; it also writes progress and log
lines, so that a handler never waits for the database to say how far it is.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections, connection

from jobs_app import conf
from jobs_app.core import queries, sql
from jobs_app.core.clock import database_now
from jobs_app.core.held import Held
from jobs_app.core.patience import watch
from jobs_app.core.stamps import stamps
from jobs_app.core.stopping import begins_jobs
from jobs_app.lifecycle import State
from jobs_app.models import Job, LogLine
from jobs_app.models.guard import writing

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.5
CHUNK_SECONDS = 0.1
"""The same while a message of several jobs is run: what has ended is settled as often."""

LONG_SECONDS = 1.0
"""When a job takes longer than this, those of its message that wait behind it are given to others."""


def extend(held: list[tuple[UUID, int]], *, now: datetime) -> dict[UUID, bool]:
    """Extend the leases of ``(id, attempt)`` pairs; returns those still held, each with whether it was cancelled."""
    until = now + timedelta(seconds=conf.current().lease_seconds)
    with connection.cursor() as cursor:
        cursor.execute(sql.statement("heartbeat"), {"lease_until": queries.bind_time(until), **queries.bind_held(held)})
        return {queries.read_id(row[0]): row[1] is not None for row in cursor.fetchall()}


def flush(held: Held, *, wait: bool = True) -> None:
    """Write what a job reported since the last flush. Progress is guarded like any other write; lines are facts.

    wait: whether to wait for another thread that is at it. Within a transaction never: that thread may be waiting for
    a lock which the transaction holds, and writes the rest when it ends.
    """
    if not held.flushing.acquire(blocking=wait):
        return
    try:
        with writing():
            _write_progress(held)
            _write_lines(held)
    finally:
        held.flushing.release()


def _write_progress(held: Held) -> None:
    if held.progress is not None:
        (fraction, message), held.progress = held.progress, None
        Job.objects.filter(id=held.job_id, state=State.RUNNING, attempt=held.attempt).update(
            progress=fraction, progress_message=message
        )


def _write_lines(held: Held) -> None:
    taken = [held.lines.popleft() for _ in range(len(held.lines))]
    if not taken:
        return
    rows = [
        LogLine(job_id=held.job_id, attempt=held.attempt, at=at, level=level, text=text) for at, level, text in taken
    ]
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
    """The thread. It runs while anything is held, and starts anew in a forked child.

    ``give_back`` is called from it with jobs that are not to be started here, ``chore`` at each turn.
    """

    def __init__(self) -> None:
        self.give_back: Callable[[list[Held]], object] = lambda held: None
        self.chore: Callable[[], object] = lambda: None
        self.beating = threading.Lock()
        """Held while rows of several jobs are written at once: two such writes could each wait for the other."""
        self._held: dict[UUID, Held] = {}
        self._owed: list[Held] = []
        self._changed = threading.Condition()
        self._pid = 0

    def hold(self, *several: Held) -> None:
        """Keep the leases of jobs from now on."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._held, self._owed = {}, []
            self._changed, self.beating = threading.Condition(), threading.Lock()
            threading.Thread(target=self._loop, name="weir-heart", daemon=True).start()
        stamps.put()
        with self._changed:
            asleep = not self._held
            self._held.update((held.job_id, held) for held in several)
            if asleep or len(several) > 1:
                self._changed.notify_all()  # else it looks soon anyway: waking it for each job would cost much

    def release(self, *several: Held) -> None:
        """Stop keeping jobs, and write what they reported last. Never raises: no lease may be kept for good."""
        with self._changed:
            for held in several:
                self._held.pop(held.job_id, None)
        for held in several:
            if held.has_reports:
                self._write_last(held)

    def start(self, held: Held) -> bool:
        """Mark a job as started, unless it is no longer this process's to start."""
        with self._changed:
            if held.lost or held.returned:
                return False
            held.started, held.started_at = True, time.monotonic()
            return True

    def others(self, held: Held) -> list[Held]:
        """What else this process holds: to be given back if the process must be ended."""
        with self._changed:
            return [each for each in self._held.values() if each is not held]

    def take_unstarted(self, several: Iterable[Held]) -> list[Held]:
        """Let go of those that were not started: they never are, here. Returns them."""
        with self._changed:
            taken = [each for each in several if not (each.started or each.returned or each.lost)]
            for each in taken:
                each.returned = True
                self._held.pop(each.job_id, None)
        return taken

    def _write_last(self, held: Held) -> None:
        try:
            with watch.call():
                flush(held)
        except Exception:
            logger.warning("The last reports of job %s were not written", held.job_id, exc_info=True)

    def _loop(self) -> None:
        beat_at = 0.0
        while True:
            with self._changed:
                if not self._held:
                    stamps.clear()
                    connection.close()
                    self._changed.wait_for(lambda: bool(self._held))
                    # A claim just took a whole lease: the first beat may wait its time.
                    beat_at = time.monotonic() + conf.current().heartbeat_seconds
                held = list(self._held.values())
            stamps.put()
            if time.monotonic() >= beat_at and self._survive(self._beat, held):
                # One that failed is tried again at the next turn: a lease may be about to run out.
                beat_at = time.monotonic() + conf.current().heartbeat_seconds
            self._survive(self._share, held)
            for each in held:
                if each.has_reports:
                    self._survive(flush, each)
                if each.started and not each.done:
                    self._survive(self._enforce, each)
            self._survive(lambda _: self.chore(), None)
            with self._changed:
                self._changed.wait(FLUSH_SECONDS if len(held) == 1 else CHUNK_SECONDS)

    def _survive(self, step: Callable[[Any], object], what: Any) -> bool:
        """Take a step; whatever it raises, the next is taken too: without this thread every lease would run out.

        Returns whether it went well.
        """
        try:
            with watch.call():
                step(what)
            return True
        except (DatabaseError, InterfaceError) as error:
            logger.warning("The ledger did not take a heartbeat; trying again: %s", error)
            connection.close()
        except Exception:
            logger.exception("A heartbeat failed; trying again")
        return False

    def _beat(self, held: list[Held]) -> None:
        close_old_connections()
        with self.beating:
            ours = extend([(each.job_id, each.attempt) for each in held], now=database_now())
        for each in held:
            if each.job_id not in ours:
                # Settled just now by its own thread, or taken over: either way it is no longer to be run here.
                each.lost = True
            elif ours[each.job_id] and each.cancelled_at is None:
                each.cancelled_at = time.monotonic()

    def _share(self, held: list[Held]) -> None:
        """Give back what is not to be started here: at a stop, and for others when one job of a message takes long."""
        now = time.monotonic()
        long = any(each.started and not each.done and now - each.started_at > LONG_SECONDS for each in held)
        if long or not begins_jobs():
            self._owed += self.take_unstarted(held)
        if self._owed:
            self.give_back(self._owed)
            self._owed = []

    def _enforce(self, held: Held) -> None:
        """Asked first (``check`` raises), interrupted after a grace, ended by force after another."""
        with self._changed:
            if held.job_id not in self._held:
                return
        why, interrupt_at, force_at = _deadlines(held)
        now = time.monotonic()
        if now >= interrupt_at and not held.interrupted:
            held.interrupted = True
            held.interrupt()
        if now >= force_at and not held.forced:
            held.forced = True
            held.on_overdue(held, why)


def _deadlines(held: Held) -> tuple[str, float, float]:
    """Why a job must end, when its handler is interrupted and when its process is ended: the nearest of the reasons."""
    grace, never = conf.current().cancel_grace_seconds, float("inf")
    found = [("timeout", never, held.hard_at if held.started else never)]
    if held.cancelled_at is not None:
        found.append(("cancel", held.cancelled_at + grace, held.cancelled_at + 2 * grace))
    if held.stopped_at is not None:
        found.append(("stop", held.stopped_at, held.stopped_at + grace))
    force = min(found, key=lambda each: each[2])
    return force[0], min(each[1] for each in found), force[2]


heart = Heart()
