"""What people do to jobs: cancel, run again. API, page, admin and command line all call these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction

from jobs_app import registry
from jobs_app.core import access, audit, families, sealing, submission, transitions
from jobs_app.errors import Conflict, NotAllowed, NotFound
from jobs_app.lifecycle import WAITING, EventName, State, Via
from jobs_app.models import Job
from jobs_app.parameters import MASK

if TYPE_CHECKING:
    from django.contrib.auth.models import User

TRIES = 5


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
    raise Conflict("the job kept changing; look at it again")


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
    if job.sealed and changes and _anothers(job, actor) and actor is not None:
        # Else whoever may act on others' jobs could have a secret sent to a place of their own choosing.
        with audit.refusals(actor, "job.rerun", f"job {job.id}", now=now):
            raise NotAllowed("expected the job's owner: it holds a secret, so others may run it again only as it is")
    original = original_parameters(job)
    parameters = {**original, **_unmasked(dict(changes or {}), job.parameters, original)}
    if not access.sees_parameters(actor, job.kind, job.owner_id):
        with audit.refusals(actor, "job.rerun", f"job {job.id}", now=now):
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
    owner = actor or job.owner
    if not _anothers(job, actor):
        return submission.accept(job.kind, parameters, owner=owner, options=options, now=now)
    with transaction.atomic():
        accepted = submission.accept(job.kind, parameters, owner=owner, options=options, now=now)
        if not accepted.replayed:
            # The names alone: what was put in may be a secret, or for some eyes only.
            after = {"new job": accepted.job.id, "changed": sorted(changes or {})}
            audit.record(actor, "job.rerun", f"job {job.id}", now=now, after=after)
    return accepted


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
