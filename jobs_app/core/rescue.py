"""Rescue: jobs whose worker is gone. Each move is guarded by the attempt that was seen, so a live worker wins."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import DataError, IntegrityError, connection, transaction

from jobs_app import conf, fingerprints
from jobs_app.core import claims, dispatch, families, queries, transitions
from jobs_app.lifecycle import EventName, Outcome, State
from jobs_app.models import Job

logger = logging.getLogger(__name__)

BATCH = 500
LEDGER_WENT = "the ledger went away while it ran"
DOUBLED = 12
LONGEST_WAIT = timedelta(minutes=5)
"""How often the wait of a job is doubled under which the ledger goes away again and again, and the longest."""

WRITES = ("BEGIN", "INSERT", "UPDATE", "DELETE")


def expired_leases(*, now: datetime, vigil: Vigil | None = None) -> int:
    """Rescue running jobs whose lease ran out: their worker vanished, froze or lost the database. Returns how many.

    vigil: tells whether leases may be judged; without one they may.
    """
    if vigil is not None and not vigil.may_judge(now):
        return 0
    rows = Job.objects.filter(state=State.RUNNING, lease_until__lt=now).order_by("lease_until")
    return _rescue_each(rows[:BATCH], "its worker stopped answering", now, lapsed=True, vigil=vigil)


def lost_child(
    ids: Iterable[UUID], message: str, *, now: datetime, reason: str, at_work: Collection[UUID] | None = None
) -> int:
    """Rescue what a dead worker process held of one message. ``message`` is the message's id, a part of the holder.

    at_work: the job that it ran then, or none, if that is known: the others of the message have no part in its death.
    """
    if not message:
        return 0
    held = Job.objects.filter(state=State.RUNNING, holder__endswith=f"/{message}")
    rows = list(held.filter(id__in=list(ids)[: claims.MESSAGE_LIMIT]))
    to_blame = [job for job in rows if at_work is None or job.id in at_work or len(rows) == 1]
    beside = [(job.id, job.attempt) for job in rows if job not in to_blame]
    for queue in {job.queue for job in rows}:
        transaction.on_commit(partial(dispatch.nudge, queue), robust=True)
    given = claims.give_back_unstarted(beside, now=now, reason=f"{reason}, in another job of its message")
    return given + _rescue_each(to_blame, reason, now, lapsed=False)


def lost_ledger(job: Job, *, now: datetime) -> bool:
    """Rescue a job under which the ledger went away; what it had not committed is gone. Returns whether it was ours.

    That is not held against the job: its worker lives, and outages must not add up to an end. But a job may break its
    own connection each time, so from the second time on it waits first: a second, then twice as long each time.
    """
    before = job.attempts.filter(outcome=Outcome.LOST, error=LEDGER_WENT).values("id")[:DOUBLED].count()
    wait = timedelta(seconds=2 ** (before - 1)) if before else timedelta(0)
    return _rescue(job, LEDGER_WENT, now, lapsed=False, killed=False, wait=min(wait, LONGEST_WAIT))


class Vigil:
    """Tells upkeep when leases may be judged.

    While the ledger was away no worker could extend its leases. So after an outage that this process met itself they
    get a moment to do so; else every running job would be taken for lost.
    """

    def __init__(self) -> None:
        self.outage = False
        """Whether one was noted since leases were last asked for."""
        self._back_at: datetime | None = None

    def note_outage(self) -> None:
        """The ledger did not answer."""
        self.outage = True

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note an outage when the block waited for SQLite's one lock longer than a heartbeat.

        Everybody could read meanwhile, but no worker could extend a lease; and whose turn comes first is chance.
        """
        if connection.vendor != "sqlite":
            yield
            return
        with connection.execute_wrapper(self._time):
            yield

    def _time(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        began = time.monotonic()
        try:
            return execute(sql, params, many, context)
        finally:
            if sql.startswith(WRITES) and time.monotonic() - began > conf.current().heartbeat_seconds:
                self.note_outage()

    def may_judge(self, now: datetime) -> bool:
        """Whether workers have had time for two heartbeats since the last outage."""
        if self.outage:
            self.outage, self._back_at = False, now
        grace = timedelta(seconds=2 * conf.current().heartbeat_seconds)
        return self._back_at is None or now - self._back_at >= grace


def describe_exit(words: str) -> str:
    """How a worker process died, as people say it; ``words`` are Celery's."""
    killed = re.search(r"signal (\d+) \((SIG\w+)\)", words)
    if killed:
        hint = ", as the system does when memory runs out" if killed[2] == "SIGKILL" else ""
        return f"its worker process was killed by signal {killed[1]} ({killed[2]}{hint})"
    exited = re.search(r"exitcode (-?\d+)", words)
    return f"its worker process exited with code {exited[1]}" if exited else "its worker process died"


def expire_waiting(*, now: datetime) -> int:
    """Fail the queued jobs that were never started and whose ``expires_at`` has passed. Returns how many."""
    late = Job.objects.filter(state=State.QUEUED, started_at=None, expires_at__lte=now)
    return sum(_expire(job, now) for job in late.order_by("expires_at")[:BATCH])


def _expire(job: Job, now: datetime) -> bool:
    words = "it was not started before its expiry"
    with queries.brief():
        moved = transitions.move(
            job.id, State.QUEUED, State.FAILED, attempt=job.attempt, now=now, event=EventName.EXPIRED,
            error=words, error_type="Expired", reason=words,
            fingerprint=fingerprints.of(job.kind, "Expired", words),
        )  # fmt: skip
        if moved:
            families.ended(job, State.FAILED, now=now)
    return moved


def _rescue_each(jobs: Iterable[Job], reason: str, now: datetime, *, lapsed: bool, vigil: Vigil | None = None) -> int:
    """A row that cannot be rescued does not keep the others from it; an outage of the ledger ends the run."""
    rescued = 0
    for job in jobs:
        try:
            rescued += _rescue(job, reason, now, lapsed=lapsed, vigil=vigil)
        except (IntegrityError, DataError):
            logger.exception("Job %s could not be rescued", job.id)
    return rescued


def _rescue(
    seen: Job, reason: str, now: datetime, *, lapsed: bool, killed: bool = True, vigil: Vigil | None = None,
    wait: timedelta = timedelta(0),
) -> bool:  # fmt: skip
    alike = fingerprints.of(seen.kind, "WorkerLost", reason)
    with queries.brief():
        if vigil is not None and vigil.outage:
            return False  # the lock came late: its worker is to have the next turn
        # A row that somebody has locked is settled just now, or its worker stands still in that: it is looked at again
        # at the next tick, since here it would keep all the others waiting. A dead process lets go of its locks.
        job = queries.running(seen.id, seen.attempt, skip_locked=lapsed)
        # Since the rows were read its worker may have settled, or (``lapsed``) answered again: then it wins.
        if job is None or (lapsed and job.lease_until is not None and job.lease_until >= now):
            return False
        kills = job.kills + 1 if killed else job.kills
        if job.cancel_requested_at is not None:
            _end(job, State.CANCELLED, EventName.CANCELLED, reason, now)
        elif killed and kills >= conf.current().max_kills:
            words = f"it ended its worker {kills} times, so it is not tried again; the last time: {reason}"
            changes = {"kills": kills, "error": words, "error_type": "WorkerLost", "fingerprint": alike}
            _end(job, State.FAILED, EventName.FAILED, words, now, **changes)
        else:
            later: dict[str, Any] = {"due_at": now + wait} if wait else {}
            target = State.RETRYING if wait else State.QUEUED
            _end(job, target, EventName.RESCUED, reason, now, kills=kills, fingerprint=alike, **later)
        claims.end_attempt(job, Outcome.LOST, now=now, error=reason, error_type="WorkerLost")
        queue = job.queue
        transaction.on_commit(lambda: dispatch.nudge(queue), robust=True)
    return True


def _end(job: Job, target: State, event: EventName, reason: str, now: datetime, **changes: Any) -> None:
    moved = transitions.move(
        job.id, State.RUNNING, target, attempt=job.attempt, now=now, event=event, reason=reason, **changes
    )
    if moved and target.final:
        families.ended(job, target, now=now)
