"""Execution: what a worker does with one message. Claim what is still claimable, run each handler, settle."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from uuid import UUID

from django.db import close_old_connections

from jobs_app import logs
from jobs_app.core import (
    attempts,
    claims,
    dispatch,
    force,
    queries,
    settlement,
    traces,
)
from jobs_app.core.attempts import NO_COURSE, Course
from jobs_app.core.clock import database_now
from jobs_app.core.failures import LEDGER_ERRORS
from jobs_app.core.held import Held
from jobs_app.core.liveness import heart
from jobs_app.core.patience import watch
from jobs_app.core.stamps import stamps
from jobs_app.core.stopping import begins_jobs, sign
from jobs_app.core.tray import tray
from jobs_app.models import Job

logger = logging.getLogger(__name__)

CLAIM_SECONDS = 10.0

Overdue = Callable[[Job, Held, str], None]


def run(ids: list[UUID], *, holder: str, overdue: Overdue = force.end) -> int:
    """Run the jobs of one message that are still to be run; returns how many were. Never raises for a job's fault.

    overdue: what is done with a handler that listens to nothing when its time is up: its process is ended.
    """
    jobs, course = _claim(ids, holder)
    if not jobs:
        return 0
    message = _message(holder)
    held = {job.id: _hold(job, overdue) for job in jobs}
    heart.hold(*held.values())
    try:
        for job in jobs:
            mine = held[job.id]
            if not begins_jobs():
                break
            if not heart.start(mine):
                continue
            stamps.work(message, job.id)
            with logs.marked(**_marks(job)):
                _survive(job, mine, course)
            if not mine.done:
                heart.release(mine)
            if tray.ripe:
                stamps.work(message, None)
                tray.empty()
        heart.take_unstarted(held.values())
    finally:
        stamps.work(message, None)
        tray.empty()
        if owed := [each for each in held.values() if each.returned and not each.given_back]:
            _survive_giving_back(owed)
        heart.release(*held.values())
    for queue in {job.queue for job in jobs}:
        dispatch.nudge(queue)
    return len(jobs)


def _message(holder: str) -> UUID:
    """The id of the message that a holder works on, which Celery made; of one that has none, no id at all."""
    try:
        return UUID(holder.rpartition("/")[2])
    except ValueError:
        return UUID(int=0)


def _marks(job: Job) -> dict[str, object]:
    """What the log lines of an attempt say of it. The message's id in the holder is of no use there."""
    worker = job.holder.rpartition("/")[0]
    return {"job": str(job.id), "attempt": job.attempt, "kind": job.kind, "queue": job.queue, "worker": worker}


def _claim(ids: list[UUID], holder: str) -> tuple[list[Job], Course]:
    """Claim, trying again while the ledger is away; after a while the message is dropped, and sent again by upkeep."""
    give_up_at, again = time.monotonic() + CLAIM_SECONDS, False
    while True:
        try:
            with watch.call():
                return _claim_once(ids, holder, again)
        except LEDGER_ERRORS as error:
            queries.abandon()
            if time.monotonic() >= give_up_at:
                logger.warning(
                    "The ledger is away: a message of %s jobs is dropped, and sent again: %s", len(ids), error
                )
                return [], NO_COURSE
        again = True
        threading.Event().wait(settlement.RETRY_SECONDS)


def _claim_once(ids: list[UUID], holder: str, again: bool) -> tuple[list[Job], Course]:
    if not begins_jobs():
        # This worker is about to end, or drained: another one is to have them, at once.
        dispatch.put_back(ids)
        return [], NO_COURSE
    course = Course(database_now(), time.monotonic())
    # The answer to an earlier try may have been lost on its way, and not the claim.
    mine = claims.held_by(holder, ids) if again else []
    return mine + claims.claim(ids, holder=holder, now=course.claimed_at), course


def _give_back(several: list[Held]) -> bool:
    """Give back what this process holds and does not start. Done twice, it changes nothing the second time."""
    if begins_jobs():
        reason = "a job of the same message takes long"
    else:
        told = "told to stop" if sign.raised_at is not None else "drained"
        reason = f"its worker was {told} before it was started"
    ids = [(each.job_id, each.attempt) for each in several]
    claims.give_back_unstarted(ids, now=database_now(), reason=reason)
    for each in several:
        each.given_back = True
    for queue in {each.queue for each in several}:
        dispatch.nudge(queue)
    return True


def _survive_giving_back(several: list[Held]) -> None:
    """The same at the end of a message, when the heart did not get round to it, or could not."""
    try:
        settlement.insist(f"{len(several)} jobs that were not started", lambda: _give_back(several))
    except Exception:
        logger.exception("%s jobs could not be given back; they will be rescued", len(several))


def _hold(job: Job, overdue: Overdue) -> Held:
    in_main = threading.current_thread() is threading.main_thread()
    return Held(
        job_id=job.id,
        attempt=job.attempt,
        queue=job.queue,
        soft_at=float("inf"),
        hard_at=float("inf"),
        on_overdue=lambda held, why: overdue(job, held, why),
        interrupt=_ring if in_main else _nothing,
    )


def _ring() -> None:
    """Interrupt the handler in the main thread; ``_alarm`` says what is raised there."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)


def _nothing() -> None:
    """A handler outside the main thread cannot be interrupted; it is asked only."""


def _survive(job: Job, held: Held, course: Course) -> None:
    """Run one job; if the ledger does not even take its end, the lease runs out and the next job has its turn."""
    try:
        with traces.attempt(job):
            attempts.run(job, held, course)
    except Exception:
        logger.exception("Job %s attempt %s could not be settled; it will be rescued", job.id, job.attempt)
        close_old_connections()


heart.give_back = _give_back
heart.chore = tray.empty_if_ripe
