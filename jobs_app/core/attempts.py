"""Attempts: one handler is called, and what comes of it is settled. Whatever it does short of killing its process."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from jobs_app import conf, registry, tracing
from jobs_app.context import Cancelled, TimedOut
from jobs_app.core import (
    artifacts,
    control,
    encoding,
    failures,
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
from jobs_app.core.encoding import Encoded
from jobs_app.core.held import Held
from jobs_app.core.patience import watch
from jobs_app.core.transitions import Success
from jobs_app.core.tray import takes, tray
from jobs_app.lifecycle import State
from jobs_app.models import Job
from jobs_app.parameters import ARTIFACTS, Artifact
from jobs_app.policies import NO_RETRY, Verdict
from jobs_app.registry import Kind


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


def run(job: Job, held: Held, course: Course) -> None:
    """Run one handler and settle. Whatever the handler does short of killing the process ends here."""
    held.soft_at = time.monotonic() + job.timeout.total_seconds()
    held.hard_at = time.monotonic() + job.hard_timeout.total_seconds()
    context = AttemptContext(job, held, lambda them: spawning.spawn(job, them, now=database_now()))
    policy = NO_RETRY
    try:
        held.check()  # it may have been cancelled while it waited for others of its message
        kind = registry.get(job.kind)
        policy = kind.retry
        arguments = _bind(kind, job, context)
        if kind.atomic:
            _run_atomic(kind, arguments, job, held, context)
            return
        began = time.monotonic()
        encoded = _handle(kind, arguments, job, held, context)
        if takes(kind, encoded):
            ended = course.time(time.monotonic())
            tray.put(held, Success(job, encoded.text.decode(), len(encoded.text), course.time(began), ended))
        else:
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
    files: Mapping[UUID, Artifact] = {}
    if kind.takes_files:
        with watch.call():
            files = artifacts.resolve([each.artifact_id for each in job.inputs.all()], None)
    model = submission.validated(kind, original, {ARTIFACTS: files})
    if kind.has_secrets:
        context.hide_secrets_of(model)
    arguments = {name: getattr(model, name) for name in type(model).model_fields}
    if kind.takes_context:
        arguments[registry.CONTEXT] = context
    return arguments


def _handle(kind: Kind, arguments: dict[str, Any], job: Job, held: Held, context: AttemptContext) -> Encoded:
    """Call the handler, and encode what it returns."""
    with traces.handler(job), _alarm(held), secrecy.quiet(context.secrets) if context.secrets else nullcontext():
        value = _call(kind, arguments)
    return encoding.encode(value, context.secrets)


def _run_atomic(kind: Kind, arguments: dict[str, Any], job: Job, held: Held, context: AttemptContext) -> None:
    """The same and its settlement in one transaction. Raises _Refused: nothing of it is kept."""
    tray.empty()  # on SQLite nobody could settle while the transaction is open
    with _effects(job):
        encoded = _handle(kind, arguments, job, held, context)
        with watch.call():
            if not settlement.succeed(job, held, encoded):
                raise _Refused


def _call(kind: Kind, arguments: dict[str, Any]) -> Any:
    """Call the handler; a returned verdict counts as raised."""
    value = kind.function(**arguments)
    if isinstance(value, Verdict):
        raise value
    return value


@contextmanager
def _effects(job: Job) -> Iterator[None]:
    """One transaction around handler and settlement, whose end is not waited for without bound.

    If this machine vanishes, its locks go when the attempt would have been ended by force.
    """
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
        # The handler stays, and does nothing any more: an interrupt that comes a moment late must neither end the
        # process nor raise in the settlement.
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)


def _recover_connection(error: BaseException, held: Held) -> None:
    """A query that was cut short by a signal may leave the connection unusable: take a new one."""
    with watch.call():
        if held.interrupted or isinstance(error, (TimedOut, MemoryError)) or not connection.is_usable():
            queries.abandon()
