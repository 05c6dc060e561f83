"""Dispatch: the ledger is the queue, the broker a short conveyor.

``refill`` keeps at most a window of a queue's jobs on the broker. It runs after a submission, after a settlement and
from upkeep; running it twice, or at once in several processes, harms nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F

from jobs_app import conf
from jobs_app.core import queries, transitions, transport
from jobs_app.errors import BrokerAway
from jobs_app.lifecycle import State
from jobs_app.models import Job, Queue
from jobs_app.models.guard import writing

LOST_AFTER = timedelta(seconds=5)
"""A message older than this is missed when the broker says that its queue is empty."""

FORGOTTEN_AFTER = timedelta(minutes=10)
"""A message older than this is sent again whatever the broker says; a duplicate claims nothing."""

BATCH = 500


def nudge(queue: str) -> None:
    """Ask this process's background publisher for a refill, without waiting for it."""
    transport.publisher.nudge(queue)


def refill(queue: str, *, now: datetime) -> int:
    """Put due jobs of a queue on the broker until its window is full. Returns how many. Raises BrokerAway."""
    if not transport.circuit.closed:
        raise BrokerAway("the broker failed a moment ago; it is tried again shortly")
    chosen = _choose(queue, now)
    for place, job in enumerate(chosen):
        try:
            transport.publish(job.kind, [job.id], queue)
        except BrokerAway:
            _take_back([each.id for each in chosen[place:]], now)
            raise
    return len(chosen)


def promote(*, now: datetime) -> set[str]:
    """Queue the scheduled and retrying jobs whose time has come, in batches. Returns the queues that gained some."""
    gained: set[str] = set()
    for source in (State.SCHEDULED, State.RETRYING):
        while True:
            rows = Job.objects.filter(state=source, due_at__lte=now).order_by("due_at").values_list("id", "queue")
            batch = list(rows[:BATCH])
            moved = transitions.make_due([each for each, _ in batch], source, now=now)
            gained.update(queue for _, queue in batch)
            if moved < BATCH:
                break
    return gained


def find_lost(queue: str, *, now: datetime) -> int:
    """Mark for sending again the jobs whose message the broker no longer has. Returns how many. Raises BrokerAway."""
    waiting = Job.objects.filter(queue=queue, state=State.QUEUED, dispatched_at__isnull=False)
    late = waiting.filter(dispatched_at__lte=now - LOST_AFTER)
    if not late.exists():
        return 0
    lost = late if transport.depth(queue) == 0 else waiting.filter(dispatched_at__lte=now - FORGOTTEN_AFTER)
    with writing():
        return lost.update(dispatched_at=None)


def queue_names() -> list[str]:
    """Every queue that upkeep looks after: the configured ones, and any that the ledger still holds jobs for."""
    held = Job.objects.filter(state=State.QUEUED).values_list("queue", flat=True).distinct()
    return sorted({*conf.current().queues, *held})


def _choose(queue: str, now: datetime) -> list[Job]:
    with transaction.atomic(), writing():
        lane = queries.locked(Queue.objects.filter(name=queue)).first()
        if lane is None:
            # Made by whoever is first, locked by each in turn: else two first refills would not see each other's.
            Queue.objects.get_or_create(name=queue)
            lane = queries.locked(Queue.objects.filter(name=queue)).get()
        if lane.paused_at is not None:
            return []
        on_broker = Job.objects.filter(queue=queue, state=State.QUEUED, dispatched_at__isnull=False).count()
        room = (lane.window or conf.current().window) - on_broker
        if room <= 0:
            return []
        due = Job.objects.filter(queue=queue, state=State.QUEUED, dispatched_at__isnull=True).only("id", "kind")
        chosen = list(queries.locked(due.order_by(F("priority").desc(), "due_at", "id"), skip_locked=True)[:room])
        Job.objects.filter(id__in=[job.id for job in chosen], state=State.QUEUED).update(dispatched_at=now)
        return chosen


def _take_back(ids: list[UUID], now: datetime) -> None:
    with writing():
        Job.objects.filter(id__in=ids, state=State.QUEUED, dispatched_at=now).update(dispatched_at=None)
