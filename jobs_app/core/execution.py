"""Execution: what a worker does with one message. Claim what is still claimable, run each handler, settle."""

from __future__ import annotations

import logging
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import close_old_connections, connection, transaction

from jobs_app import conf, registry
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
)
from jobs_app.core.attempt_context import AttemptContext
from jobs_app.core.clock import database_now
from jobs_app.core.failures import LEDGER_ERRORS
from jobs_app.core.held import Held
from jobs_app.core.liveness import heart
from jobs_app.core.patience import watch
from jobs_app.core.stopping import sign
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


def run(ids: list[UUID], *, holder: str, overdue: Overdue = force.end) -> int:
    """Run the jobs of one message that are still to be run; returns how many were. Never raises for a job's fault.

    overdue: what is done with a handler that listens to nothing when its time is up: its process is ended.
    """
    jobs = _claim(ids, holder)
    held = {job.id: _hold(job, overdue) for job in jobs}
    try:
        for job in jobs:
            mine = held[job.id]
            if sign.raised_at is None and heart.start(mine):
                _survive(job, mine)
            elif not mine.lost:
                heart.take_unstarted(mine)
                _survive_giving_back(job)
            heart.release(mine)
    finally:
        for each in held.values():
            heart.release(each)
    for queue in {job.queue for job in jobs}:
        dispatch.nudge(queue)
    return len(jobs)


def _claim(ids: list[UUID], holder: str) -> list[Job]:
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
                return []
        again = True
        threading.Event().wait(settlement.RETRY_SECONDS)


def _claim_once(ids: list[UUID], holder: str, again: bool) -> list[Job]:
    if sign.raised_at is not None:
        # This worker is about to end: another one is to have them, at once.
        dispatch.put_back(ids)
        return []
    # The answer to an earlier try may have been lost on its way, and not the claim.
    mine = claims.held_by(holder, ids) if again else []
    return mine + claims.claim(ids, holder=holder, now=database_now())


def _give_back(job: Job) -> bool:
    return claims.give_back(job, now=database_now(), reason="its worker was told to stop before it was started")


def _survive_giving_back(job: Job) -> None:
    """Give back what was not started, also if the heart did so or tried to: a second time changes nothing."""
    try:
        settlement.insist(job, lambda: _give_back(job))
    except Exception:
        logger.exception("Job %s attempt %s could not be given back; it will be rescued", job.id, job.attempt)


def _hold(job: Job, overdue: Overdue) -> Held:
    in_main = threading.current_thread() is threading.main_thread()
    held = Held(
        job_id=job.id,
        attempt=job.attempt,
        soft_at=float("inf"),
        hard_at=float("inf"),
        on_overdue=lambda held, why: overdue(job, held, why),
        on_stop=lambda _: _give_back(job),
        interrupt=_ring if in_main else _nothing,
    )
    heart.hold(held)
    return held


def _ring() -> None:
    """Interrupt the handler in the main thread; ``_alarm`` says what is raised there."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)


def _nothing() -> None:
    """A handler outside the main thread cannot be interrupted; it is asked only."""


def _survive(job: Job, held: Held) -> None:
    """Run one job; if the ledger does not even take its end, the lease runs out and the next job has its turn."""
    try:
        _run_one(job, held)
    except Exception:
        logger.exception("Job %s attempt %s could not be settled; it will be rescued", job.id, job.attempt)
        close_old_connections()


def _run_one(job: Job, held: Held) -> None:
    """Run one handler and settle. Whatever the handler does short of killing the process ends here."""
    held.soft_at = time.monotonic() + job.timeout.total_seconds()
    held.hard_at = time.monotonic() + job.hard_timeout.total_seconds()
    workspace = Path(tempfile.mkdtemp(prefix="weir-"))
    context = AttemptContext(job, held, workspace, lambda them: spawning.spawn(job, them, now=database_now()))
    policy = NO_RETRY
    try:
        kind = registry.get(job.kind)
        policy = kind.retry
        with watch.call():
            arguments = _bind(kind, job, context)
        with _effects(kind, job):
            with _alarm(held), secrecy.quiet(context.secrets):
                value = _call(kind, arguments)
            encoded = encoding.encode(value, context.secrets)
            if kind.atomic:
                with watch.call():
                    if not settlement.succeed(job, held, encoded):
                        raise _Refused
        if not kind.atomic:
            settlement.insist(job, lambda: settlement.succeed(job, held, encoded))
    except _Refused:
        # The record that succeed() made of the refusal was rolled back with the effects.
        settlement.insist(job, lambda: outcomes.record_refusal(job, State.SUCCEEDED, now=database_now()))
    except Cancelled as stop:
        _recover_connection(stop, held)
        settlement.stop(job, held, str(stop))
    except BaseException as error:  # MemoryError or SystemExit of a handler must not end the worker
        with watch.call():
            settle = settlement.rescue_lost if failures.ledger_lost(error) else settlement.fail
        _recover_connection(error, held)
        settlement.insist(job, partial(settle, job, held, error, context, policy))
        if isinstance(error, KeyboardInterrupt):
            raise
    finally:
        shutil.rmtree(workspace, ignore_errors=True)


def _bind(kind: Kind, job: Job, context: AttemptContext) -> dict[str, Any]:
    """The handler's arguments, from the stored parameters."""
    original = control.original_parameters(job)
    inputs = [each.artifact_id for each in job.inputs.all()]
    files = artifacts.resolve(inputs, None)
    model = submission.validated(kind, original, {ARTIFACTS: files})
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
