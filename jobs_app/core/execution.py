"""Execution: what a worker does with one message. Claim what is still claimable, run each handler, settle."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import close_old_connections, connection, transaction

from jobs_app import conf, logs, registry, tracing
from jobs_app.context import Cancelled, TimedOut
from jobs_app.core import (
    artifacts,
    claims,
    control,
    dispatch,
    encoding,
    failures,
    force,
    outcomes,
    queries,
    secrecy,
    settlement,
    spawning,
    submission,
    traces,
)
from jobs_app.core.attempt_context import AttemptContext
from jobs_app.core.clock import database_now
from jobs_app.core.failures import LEDGER_ERRORS
from jobs_app.core.held import Held
from jobs_app.core.liveness import heart
from jobs_app.core.patience import watch
from jobs_app.core.stamps import stamps
from jobs_app.core.stopping import begins_jobs, sign
from jobs_app.core.transitions import Success
from jobs_app.core.tray import takes, tray
from jobs_app.lifecycle import State
from jobs_app.models import Job
from jobs_app.parameters import ARTIFACTS
from jobs_app.policies import NO_RETRY, Verdict
from jobs_app.registry import Kind

logger = logging.getLogger(__name__)

CLAIM_SECONDS = 10.0

Overdue = Callable[[Job, Held, str], None]


class _Refused(Exception):
    """The settlement of an atomic kind was refused, so its effects must not be kept."""


@dataclass(frozen=True)
class Course:
    """The ledger's time while a message is worked on: as it was at the claim, and gone on by this machine's clock."""

    claimed_at: datetime
    since: float

    def time(self, moment: float) -> datetime:
        """A moment of ``time.monotonic`` as the ledger's time."""
        return self.claimed_at + timedelta(seconds=moment - self.since)


NO_COURSE = Course(datetime.min.replace(tzinfo=UTC), 0.0)


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
            stamps.work(message, None)
            if not mine.done:
                heart.release(mine)
            if tray.ripe:
                tray.empty()
        heart.take_unstarted(held.values())
    finally:
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


def _give_back(several: list[Held]) -> None:
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


def _survive_giving_back(several: list[Held]) -> None:
    """The same at the end of a message, when the heart did not get round to it, or could not."""
    try:
        settlement.insist(f"{len(several)} jobs that were not started", lambda: _give_back(several) is None)
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
            _run_one(job, held, course)
    except Exception:
        logger.exception("Job %s attempt %s could not be settled; it will be rescued", job.id, job.attempt)
        close_old_connections()


def _run_one(job: Job, held: Held, course: Course) -> None:
    """Run one handler and settle. Whatever the handler does short of killing the process ends here."""
    held.soft_at = time.monotonic() + job.timeout.total_seconds()
    held.hard_at = time.monotonic() + job.hard_timeout.total_seconds()
    context = AttemptContext(job, held, lambda them: spawning.spawn(job, them, now=database_now()))
    policy = NO_RETRY
    try:
        held.check()  # it may have been cancelled while it waited for others of its message
        kind = registry.get(job.kind)
        policy = kind.retry
        with watch.call():
            arguments = _bind(kind, job, context)
        if kind.atomic:
            tray.empty()  # on SQLite nobody could settle while its transaction is open
        began = time.monotonic()
        with _effects(kind, job):
            with traces.handler(job), _alarm(held), secrecy.quiet(context.secrets):
                value = _call(kind, arguments)
            encoded = encoding.encode(value, context.secrets)
            if kind.atomic:
                with watch.call():
                    if not settlement.succeed(job, held, encoded):
                        raise _Refused
        if takes(kind, encoded):
            ended = course.time(time.monotonic())
            tray.put(held, Success(job, encoded.text.decode(), len(encoded.text), course.time(began), ended))
        elif not kind.atomic:
            settlement.insist_for(job, lambda: settlement.succeed(job, held, encoded))
    except _Refused:
        # The record that succeed() made of the refusal was rolled back with the effects.
        settlement.insist_for(job, lambda: outcomes.record_refusal(job, State.SUCCEEDED, now=database_now()))
    except Cancelled as stop:
        _recover_connection(stop, held)
        settlement.stop(job, held, str(stop))
    except BaseException as error:  # MemoryError or SystemExit of a handler must not end the worker
        with watch.call():
            settle = settlement.rescue_lost if failures.ledger_lost(error) else settlement.fail
        _recover_connection(error, held)
        if not isinstance(error, Verdict):
            tracing.fail(error)
        settlement.insist_for(job, partial(settle, job, held, error, context, policy))
        if isinstance(error, KeyboardInterrupt):
            raise
    finally:
        context.close()


def _bind(kind: Kind, job: Job, context: AttemptContext) -> dict[str, Any]:
    """The handler's arguments, from the stored parameters."""
    original = control.original_parameters(job)
    inputs = [each.artifact_id for each in job.inputs.all()] if kind.takes_files else []
    files = artifacts.resolve(inputs, None) if inputs else {}
    model = submission.validated(kind, original, {ARTIFACTS: files})
    if kind.has_secrets:
        context.hide_secrets_of(model)
    arguments = {name: getattr(model, name) for name in type(model).model_fields}
    if kind.takes_context:
        arguments[registry.CONTEXT] = context
    return arguments


def _call(kind: Kind, arguments: dict[str, Any]) -> Any:
    """Call the handler; a returned verdict counts as raised."""
    value = kind.function(**arguments)
    if isinstance(value, Verdict):
        raise value
    return value


@contextmanager
def _effects(kind: Kind, job: Job) -> Iterator[None]:
    """For an atomic kind, one transaction around handler and settlement, whose end is not waited for without bound.

    If this machine vanishes, its locks go when the attempt would have been ended by force.
    """
    if not kind.atomic:
        yield
        return
    block = transaction.atomic()
    with watch.call():
        block.__enter__()
    try:
        with watch.call():
            queries.bound_idle(job.hard_timeout.total_seconds() + conf.current().cancel_grace_seconds)
        yield
    except BaseException:
        with watch.call():
            block.__exit__(*sys.exc_info())
        raise
    with watch.call():
        block.__exit__(None, None, None)


@contextmanager
def _alarm(held: Held) -> Iterator[None]:
    """Raise in the handler when its time is up, or when a cancel was not heeded. Main thread only: signals need it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    armed = True

    def ring(_number: int, _frame: object) -> None:
        if armed:
            held.check()

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(held.soft_at - time.monotonic(), 0.001))
    try:
        yield
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        # Ignored, not restored: an interrupt that comes a moment late must neither end the process nor raise in the
        # settlement.
        signal.signal(signal.SIGALRM, signal.SIG_IGN)


def _recover_connection(error: BaseException, held: Held) -> None:
    """A query that was cut short by a signal may leave the connection unusable: take a new one."""
    with watch.call():
        if held.interrupted or isinstance(error, (TimedOut, MemoryError)) or not connection.is_usable():
            queries.abandon()


heart.give_back = _give_back
heart.chore = tray.empty_if_ripe
