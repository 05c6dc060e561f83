"""Families: a parent and the children that its handler spawned.

A child begins as blocked and is let into its queue by its ``side_door`` when there is room, so that a large family
neither overfills a queue nor is refused. A parent that waits is blocked too, and goes on when its children have ended,
as its kind's ``policies.Children`` says.

What follows from a move is done after its commit: whoever commits last sees all the others. A process that dies in
between leaves it to ``sweep``, which upkeep calls; so nothing here needs to happen, and all of it may happen twice.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, QuerySet, Sum

from jobs_app import fingerprints, registry
from jobs_app.context import Family
from jobs_app.core import events, queries, side_door, transitions, transport
from jobs_app.core.turns import Turns
from jobs_app.lifecycle import FINAL, UNFINISHED, WAITING, EventName, State
from jobs_app.models import Job
from jobs_app.models.guard import writing
from jobs_app.policies import Children, Turn

if TYPE_CHECKING:
    from django.contrib.auth.models import User

BATCH = 500
BROKEN = (State.FAILED, State.CANCELLED)
SHOWN_EVERY = 0.5
"""Seconds between two writes of a parent's progress by one process."""

SHOWN_AT_ONCE = 100
"""Parents whose progress a sweep writes: the newest."""

SWEPT_AT_ONCE = 5000
"""Steps of one sweep."""

REMEMBERED = 1000

_shown: dict[UUID, float] = {}


def policy_of(kind: str) -> Children | None:
    """What a kind's job waits for; None if it spawns nothing, or if the kind has vanished."""
    found = registry.find(kind)
    return found.children if found is not None else None


def standing(parent: UUID) -> Family:
    """How many children a job has, and how they stand: one query."""
    rows = Job.objects.filter(parent_id=parent).order_by()
    counted = {
        state: (count, done)
        for state, count, done in rows.values_list("state").annotate(count=Count("*"), done=Sum("progress"))
    }
    total, ended = sum(count for count, _ in counted.values()), _of(counted, FINAL)
    # A child that runs counts by its own progress.
    begun = sum(done or 0.0 for state, (_, done) in counted.items() if state not in FINAL)
    return Family(
        total=total,
        waiting=_of(counted, WAITING),
        running=_of(counted, {State.RUNNING}),
        succeeded=_of(counted, {State.SUCCEEDED}),
        failed=_of(counted, {State.FAILED}),
        cancelled=_of(counted, {State.CANCELLED}),
        fraction=min((ended + begun) / total, 1.0) if total else 0.0,
    )


def turn(job: Job) -> Turn:
    """What becomes of a parent whose handler has just returned. It has had its look at children that ended badly."""
    policy = policy_of(job.kind)
    if policy is None or policy.then == "detach":
        return Turn.SUCCEED
    family = standing(job.id)
    if policy.then == "resume" and not family.unfinished:
        return Turn.SUCCEED
    return policy.judge(unfinished=family.unfinished, broken=family.broken)


def ended(job: Job, state: State, *, now: datetime, actor: User | None = None) -> None:
    """Have a family told that one of it has ended in ``state``. Called by whoever moved it, in the same transaction."""
    if job.parent_id is not None:
        parent = job.parent_id
        transaction.on_commit(lambda: child_ended(parent, job.queue, state, now=now), robust=True)
    if state is not State.SUCCEEDED and policy_of(job.kind) is not None:
        transaction.on_commit(lambda: end_children(job.id, now=now, actor=actor), robust=True)


def ended_together(jobs: Sequence[Job], state: State, *, now: datetime, actor: User | None = None) -> None:
    """The same for several that were moved together to a final state: a parent is told once."""
    for parent, queue in sorted({(job.parent_id, job.queue) for job in jobs if job.parent_id is not None}):
        told = partial(child_ended, parent, queue, state, now=now)
        transaction.on_commit(told, robust=True)
    for job in jobs if state is not State.SUCCEEDED else ():
        if job.attempt and policy_of(job.kind) is not None:
            transaction.on_commit(partial(end_children, job.id, now=now, actor=actor), robust=True)


def handler_ended(job: Job, state: State, *, now: datetime) -> None:
    """Follow up on the settlement of an attempt, in its transaction."""
    if state is State.BLOCKED:
        # The last child may have ended just before: then nobody else looks.
        transaction.on_commit(lambda: settle(job.id, now=now), robust=True)
    elif state.final:
        ended(job, state, now=now)


def child_ended(parent: UUID, queue: str, state: State, *, now: datetime) -> None:
    """A child has ended: let in who waits for room, and see what becomes of the parent."""
    release(queue, now=now)
    if state is State.SUCCEEDED and Job.objects.filter(parent_id=parent, state__in=UNFINISHED).exists():
        _show_progress(parent)  # the usual case: no lock is needed
    else:
        settle(parent, now=now)


def settle(parent: UUID, *, now: datetime) -> bool:
    """Move a parent that waits, if its children let it go on. Returns whether it moved."""
    with queries.brief():
        job = queries.locked(Job.objects.filter(id=parent, state=State.BLOCKED, attempt__gte=1)).first()
        if job is None:
            return False
        family, policy = standing(parent), policy_of(job.kind) or Children()
        decided = policy.judge(unfinished=family.unfinished, broken=family.broken)
        if decided is Turn.WAIT:
            _write_progress(parent, family)
            return False
        return _move_on(job, decided, family, now)


def _move_on(job: Job, decided: Turn, family: Family, now: datetime) -> bool:
    target, event = State.SUCCEEDED, EventName.SUCCEEDED
    changes: dict[str, Any] = {"progress": 1.0, "progress_message": _in_words(family)}
    if decided is Turn.RESUME:
        target, event, changes = State.QUEUED, EventName.CHILDREN_ENDED, {"due_at": now}
    elif decided is Turn.FAIL:
        words = f"{_broken_in_words(family)}: {_first_broken(job.id)}"[:2000]
        target, event, changes = State.FAILED, EventName.FAILED, {"error": words, "error_type": "ChildFailed"}
        changes["fingerprint"] = fingerprints.of(job.kind, "ChildFailed", words)
    moved = transitions.move(
        job.id, State.BLOCKED, target, attempt=job.attempt, now=now,
        event=event, reason=_in_words(family), **changes,
    )  # fmt: skip
    if moved and target.final:
        ended(job, target, now=now)
    elif moved:
        transaction.on_commit(lambda: transport.publisher.nudge(job.queue), robust=True)
    return moved


def release(queue: str, *, now: datetime) -> int:
    """Let children into their queue, oldest first, as far as it has room. Returns how many."""
    waiting = Job.objects.filter(queue=queue, state=State.BLOCKED, attempt=0)
    if not waiting.exists():
        return 0
    count = side_door.let_in(
        queue, waiting.order_by("id"), State.BLOCKED, headroom=True,
        now=now, event=EventName.ROOM_FOUND, attempt=0, due_at=now,
    )  # fmt: skip
    if count:
        transaction.on_commit(lambda: transport.publisher.nudge(queue), robust=True)
    return count


def end_children(parent: UUID, *, now: datetime, actor: User | None = None) -> int:
    """Cancel what has not ended of the children of a job that ended badly. Returns how many were cancelled or asked."""
    count = 0
    for state in sorted(WAITING):
        while moved := _cancel_waiting(parent, state, now, actor):
            count += len(moved)
    asked = Job.objects.filter(parent_id=parent, state=State.RUNNING, cancel_requested_at=None)
    return count + sum(ask_to_stop(job, now=now, actor=actor) for job in asked.order_by("id"))


def ask_to_stop(job: Job, *, now: datetime, actor: User | None) -> bool:
    """Ask a running job to stop. Returns whether it was not asked before, and still runs this attempt."""
    with queries.brief(), writing():
        asked = Job.objects.filter(
            id=job.id, state=State.RUNNING, attempt=job.attempt, cancel_requested_at=None
        ).update(cancel_requested_at=now)
        if asked:
            events.record(
                job.id, EventName.CANCEL_REQUESTED, attempt=job.attempt, now=now,
                source=State.RUNNING, target=State.RUNNING, actor=actor,
            )  # fmt: skip
    return bool(asked)


def sweep(*, now: datetime, seconds: float = math.inf) -> int:
    """Do what a process did not live to do after its commit, in bounded batches, and say how far families are.

    seconds: after these nothing more is begun; the next sweep goes on. Returns how many jobs moved.
    """
    turns, moved = Turns(SWEPT_AT_ONCE, seconds), 0
    blocked = Job.objects.filter(state=State.BLOCKED)
    for queue in blocked.filter(attempt=0).order_by().values_list("queue", flat=True).distinct():
        moved += turns.take() and release(queue, now=now)
    for parent in _overdue(blocked.filter(attempt__gte=1)):
        moved += turns.take() and settle(parent, now=now)
    orphans = Job.objects.filter(parent__state__in=BROKEN, parent__isnull=False)
    for state in sorted(UNFINISHED):
        left = orphans.filter(state=state)
        left = left.filter(cancel_requested_at=None) if state is State.RUNNING else left
        for parent in left.order_by().values_list("parent_id", flat=True).distinct()[:BATCH]:
            moved += turns.take() and end_children(parent, now=now)
    for job in blocked.filter(attempt__gte=1).only("id", "progress").order_by("-id")[:SHOWN_AT_ONCE]:
        if not turns.take():
            break
        # Else a parent whose children take long would show what was true when the last of them ended.
        family = standing(job.id)
        if family.fraction != job.progress:
            _write_progress(job.id, family)
    return moved


def _overdue(parents: QuerySet[Job]) -> list[UUID]:
    """Parents that may go on: none of whose children is unfinished, or one of whose children has spoilt it."""
    children = Job.objects.filter(parent=OuterRef("id"))
    strict = [kind.name for kind in registry.all_kinds() if kind.children and kind.children.on_failure == "fail"]
    done = parents.filter(~Exists(children.filter(state__in=sorted(UNFINISHED))))
    spoilt = parents.filter(Exists(children.filter(state__in=BROKEN)), kind__in=strict)
    return [each for rows in (done, spoilt) for each in rows.order_by("id").values_list("id", flat=True)[:BATCH]]


def _cancel_waiting(parent: UUID, state: State, now: datetime, actor: User | None) -> Sequence[Job]:
    with queries.brief():
        ids = Job.objects.filter(parent_id=parent, state=state).order_by("id").values_list("id", flat=True)[:BATCH]
        moved = transitions.move_many(
            list(ids), state, State.CANCELLED, now=now, event=EventName.CANCELLED, actor=actor,
            reason="with its parent", cancel_requested_at=now,
        )  # fmt: skip
        for job in moved:
            # Its parent is told by us alone; what it has spawned itself is to end too.
            if job.attempt and policy_of(job.kind) is not None:
                transaction.on_commit(lambda job_id=job.id: end_children(job_id, now=now), robust=True)  # type: ignore[misc]
    return moved


def _show_progress(parent: UUID) -> None:
    """Write how far a parent's children are, now and then."""
    if _shown.get(parent, 0.0) > time.monotonic() - SHOWN_EVERY:
        return
    if len(_shown) >= REMEMBERED:
        _shown.clear()
    _shown[parent] = time.monotonic()
    _write_progress(parent, standing(parent))


def _write_progress(parent: UUID, family: Family) -> None:
    with writing():
        Job.objects.filter(id=parent, state=State.BLOCKED, attempt__gte=1).update(
            progress=family.fraction, progress_message=_in_words(family)
        )


def _in_words(family: Family) -> str:
    told = f"{family.total - family.unfinished:,} of {family.total:,} jobs ended"
    return f"{told}, {_broken_in_words(family)}" if family.broken else told


def _broken_in_words(family: Family) -> str:
    parts = [(family.failed, "failed"), (family.cancelled, "cancelled")]
    return " and ".join(f"{count:,} {word}" for count, word in parts if count)


def _first_broken(parent: UUID) -> str:
    row = Job.objects.filter(parent_id=parent, state__in=BROKEN).order_by("state", "finished_at").first()
    if row is None:
        return "no child is left to say why"
    why = row.error if row.state == State.CANCELLED or row.error else "cancelled"
    return f"child {str(row.id)[:8]} of kind {row.kind}: {why or 'cancelled'}"


def _of(counted: dict[str, Any], states: Any) -> int:
    return sum(count for state, (count, _) in counted.items() if State(state) in states)
