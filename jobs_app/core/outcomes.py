"""Outcomes: how an attempt is settled. Each is one guarded move, with the attempt's end in the same transaction.

A settlement that is refused (the job was rescued, cancelled or settled meanwhile) changes nothing and is recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobs_app import fingerprints
from jobs_app.core import claims, events, families, queries, transitions
from jobs_app.core.liveness import heart
from jobs_app.lifecycle import EventName, Outcome, State
from jobs_app.models import Attempt, Job
from jobs_app.policies import Backoff, Turn, decide


@dataclass(frozen=True)
class Failure:
    """What went wrong, ready to be stored: bounded, and without secrets."""

    error: str
    error_type: str = ""
    traceback: str = ""


def succeed(job: Job, result: Any, result_bytes: int, *, now: datetime) -> bool:
    """Settle as succeeded. ``result`` is JSON-ready, or None when it is kept as an artifact.

    A parent whose children have not all ended well waits for them, with its result.
    """
    target, event = State.SUCCEEDED, EventName.SUCCEEDED
    changes: dict[str, Any] = {"progress": 1.0}
    with queries.brief():
        if families.turn(job) is not Turn.SUCCEED:
            target, event, changes = State.BLOCKED, EventName.CHILDREN_AWAITED, {}
        moved = transitions.move(
            job.id, State.RUNNING, target, attempt=job.attempt, now=now, event=event,
            result=result, result_bytes=result_bytes, error="", error_type="", **changes,
        )  # fmt: skip
        if moved:
            claims.end_attempt(job, Outcome.SUCCEEDED, now=now)
            families.handler_ended(job, target, now=now)
    return moved or record_refusal(job, target, now=now)


def succeed_many(done: Sequence[transitions.Success]) -> None:
    """Settle jobs that wait for no children as succeeded, at once; one that was lost meanwhile is refused."""
    with heart.beating:
        moved = transitions.succeed(done)
    families.ended_together([each.job for each in done if each.job.id in moved], State.SUCCEEDED, now=done[-1].ended)
    for each in done:
        # Unless an earlier try was committed, and only its answer was lost.
        if each.job.id not in moved and not _succeeded(each.job):
            record_refusal(each.job, State.SUCCEEDED, now=each.ended)


def fail(job: Job, failure: Failure, cause: BaseException, policy: Backoff, *, now: datetime) -> bool:
    """Settle an attempt that raised ``cause``, as the policy decides: failed, or due again later.

    A job that is to be cancelled is not tried again: it ends as cancelled.
    """
    decision = decide(policy, cause, attempt=job.failures + 1, max_attempts=job.max_attempts, now=now)
    changes: dict[str, Any] = {"failures": job.failures + decision.uses_attempt}
    if decision.due_at is not None:
        changes["due_at"] = decision.due_at
    if decision.outcome is Outcome.FAILED:
        changes.update(error=failure.error, error_type=failure.error_type)
    retrying = decision.state is State.RETRYING
    with queries.brief():
        if retrying and _asked_to_stop(job):
            return cancel(job, now=now, reason=f"on request; its last attempt ended with: {failure.error}")
        moved = transitions.move(
            job.id, State.RUNNING, decision.state, attempt=job.attempt, now=now,
            event=EventName.RETRY_PLANNED if retrying else EventName.FAILED, reason=failure.error,
            fingerprint=_fingerprint(job, failure) if decision.outcome is Outcome.FAILED else "", **changes,
        )  # fmt: skip
        if moved:
            claims.end_attempt(
                job, decision.outcome, now=now,
                error=failure.error, error_type=failure.error_type, traceback=failure.traceback,
            )  # fmt: skip
            families.handler_ended(job, decision.state, now=now)
    return moved or record_refusal(job, decision.state, now=now)


def cancel(job: Job, *, now: datetime, reason: str) -> bool:
    """Settle a running job as cancelled."""
    with queries.brief():
        moved = transitions.move(
            job.id, State.RUNNING, State.CANCELLED, attempt=job.attempt, now=now,
            event=EventName.CANCELLED, reason=reason,
        )  # fmt: skip
        if moved:
            claims.end_attempt(job, Outcome.CANCELLED, now=now, error=reason)
            families.handler_ended(job, State.CANCELLED, now=now)
    return moved or record_refusal(job, State.CANCELLED, now=now)


def record_refusal(job: Job, wanted: State, *, now: datetime) -> bool:
    """Record that an attempt reported too late; returns False, the verdict of the write that was refused."""
    row = Job.objects.filter(id=job.id).only("state", "attempt").first()
    if row is not None:
        events.record(
            job.id, EventName.LATE_WRITE_REFUSED, attempt=job.attempt, now=now, source=row.status, target=row.status,
            reason=f"attempt {job.attempt} reported '{wanted}' when the job was {row.state} at attempt {row.attempt}",
        )  # fmt: skip
    return False


def recorded(job: Job) -> bool:
    """Whether this attempt's end is in the ledger already, by its own settlement."""
    mine = Attempt.objects.filter(job_id=job.id, number=job.attempt)
    return mine.exclude(outcome__in=[Outcome.RUNNING, Outcome.LOST]).exists()


def _succeeded(job: Job) -> bool:
    return Attempt.objects.filter(job_id=job.id, number=job.attempt, outcome=Outcome.SUCCEEDED).exists()


def _fingerprint(job: Job, failure: Failure) -> str:
    return fingerprints.of(job.kind, failure.error_type, failure.error, failure.traceback)


def _asked_to_stop(job: Job) -> bool:
    row = queries.running(job.id, job.attempt)
    return row is not None and row.cancel_requested_at is not None
