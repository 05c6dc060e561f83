"""What people do to jobs: cancel, retry, run again, change priority. Every surface calls these."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction

from jobs_app import registry
from jobs_app.core import access, audit, families, sealing, submission, transitions
from jobs_app.errors import Conflict, InvalidRequest, NotAllowed, NotFound
from jobs_app.lifecycle import WAITING, EventName, State, Via
from jobs_app.models import Job
from jobs_app.parameters import MASK

if TYPE_CHECKING:
    from django.contrib.auth.models import User

TRIES = 5
KEPT_CHANGING = "the job kept changing; look at it again"

TIMED = frozenset({State.SCHEDULED, State.RETRYING})
"""States in which a job waits for its time."""

BROKEN = frozenset({State.FAILED, State.CANCELLED})
"""Final states of jobs that did not end well: to retry one makes a new job."""


def cancel(job_id: UUID, *, actor: User | None, now: datetime) -> Job:
    """Cancel a job: a waiting one ends at once, a running one is told to stop. Cancelling twice is no error.

    The children of a job that ends cancelled are cancelled too.

    Raises NotFound (or not the actor's), Conflict when it has ended otherwise.
    """
    # The job may move between reading and writing; each try is guarded by what was read.
    for _ in range(TRIES):
        job = _find(job_id, actor, "job.cancel", now)
        if job.status is State.CANCELLED or (job.status is State.RUNNING and job.cancel_requested_at):
            return job
        if job.final:
            raise Conflict(f"expected a job that has not ended, and this one has {job.state}")
        if _cancel(job, actor, now):
            return _find(job_id, actor, "job.cancel", now)
    raise Conflict(KEPT_CHANGING)


def retry_now(
    job_id: UUID,
    *,
    actor: User | None,
    now: datetime,
    via: Via = Via.PYTHON,
    idempotency_key: str | None = None,
    token: int | None = None,
) -> submission.Accepted:
    """Have a job tried at once: of one that waits for its time the next attempt is due now.

    One that failed or was cancelled is run again as a new job, linked to it (``rerun``); history stays as it is.
    A job that is due already stays as it is: twice is no error.

    Raises NotFound, Conflict (it runs, waits for something else than its time, or has succeeded), and what ``rerun``
    raises.
    """
    for _ in range(TRIES):
        job = _find(job_id, actor, "job.retry", now)
        if job.status in BROKEN:
            new = partial(again, job, actor=actor, now=now, via=via, idempotency_key=idempotency_key, token=token)
            return _recorded(new, "job.retry", job, actor, now)
        if job.status not in TIMED:
            raise Conflict(
                "expected a job that waits for its time, has failed or was cancelled, and this one is "
                f"{job.state}" + ("; run it again instead" if job.status is State.SUCCEEDED else "")
            )
        if job.due_at <= now:
            return submission.Accepted(job, replayed=True)
        if _amend(job, "job.retry", actor, now, EventName.MADE_DUE, due_at=now):
            return submission.Accepted(_find(job_id, actor, "job.retry", now), replayed=False)
    raise Conflict(KEPT_CHANGING)


def reprioritise(job_id: UUID, priority: int, *, actor: User | None, now: datetime) -> Job:
    """Change the priority (-100 to 100, higher first) of a job that waits. The same once more is no error.

    Dispatch takes jobs in the new order from now on; one whose message is on the broker already keeps its turn there.

    Raises InvalidRequest, NotFound, Conflict (it runs or has ended).
    """
    check_priority(priority)
    for _ in range(TRIES):
        job = _find(job_id, actor, "job.reprioritise", now)
        if job.status not in WAITING:
            raise Conflict(f"expected a job that waits, and this one is {job.state}")
        if job.priority == priority:
            return job
        if _amend(job, "job.reprioritise", actor, now, EventName.REPRIORITISED, priority=priority):
            return _find(job_id, actor, "job.reprioritise", now)
    raise Conflict(KEPT_CHANGING)


def check_priority(priority: int) -> None:
    """Raise InvalidRequest for a priority outside -100 to 100."""
    if not -100 <= priority <= 100:
        raise InvalidRequest(f"expected a priority from -100 to 100, got {priority}")


def rerun(
    job_id: UUID,
    *,
    actor: User | None,
    now: datetime,
    changes: Mapping[str, Any] | None = None,
    via: Via = Via.PYTHON,
    idempotency_key: str | None = None,
    token: int | None = None,
    tags: Sequence[str] | None = None,
) -> submission.Accepted:
    """Submit a new job like this one, linked to it; ``changes`` replace single parameters. The old one stays as it is.
    tags: default those of the old one.

    A mask in ``changes``, however deep, where the old job shows a mask too, means the old secret.

    Raises NotFound, NotAllowed (changes to another's job that holds a secret), and what ``submission.accept`` raises.
    """
    job = _find(job_id, actor, "job.rerun", now)
    new = partial(
        again, job, actor=actor, now=now, changes=changes, via=via, idempotency_key=idempotency_key, token=token,
        tags=tags,
    )  # fmt: skip
    return _recorded(new, "job.rerun", job, actor, now, changed=sorted(changes or {}))


def again(
    job: Job,
    *,
    actor: User | None,
    now: datetime,
    changes: Mapping[str, Any] | None = None,
    via: Via = Via.PYTHON,
    idempotency_key: str | None = None,
    token: int | None = None,
    tags: Sequence[str] | None = None,
) -> submission.Accepted:
    """``rerun`` of a whole row that the caller has found among those that ``actor`` may act on. Not in the audit."""
    if job.sealed and changes and _anothers(job, actor) and actor is not None:
        # Else whoever may act on others' jobs could have a secret sent to a place of their own choosing.
        raise NotAllowed("expected the job's owner: it holds a secret, so others may run it again only as it is")
    original = original_parameters(job)
    parameters = {**original, **_unmasked(dict(changes or {}), job.parameters, original)}
    if not access.sees_parameters(actor, job.kind, job.owner_id):
        # The new job is the actor's, and an owner sees all that is their own.
        raise NotAllowed(f"expected somebody who may see the parameters of {job.kind}: a job run again is yours")
    options = submission.Options(
        queue=job.queue if registry.get(job.kind).queue != job.queue else None,
        priority=job.priority,
        max_attempts=job.max_attempts,
        rerun_of=job.id,
        via=via,
        idempotency_key=idempotency_key,
        token=token,
        tags=job.tags or () if tags is None else tags,
    )
    return submission.accept(job.kind, parameters, owner=actor or job.owner, options=options, now=now)


def original_parameters(job: Job) -> dict[str, Any]:
    """The parameters as submitted, secrets in clear: for the core alone, never for a surface."""
    parameters: dict[str, Any] = sealing.unseal(job.sealed) if job.sealed else job.parameters
    return parameters


def _unmasked(changed: Any, shown: Any, original: Any) -> Any:
    """``changed`` with the secrets of ``original`` in place of masks that ``shown`` has at the same spot."""
    if changed == MASK and shown == MASK:
        return original
    if isinstance(changed, dict) and isinstance(shown, dict) and isinstance(original, dict):
        return {name: _unmasked(value, shown.get(name), original.get(name)) for name, value in changed.items()}
    if isinstance(changed, list) and isinstance(shown, list) and isinstance(original, list):
        trios = zip_longest(changed, shown[: len(changed)], original[: len(changed)])
        return [_unmasked(*trio) for trio in trios]
    return changed


def _find(job_id: UUID, actor: User | None, action: str, now: datetime) -> Job:
    job = Job.objects.actionable_by(actor).filter(id=job_id).first()
    if job is None:
        there = Job.objects.filter(id=job_id)
        with audit.refusals(actor, action, f"job {job_id}", now=now, exists=there.exists):
            raise NotFound(f"expected a job of yours, got {job_id}")
    return job


def _anothers(job: Job, actor: User | None) -> bool:
    """Whether somebody acts on what is not theirs; the system does, always."""
    return actor is None or actor.pk != job.owner_id


def _recorded(
    new: Callable[[], submission.Accepted], action: str, job: Job, actor: User | None, now: datetime, **facts: Any
) -> submission.Accepted:
    """Make a new job of an old one; in the audit if that is another's."""
    if not _anothers(job, actor):
        return new()
    with audit.refusals(actor, action, f"job {job.id}", now=now), transaction.atomic():
        accepted = new()
        if not accepted.replayed:
            # The names of changed parameters alone: what was put in may be a secret, or for some eyes only.
            after = {"new job": accepted.job.id, **facts}
            audit.record(actor, action, f"job {job.id}", now=now, after=after)
    return accepted


def _amend(job: Job, action: str, actor: User | None, now: datetime, event: EventName, **changes: Any) -> bool:
    """Change columns of a job that stays as it was read; in the audit if it is another's. Returns whether it was so."""
    before = {name: getattr(job, name) for name in changes}
    said = ", ".join(f"from {before[name]} to {value}" for name, value in changes.items() if name != "due_at")
    with transaction.atomic(savepoint=False):
        done = transitions.amend(job, now=now, event=event, actor=actor, reason=said, **changes)
        if done and _anothers(job, actor):
            audit.record(actor, action, f"job {job.id}", now=now, before=before, after=changes)
    return done


def _cancel(job: Job, actor: User | None, now: datetime) -> bool:
    """End or ask to stop; in the audit if it is another's. Returns whether the job was still as it was read."""
    cancel_now = _cancel_waiting if job.status in WAITING else families.ask_to_stop
    if not _anothers(job, actor):
        return cancel_now(job, now=now, actor=actor)
    with transaction.atomic():
        done = cancel_now(job, now=now, actor=actor)
        if done:
            after = {"cancel requested": True} if job.status is State.RUNNING else {"state": State.CANCELLED}
            audit.record(actor, "job.cancel", f"job {job.id}", now=now, before={"state": job.state}, after=after)
    return done


def _cancel_waiting(job: Job, *, now: datetime, actor: User | None) -> bool:
    with transaction.atomic(savepoint=False):
        moved = transitions.move(
            job.id, job.status, State.CANCELLED, attempt=job.attempt, now=now, event=EventName.CANCELLED, actor=actor,
            reason="while it waited for its children" if _parent_waits(job) else "before it ran",
            cancel_requested_at=now,
        )  # fmt: skip
        if moved:
            families.ended(job, State.CANCELLED, now=now, actor=actor)
    return moved


def _parent_waits(job: Job) -> bool:
    return job.status is State.BLOCKED and job.attempt > 0
