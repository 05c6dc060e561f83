"""Dispatch: the ledger is the queue, the broker a short conveyor.

``refill`` keeps at most a window of a queue's jobs on the broker. It runs after a submission, after a settlement and
from upkeep; running it twice, or at once in several processes, harms nothing.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import connection
from django.db.models import F, Max

from jobs_app import conf
from jobs_app.core import gate, queries, side_door, sql, traces, transitions, transport
from jobs_app.core.clock import database_now
from jobs_app.core.patience import watch
from jobs_app.core.turns import Turns
from jobs_app.errors import BrokerAway
from jobs_app.lifecycle import EventName, State
from jobs_app.models import Job, Queue, Resend
from jobs_app.models.guard import writing

FORGOTTEN_AFTER = timedelta(minutes=10)
"""A message older than this is sent again whatever the broker says; a duplicate claims nothing."""

LONGEST_WAIT = timedelta(minutes=5)
"""The longest wait before a message that was sent again may be missed again."""

BEGINNING = datetime.min.replace(tzinfo=UTC)
PATIENCE_SECONDS = 30.0
BATCH = 500
PROMOTIONS = 200
"""Batches of one call of promote: a call of upkeep must leave others their turn, however many jobs come due at once."""

PUBLISHED_AT_ONCE = 50


def nudge(queue: str) -> None:
    """Ask this process's background publisher for a refill, without waiting for it."""
    transport.publisher.nudge(queue)


def fill_of(window: int) -> int:
    """How many messages refill aims at: a twentieth less than the window.

    A duplicate on the broker is not noticed by two processes that publish at the same moment; the window holds all the
    same.
    """
    return window - window // 20


def refill_now(queue: str) -> int:
    """What the background publisher does: refill, and wait for a database that does not answer only so long."""
    with watch.call(PATIENCE_SECONDS):
        return refill(queue, now=database_now())


def refill(queue: str, *, now: datetime) -> int:
    """Put due jobs of a queue on the broker until its window is full. Returns how many. Raises BrokerAway.

    In small batches, so that a job is never marked as published long before it is.
    """
    if not transport.circuit.closed:
        raise BrokerAway("the broker failed a moment ago; it is tried again shortly")
    began, sent, at = time.monotonic(), 0, now
    # What the ledger does not know of: duplicates of jobs that have been claimed meanwhile take up room too.
    there = transport.depth(queue) if conf.current().broker_counts_exactly else 0
    while chosen := _choose(queue, at, there + sent):
        with traces.sent(queue, [job.id for job in chosen]):
            _publish(chosen, queue, at)
        sent += len(chosen)
        if len(chosen) < PUBLISHED_AT_ONCE:
            break
        at = now + timedelta(seconds=time.monotonic() - began)
    return sent


def put_back(ids: Iterable[UUID]) -> int:
    """Have jobs sent again whose message was taken by a worker that will not claim them. Returns how many."""
    with writing():
        return Job.objects.filter(id__in=list(ids), state=State.QUEUED).update(dispatched_at=None)


def promote(*, now: datetime, seconds: float = math.inf) -> set[str]:
    """Queue the scheduled and retrying jobs whose time has come, in batches. Returns the queues that gained some.

    Retries come in whether there is room or not. A job that was scheduled waits past its time for room in its queue:
    else a queue would have no bound for those who submit what is due in a second.
    seconds: after these no batch is begun; the next call goes on.
    """
    turns = Turns(PROMOTIONS, seconds)
    return _promote_retrying(turns, now) | _promote_scheduled(turns, now)


def find_lost(queue: str, *, now: datetime) -> int:
    """Have the jobs sent again whose message the broker no longer has. Returns how many. Raises BrokerAway.

    A broker's queue is first in, first out. So of the messages that were published and not claimed, the newest are the
    ones it still counts; an older one was lost, or is in the hands of a worker that does not get round to it. Which one
    that is, is not quite certain while others wait (two processes may publish at once), so then the wait is doubled.
    Lost too is what others overtook that were published well after it, however many the broker counts: some of those
    may be duplicates, or not ours. It is remembered how often a job was missed, and each time the wait is doubled: a
    duplicate harms nothing, but costs.
    """
    lag = conf.current().broker_count_lag
    waiting = Job.objects.filter(queue=queue, state=State.QUEUED, dispatched_at__isnull=False)
    if not waiting.filter(dispatched_at__lte=now - lag).exists():
        return 0
    # Read before the broker is asked: what is claimed or published in between then counts as present.
    newest_first = waiting.order_by("-dispatched_at", "priority", "-due_at", "-id").values_list("id", "dispatched_at")
    published = list(newest_first)
    depth = transport.depth(queue)
    lag = 2 * lag if depth else lag
    missed = [job_id for job_id, at in published[depth:] if at and at <= now - lag]
    overtaken = _newest_that_runs(queue, lag)
    missed += [job_id for job_id, at in published[:depth] if at and at <= max(overtaken, now - FORGOTTEN_AFTER)]
    return _send_again(missed[-BATCH:], now=now, lag=lag)


def queue_names() -> list[str]:
    """Every queue that upkeep looks after: the configured ones, and any that the ledger still holds jobs for."""
    names, last = set(conf.current().queues), ""
    waiting = Job.objects.filter(state=State.QUEUED).order_by("queue").values_list("queue", flat=True)
    # From one name to the next by an index: DISTINCT would read all that wait, however many.
    while (found := waiting.filter(queue__gt=last).first()) is not None:
        names.add(last := found)
    return sorted(names)


def _promote_retrying(turns: Turns, now: datetime) -> set[str]:
    gained: Counter[str] = Counter()
    due = Job.objects.filter(state=State.RETRYING, due_at__lte=now).order_by("due_at").values_list("id", "queue")
    while (batch := list(due[:BATCH])) and turns.take():
        moved = transitions.make_due([each for each, _ in batch], State.RETRYING, now=now)
        gained.update(queue for _, queue in batch)
        if moved < BATCH:
            break
    for queue, count in gained.items():
        gate.spend(queue, count)
    return set(gained)


def _promote_scheduled(turns: Turns, now: datetime) -> set[str]:
    gained: set[str] = set()
    full: set[str] = set()
    due = Job.objects.filter(state=State.SCHEDULED, due_at__lte=now).order_by("due_at", "id")
    while (found := Counter(due.exclude(queue__in=full).values_list("queue", flat=True)[:BATCH])) and turns.take():
        for queue, count in found.items():
            came = side_door.let_in(
                queue, due.filter(queue=queue), State.SCHEDULED, headroom=False, now=now, event=EventName.DUE
            )
            gained |= {queue} if came else set()
            full |= {queue} if came < count else set()
    return gained


def _choose(queue: str, now: datetime, there: int) -> list[Job]:
    if _room(Queue.objects.filter(name=queue).first(), queue, there) <= 0:
        return []  # while a queue is full each submission asks: without a lock, that others wait for
    with queries.brief(), writing():
        lane = queries.locked(Queue.objects.filter(name=queue)).first()
        if lane is None:
            # Made by whoever is first, locked by each in turn: else two first refills would not see each other's.
            with connection.cursor() as cursor:
                cursor.execute(sql.statement("make_queue"), {"name": queue})
            lane = queries.locked(Queue.objects.filter(name=queue)).get()
        room = _room(lane, queue, there)
        if room <= 0:
            return []
        due = Job.objects.filter(queue=queue, state=State.QUEUED, dispatched_at__isnull=True).only("id", "kind")
        in_order = due.order_by(F("priority").desc(), "due_at", "id")
        chosen = list(queries.locked(in_order, skip_locked=True)[: min(room, PUBLISHED_AT_ONCE)])
        Job.objects.filter(id__in=[job.id for job in chosen], state=State.QUEUED).update(dispatched_at=now)
        return chosen


def _room(lane: Queue | None, queue: str, there: int) -> int:
    """How many messages more may be published: none of a paused queue."""
    if lane is not None and lane.paused_at is not None:
        return 0
    published = Job.objects.filter(queue=queue, state=State.QUEUED, dispatched_at__isnull=False).count()
    return fill_of((lane and lane.window) or conf.current().window) - max(published, there)


def _publish(chosen: list[Job], queue: str, at: datetime) -> None:
    for place, job in enumerate(chosen):
        try:
            transport.publish(job.kind, [job.id], queue)
        except BrokerAway:
            # The message at hand may have arrived all the same: it stays marked, and is missed later if it did not.
            _take_back([each.id for each in chosen[place + 1 :]], at)
            raise


def _take_back(ids: list[UUID], now: datetime) -> None:
    with writing():
        Job.objects.filter(id__in=ids, state=State.QUEUED, dispatched_at=now).update(dispatched_at=None)


def _newest_that_runs(queue: str, lag: timedelta) -> datetime:
    """Messages published before that time have been overtaken by one of a job that runs now."""
    running = Job.objects.filter(queue=queue, state=State.RUNNING)
    newest: datetime | None = running.aggregate(newest=Max("dispatched_at"))["newest"]
    return newest - lag if newest and conf.current().broker_counts_exactly else BEGINNING


def _send_again(missed: list[UUID], *, now: datetime, lag: timedelta) -> int:
    if not missed:
        return 0
    with writing():
        Resend.objects.filter(not_before__lt=now - LONGEST_WAIT).delete()  # what was missed long ago starts anew
    earlier = {each.job_id: each for each in Resend.objects.filter(job_id__in=missed)}
    due = [each for each in missed if each not in earlier or earlier[each].not_before <= now]
    with queries.brief(), writing():
        again = Job.objects.filter(id__in=due, state=State.QUEUED, dispatched_at__lte=now - lag)
        marked = again.update(dispatched_at=None)
        times = {each: earlier[each].times + 1 if each in earlier else 1 for each in due}
        Resend.objects.bulk_create(
            [
                Resend(job_id=each, times=count, not_before=now + min(lag * 2 ** min(count, 16), LONGEST_WAIT))
                for each, count in times.items()
            ],
            update_conflicts=True, unique_fields=["job"], update_fields=["times", "not_before"],
        )  # fmt: skip
    return marked
