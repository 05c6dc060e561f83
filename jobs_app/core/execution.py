"""Execution: what a worker does with one message. Claim what is still claimable, run each handler, settle."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import close_old_connections, connection, transaction

from jobs_app import registry
from jobs_app.context import Cancelled, TimedOut
from jobs_app.core import artifacts, claims, control, dispatch, encoding, liveness, outcomes, queries, submission
from jobs_app.core.attempt_context import AttemptContext, scrub
from jobs_app.core.clock import database_now
from jobs_app.core.liveness import Held, heart
from jobs_app.errors import BrokerAway, LedgerAway, StorageFull, WeirError
from jobs_app.lifecycle import State
from jobs_app.models import Job
from jobs_app.parameters import ARTIFACTS
from jobs_app.policies import NO_RETRY, Discard, Verdict
from jobs_app.registry import Kind

logger = logging.getLogger(__name__)

TRACEBACK_LENGTH = 20_000
ERROR_LENGTH = 2_000
RESULT_NAME = "result.json"
TYPE_LENGTH = 200
PASSING = (StorageFull, LedgerAway, BrokerAway)


class _Refused(Exception):
    """The settlement of an atomic kind was refused, so its effects must not be kept."""


def run(ids: list[UUID], *, holder: str) -> int:
    """Run the jobs of one message that are still to be run; returns how many were. Never raises for a job's fault."""
    jobs = claims.claim(ids, holder=holder, now=database_now())
    held = {job.id: _hold(job) for job in jobs}
    try:
        for job in jobs:
            if not held[job.id].lost:
                _survive(job, held[job.id])
            heart.release(held[job.id])
    finally:
        for each in held.values():
            heart.release(each)
    for queue in {job.queue for job in jobs}:
        dispatch.nudge(queue)
    return len(jobs)


def _hold(job: Job) -> Held:
    in_main = threading.current_thread() is threading.main_thread()
    held = Held(
        job_id=job.id,
        attempt=job.attempt,
        soft_at=float("inf"),
        hard_at=float("inf"),
        on_overdue=lambda held, why: _end_by_force(job, held, why),
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
    held.started = True
    workspace = Path(tempfile.mkdtemp(prefix="weir-"))
    context = AttemptContext(job, held, workspace)
    policy = NO_RETRY
    try:
        kind = registry.get(job.kind)
        policy = kind.retry
        with transaction.atomic() if kind.atomic else nullcontext():
            with _alarm(held):
                value = _call(kind, job, context)
            if not _settle_success(job, held, value) and kind.atomic:
                raise _Refused
    except _Refused:
        # The record that succeed() made of the refusal was rolled back with the effects.
        outcomes.record_refusal(job, State.SUCCEEDED, now=database_now())
    except Cancelled as stop:
        _recover_connection(stop, held)
        _settle_stopped(job, held, str(stop))
    except BaseException as error:  # MemoryError or SystemExit of a handler must not end the worker
        _recover_connection(error, held)
        liveness.flush(held)
        outcomes.fail(job, _describe(error, context), _as_cause(error), policy, now=database_now())
        if isinstance(error, KeyboardInterrupt):
            raise
    finally:
        shutil.rmtree(workspace, ignore_errors=True)


def _call(kind: Kind, job: Job, context: AttemptContext) -> Any:
    """Bind the stored parameters and call the handler; a returned verdict counts as raised."""
    original = control.original_parameters(job)
    inputs = [each.artifact_id for each in job.inputs.all()]
    files = artifacts.resolve(inputs, None)
    model = submission.validated(kind, original, {ARTIFACTS: files})
    context.hide_secrets_of(model)
    arguments = {name: getattr(model, name) for name in type(model).model_fields}
    if kind.takes_context:
        arguments[registry.CONTEXT] = context
    value = kind.function(**arguments)
    if isinstance(value, Verdict):
        raise value
    return value


def _settle_success(job: Job, held: Held, value: Any) -> bool:
    encoded = encoding.encode(value)
    now = database_now()
    if not encoded.inline:
        artifacts.save_output(job, job.attempt, RESULT_NAME, encoded.text, content_type="application/json", now=now)
    # What the handler reported last is written before the job is final and readers stop looking.
    liveness.flush(held)
    return outcomes.succeed(job, encoded.value, len(encoded.text), now=now)


def _settle_stopped(job: Job, held: Held, reason: str) -> None:
    if held.cancelled_at is not None:
        liveness.flush(held)
        outcomes.cancel(job, now=database_now(), reason="on request")
    else:
        logger.warning("Job %s attempt %s ended without settling: %s", job.id, job.attempt, reason)


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


def _end_by_force(job: Job, held: Held, why: str) -> None:
    """Settle a job whose handler listens to nothing, give back its neighbours, and end this process."""
    try:
        _settle_overdue(job, why)
        by_id = {each.job_id: each for each in heart.others(held)}
        for neighbour in Job.objects.filter(id__in=by_id):
            if neighbour.attempt == by_id[neighbour.id].attempt:
                claims.give_back(
                    neighbour, now=database_now(), reason="a job of the same message had to be ended by force"
                )
    except Exception:
        logger.exception("Job %s could not be settled before its process is ended; it will be rescued", job.id)
    logger.error("Ending worker process %s: job %s %s", os.getpid(), job.id, why)
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def _settle_overdue(job: Job, why: str) -> None:
    now = database_now()
    if why == "cancel":
        outcomes.cancel(job, now=now, reason="on request; it did not stop by itself, so its process was ended")
        return
    limit = job.hard_timeout.total_seconds()
    cause = TimedOut(f"it ran for more than {limit:g} s and did not stop by itself, so its process was ended")
    outcomes.fail(job, outcomes.Failure(str(cause), "TimedOut"), cause, registry.get(job.kind).retry, now=now)


def _recover_connection(error: BaseException, held: Held) -> None:
    """A query that was cut short by a signal may leave the connection unusable: take a new one."""
    if held.interrupted or isinstance(error, (TimedOut, MemoryError)) or not connection.is_usable():
        queries.abandon()


def _as_cause(error: BaseException) -> BaseException:
    """What the retry policy judges: our own errors are for good (a kind that is gone), but for what may pass."""
    if isinstance(error, WeirError) and not isinstance(error, PASSING):
        return Discard(str(error))
    return error


def _describe(error: BaseException, context: AttemptContext) -> outcomes.Failure:
    words = str(error).strip()
    if isinstance(error, MemoryError):
        words = "it ran out of memory" + (f": {words}" if words else "")
    elif isinstance(error, SystemExit):
        words = f"it called sys.exit({error.code!r}); a handler returns or raises instead"
    elif isinstance(error, TimedOut):
        words = f"its time was up: it may take {context.timeout_seconds:g} s"
    name = type(error).__name__[:TYPE_LENGTH]
    told = isinstance(error, (Verdict, WeirError))
    lines = "" if told else _handler_traceback(error)
    return outcomes.Failure(
        scrub(words or name, context.secrets)[:ERROR_LENGTH], name, scrub(lines, context.secrets)[-TRACEBACK_LENGTH:]
    )


def _handler_traceback(error: BaseException) -> str:
    """The traceback from the handler on: our own frames above it say nothing to its author."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename in {__file__}:
        frames = frames.tb_next
    try:
        return "".join(traceback.format_exception(type(error), error, frames or error.__traceback__))
    except MemoryError:
        return ""
