"""The side door of a queue: jobs that the ledger holds already come in here, as far as there is room.

Children that wait for room and jobs whose time has come were accepted earlier, so they are not refused: they wait
outside, in order. The gate is locked while some come in, and each spends one of its credits; so neither two at this
door nor those at the gate fill the same room.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet

from jobs_app.core import gate, lanes, queries, transitions
from jobs_app.core.lanes import Policy
from jobs_app.lifecycle import EventName, State
from jobs_app.models import Gate, Job
from jobs_app.models.guard import writing

BATCH = 500


@dataclass(frozen=True)
class Standing:
    """How the door stands for a job outside. ``waiting`` in the queue, of ``most``; ``closed``: until low water.

    of_owner: how many more its owner may have in the queue; None for no bound of their own.
    """

    room: int
    most: int
    waiting: int
    closed: bool
    of_owner: int | None = None


def standing(queue: str, *, owner: int | None, headroom: bool) -> Standing:
    """Whether there is room for a job of this owner, by the rules of ``let_in``: four short queries."""
    policy, row = lanes.policy(queue), Gate.objects.filter(queue=queue).first()
    most = _most(row, policy, headroom)
    waiting = gate.waiting(queue, most)
    bounded = owner is not None and policy.user_limit < policy.limit
    left = _left(queue, {owner}, policy)[owner] if bounded and owner is not None else None
    return Standing(most - waiting, most, waiting, row is not None and row.closed_at is not None, left)


def let_in(
    queue: str, outside: QuerySet[Job], source: State, *,
    headroom: bool, now: datetime, event: EventName, **changes: Any,
) -> int:  # fmt: skip
    """Queue jobs that wait in ``source`` outside, in their order, at most a batch. Returns how many.

    There is room up to the limit, with ``headroom`` up to the hard limit; while the gate is closed up to low water, so
    that those who were told to come back then find it open. Nobody gets over a user's share.
    """
    policy = lanes.policy(queue)
    if _room(Gate.objects.filter(queue=queue).first(), queue, policy, headroom) <= 0:
        return 0  # without the lock, that others wait for
    with queries.brief(), writing():
        row, held = gate.hold(queue, now=now)
        room = _room(row, queue, policy, headroom) - held
        chosen = _choose(queue, outside, policy, min(room, BATCH))
        moved = transitions.move_many(chosen, source, State.QUEUED, now=now, event=event, **changes)
        if moved:
            gate.spend(queue, len(moved))
    return len(moved)


def _room(row: Gate | None, queue: str, policy: Policy, headroom: bool) -> int:
    most = _most(row, policy, headroom)
    return most - gate.waiting(queue, most)


def _most(row: Gate | None, policy: Policy, headroom: bool) -> int:
    """How many may wait: while the gate is closed up to low water."""
    if row is not None and row.closed_at is not None:
        return max(policy.low_water, 1)
    return policy.hard_limit if headroom else policy.limit


def _choose(queue: str, outside: QuerySet[Job], policy: Policy, room: int) -> list[UUID]:
    """The first of those outside, but of one owner only as many as the share has room for."""
    if policy.user_limit >= policy.limit:
        return list(outside.values_list("id", flat=True)[: max(room, 0)])
    chosen: list[UUID] = []
    left: dict[int, int] = {}
    while room > len(chosen):
        spent = [owner for owner, count in left.items() if count <= 0]
        others = outside.exclude(owner__in=spent).exclude(id__in=chosen)
        found = list(others.values_list("id", "owner_id")[: room - len(chosen)])
        left |= _left(queue, {owner for _, owner in found if owner is not None} - set(left), policy)
        for job, owner in found:
            if owner is None or left[owner] > 0:
                chosen.append(job)
            if owner is not None:
                left[owner] -= 1
        if not found:
            break
    return chosen


def _left(queue: str, owners: set[int], policy: Policy) -> dict[int, int]:
    """How many more of a queue's jobs each of these users may hold."""
    rows = Job.objects.filter(queue=queue, state=State.QUEUED, owner__in=owners).order_by()
    held = dict(rows.values_list("owner").annotate(count=Count("*")))
    return {owner: policy.user_limit - held.get(owner, 0) for owner in owners}
