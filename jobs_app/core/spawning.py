"""Spawning: the children that a handler makes of its running job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from jobs_app import registry
from jobs_app.context import Cancelled, Child
from jobs_app.core import admission, events, families, queries, side_door, submission, terms
from jobs_app.errors import InvalidRequest, TooLarge
from jobs_app.lifecycle import EventName, State, Via
from jobs_app.models import Job, JobInput, Term
from jobs_app.models.guard import writing

AT_ONCE = 1000
IN_ALL = 10_000
KEY_LENGTH = 100


def spawn(parent: Job, children: Sequence[Child], *, now: datetime) -> list[UUID]:
    """Make children of a running job; returns their ids in order. A key that it has spawned before is left as it is.

    Raises InvalidRequest (the kind may not spawn; a key or a kind that cannot be), InvalidParameters, TooLarge; and
    Cancelled when this attempt no longer has the job, so that a worker that was given up spawns nothing.
    """
    _check(parent, children)
    made = {each.key: _row(parent, each, now) for each in children}
    with queries.brief(), writing():
        row = queries.running_here(parent)
        if row is None or row.cancel_requested_at is not None:
            raise Cancelled("cancelled on request" if row else "the job was taken over by another worker")
        Job.objects.bulk_create([job for job, _ in made.values()], ignore_conflicts=True)
        of_parent = Job.objects.filter(parent_id=parent.id)
        there = of_parent.filter(child_key__in=list(made)).values_list("child_key", "id")
        found = {str(key): each for key, each in there}
        new = [(job, checked) for key, (job, checked) in made.items() if found[key] == job.id]
        if new and of_parent.count() > IN_ALL:
            raise TooLarge(f"expected at most {IN_ALL:,} children of one job; give each child more to do")
        JobInput.objects.bulk_create(
            JobInput(job=job, artifact_id=each) for job, checked in new for each in checked.inputs
        )
        Term.objects.bulk_create(each for job, checked in new for each in terms.of(job, checked.model))
        events.record_many(
            events.build(
                job.id, EventName.SUBMITTED, attempt=0, now=now, source=None, target=State.BLOCKED, reason=job.via
            )
            for job, _ in new
        )
        for queue in {job.queue for job, _ in new}:
            transaction.on_commit(lambda queue=queue: _let_in(queue, now), robust=True)  # type: ignore[misc]
    return [found[each.key] for each in children]


def _let_in(queue: str, now: datetime) -> None:
    while families.release(queue, now=now) == side_door.BATCH:
        pass  # a batch that was not full is the last there is room for


def _check(parent: Job, children: Sequence[Child]) -> None:
    if families.policy_of(parent.kind) is None:
        raise InvalidRequest(
            f"expected kind {parent.kind} to be declared with children=Children(), since its handler spawns jobs"
        )
    if len(children) > AT_ONCE:
        raise TooLarge(f"expected at most {AT_ONCE:,} children a call, got {len(children):,}; call again for more")
    for each in children:
        if not (1 <= len(each.key) <= KEY_LENGTH and each.key.isprintable()):
            raise InvalidRequest(f"expected a child's key of 1 to {KEY_LENGTH} printable characters, got {each.key!r}")
        if each.priority is not None and not -100 <= each.priority <= 100:
            raise InvalidRequest(f"expected a priority from -100 to 100, got {each.priority}")
    if len({each.key for each in children}) < len(children):
        raise InvalidRequest("expected each key once in a call")


def _row(parent: Job, child: Child, now: datetime) -> tuple[Job, submission.Checked]:
    kind = registry.get(child.kind)
    queue = child.queue or kind.queue
    admission.check_queue(queue)
    parameters: Mapping[str, object] = child.parameters
    checked = submission.check(kind, parameters, parent.owner)
    priority = parent.priority if child.priority is None else child.priority
    options = submission.Options(queue=queue, priority=priority, via=Via.PARENT)
    job = submission.row_of(kind, checked, parent.owner, options, now)
    # Released into its queue as soon as there is room: see families.
    job.state, job.parent_id, job.child_key = State.BLOCKED, parent.id, child.key
    return job, checked
