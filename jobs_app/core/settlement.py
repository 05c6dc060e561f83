"""Settlement: what a worker writes when a handler has ended, and how it goes on trying while the ledger is away."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from django.db import connection

from jobs_app.core import artifacts, claims, failures, force, liveness, outcomes, queries, rescue
from jobs_app.core.attempt_context import AttemptContext
from jobs_app.core.clock import database_now
from jobs_app.core.encoding import Encoded
from jobs_app.core.failures import LEDGER_ERRORS
from jobs_app.core.held import Held
from jobs_app.core.patience import watch
from jobs_app.lifecycle import State
from jobs_app.models import Job
from jobs_app.policies import NO_RETRY, Backoff, Discard

logger = logging.getLogger(__name__)

RESULT_NAME = "result.json"
INSIST_SECONDS = 300.0
"""How long a settlement is tried while the ledger is away; after that the job is rescued when its lease has run out."""

RETRY_SECONDS = 0.5

UNASKED = outcomes.Failure(
    "it raised Cancelled, and nobody had asked it to stop; a handler that gives up raises Discard", "Cancelled"
)


def succeed(job: Job, held: Held, encoded: Encoded) -> bool:
    """Settle as succeeded; a large result becomes a file first. Returns whether the job was still this attempt's."""
    now = database_now()
    if not encoded.inline:
        artifacts.save_output(job, job.attempt, RESULT_NAME, encoded.text, content_type="application/json", now=now)
    # What the handler reported last is written before the job is final and readers stop looking.
    liveness.flush(held, wait=not connection.in_atomic_block)
    return outcomes.succeed(job, encoded.value, len(encoded.text), now=now)


def fail(job: Job, held: Held, error: BaseException, context: AttemptContext, policy: Backoff) -> bool:
    """Settle as the policy decides for what the handler raised."""
    liveness.flush(held)
    told = failures.describe(error, context)
    return outcomes.fail(job, told, failures.as_cause(error), policy, now=database_now())


def rescue_lost(job: Job, *_: object) -> bool:
    """Queue a job again under which the ledger went away."""
    return rescue.lost_ledger(job, now=database_now())


def stop(job: Job, held: Held, reason: str) -> None:
    """Settle a handler that was made to stop: cancelled, or given back since its worker is to end."""
    if held.cancelled_at is not None:
        insist_for(job, lambda: _flushed(held) and outcomes.cancel(job, now=database_now(), reason="on request"))
    elif held.stopped_at is not None and not held.lost:
        insist_for(job, lambda: _flushed(held) and _hand_back(job))
    elif not held.lost:
        insist_for(job, lambda: _flushed(held) and _stop_unasked(job))
    else:
        logger.warning("Job %s attempt %s ended without settling: %s", job.id, job.attempt, reason)


def _hand_back(job: Job) -> bool:
    return claims.give_back(job, now=database_now(), reason=force.STOPPED, started=True)


def _stop_unasked(job: Job) -> bool:
    """Settle a handler that raised Cancelled before its heart had learned why: the row tells, or nobody asked for it.

    ``spawn`` and ``save_checkpoint`` see a cancel, or that another worker has the job, before the next heartbeat.
    """
    row = Job.objects.filter(id=job.id, state=State.RUNNING, attempt=job.attempt).first()
    if row is None:
        logger.warning("Job %s attempt %s ended without settling: it was taken over", job.id, job.attempt)
        return False
    if row.cancel_requested_at is not None:
        return outcomes.cancel(job, now=database_now(), reason="on request")
    return outcomes.fail(job, UNASKED, Discard(UNASKED.error), NO_RETRY, now=database_now())


def _flushed(held: Held) -> bool:
    liveness.flush(held)
    return True


def insist(what: object, settle: Callable[[], bool], settled: Callable[[], bool] = lambda: False) -> bool:
    """Settle; while the ledger is away, again and again: what was done must not be done once more for an outage.

    what: a job, in words for the log. settled: whether an earlier try was committed, and only its answer was lost.
    """
    give_up_at = time.monotonic() + INSIST_SECONDS
    while True:
        try:
            with watch.call():
                return settle()
        except LEDGER_ERRORS as error:
            if time.monotonic() >= give_up_at or connection.in_atomic_block:
                raise
            logger.warning("%s: waiting for the ledger to settle: %s", what, error)
            queries.abandon()
        threading.Event().wait(RETRY_SECONDS)
        with suppress(*LEDGER_ERRORS), watch.call():
            if settled():
                return True


def insist_for(job: Job, settle: Callable[[], bool]) -> bool:
    """``insist`` for one job, whose attempt has ended once an outcome of its own is recorded."""
    return insist(f"Job {job.id}", settle, lambda: outcomes.recorded(job))
