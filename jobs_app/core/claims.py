"""Claims: taking the jobs of a message for one attempt each, and giving back what was not started."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from jobs_app import conf
from jobs_app.core import families, queries, transitions
from jobs_app.lifecycle import EventName, Outcome, State
from jobs_app.models import Attempt, Job
from jobs_app.models.guard import writing

MESSAGE_LIMIT = 1000
"""Ids beyond this in one message are dropped: ours never carry so many, a forged one might."""


def claim(ids: Iterable[UUID], *, holder: str, now: datetime) -> list[Job]:
    """Take the jobs among ``ids`` that are still queued; the others (run, cancelled, unknown) are left alone."""
    wanted = list(dict.fromkeys(ids))[:MESSAGE_LIMIT]
    lease_until = now + timedelta(seconds=conf.current().lease_seconds)
    jobs = transitions.claim(wanted, holder=holder, now=now, lease_until=lease_until)
    order = {each: place for place, each in enumerate(wanted)}
    return sorted(jobs, key=lambda job: order[job.id])


def held_by(holder: str, ids: Iterable[UUID]) -> list[Job]:
    """The jobs among ``ids`` that this holder has claimed already."""
    rows = Job.objects.filter(id__in=list(ids)[:MESSAGE_LIMIT], state=State.RUNNING)
    return list(rows.filter(holder=holder))


def give_back(job: Job, *, now: datetime, reason: str, started: bool = False) -> bool:
    """Queue a claimed job again; it uses up no attempt. Returns whether it was still ours.

    started: whether its handler was called. A job that has never been started may still expire.
    One that is to be cancelled ends here.
    """
    with queries.brief():
        row = queries.running(job.id, job.attempt)
        if row is None:
            return False
        cancelled = row.cancel_requested_at is not None
        changes: dict[str, Any] = {} if started or _started_before(row) else {"started_at": None}
        transitions.move(
            job.id, State.RUNNING, State.CANCELLED if cancelled else State.QUEUED, attempt=job.attempt, now=now,
            event=EventName.CANCELLED if cancelled else EventName.RESCUED, reason=reason, **changes,
        )  # fmt: skip
        end_attempt(job, Outcome.CANCELLED if cancelled else Outcome.LOST, now=now, error=reason)
        if cancelled:
            families.ended(job, State.CANCELLED, now=now)
    return True


def give_back_unstarted(held: Sequence[tuple[UUID, int]], *, now: datetime, reason: str) -> int:
    """The same for several ``(id, attempt)`` that were never started. Returns how many were ours still."""
    attempts = dict(held)
    if not attempts:
        return 0
    with queries.brief():
        rows = Job.objects.filter(id__in=attempts, state=State.RUNNING)
        ours = [job for job in rows if job.attempt == attempts[job.id]]
        groups: dict[tuple[int, bool], list[UUID]] = defaultdict(list)
        begun = dict(Attempt.objects.filter(job__in=ours, outcome=Outcome.RUNNING).values_list("job", "started_at"))
        for job in ours:
            if job.cancel_requested_at is None:
                groups[job.attempt, begun.get(job.id) == job.started_at].append(job.id)
        count = 0
        for (attempt, first), ids in groups.items():
            changes: dict[str, Any] = {"started_at": None} if first else {}
            moved = transitions.move_many(
                ids, State.RUNNING, State.QUEUED, now=now, event=EventName.RESCUED, attempt=attempt, reason=reason,
                **changes,
            )  # fmt: skip
            with writing():
                Attempt.objects.filter(
                    job__in=[job.id for job in moved], number=attempt, outcome=Outcome.RUNNING
                ).update(outcome=Outcome.LOST, finished_at=now, error=reason)
            count += len(moved)
    return count + sum(give_back(job, now=now, reason=reason) for job in ours if job.cancel_requested_at is not None)


def _started_before(row: Job) -> bool:
    """Whether an attempt before this one was started; if not, the row's first start is this one's claim."""
    return Attempt.objects.get(job=row, number=row.attempt).started_at != row.started_at


def end_attempt(
    job: Job, outcome: Outcome, *, now: datetime, error: str = "", error_type: str = "", traceback: str = ""
) -> None:
    """Write how an attempt ended. The caller has just moved the job, in the same transaction."""
    with writing():
        Attempt.objects.filter(job_id=job.id, number=job.attempt, outcome=Outcome.RUNNING).update(
            outcome=outcome, finished_at=now, error=error, error_type=error_type, traceback=traceback
        )
