"""Dispatch: the ledger is the queue, the broker a short conveyor.

``refill`` keeps at most a window of a queue's jobs on the broker. It runs after a submission, after a settlement and
from upkeep; running it twice, or at once in several processes, harms nothing.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from uuid import UUID

from django.db import connection
from django.db.models import Count, F, Max

from jobs_app import conf
from jobs_app.core import chunks, gate, queries, side_door, sql, traces, transitions, transport
from jobs_app.core.chunks import Due
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
MOMENT = timedelta(microseconds=1)
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
    """Put due jobs of a queue on the broker until its window is full. Returns how many messages. Raises BrokerAway.

    In small batches, so that a job is never marked as published long before it is.
    """
    if not transport.circuit.closed:
        raise BrokerAway("the broker failed a moment ago; it is tried again shortly")
    began, sent, at = time.monotonic(), 0, now
    # What the ledger does not know of: duplicates of jobs that have been claimed meanwhile take up room too.
    there = transport.depth(queue) if conf.current().broker_counts_exactly else 0
    while chosen := _choose(queue, at, there + sent):
        with traces.sent(queue, [job_id for message in chosen for job_id in message.ids]):
            _publish(chosen, queue)
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
    published = [(at, [job_id for job_id, _ in jobs]) for at, jobs in groupby(newest_first, key=itemgetter(1))]
    depth = transport.depth(queue)
    lag = 2 * lag if depth else lag
    missed = [job_id for at, ids in published[depth:] if at and at <= now - lag for job_id in ids]
    old = max(_newest_that_runs(queue, lag), now - FORGOTTEN_AFTER)
    missed += [job_id for at, ids in published[:depth] if at and at <= old for job_id in ids]
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


@dataclass(frozen=True)
class Message:
    """The jobs of one message, all of one kind. They bear its time alone: so the ledger can count messages."""

    kind: str
    ids: list[UUID]
    at: datetime


@dataclass(frozen=True)
class Conveyor:
    """What the ledger says is on the broker for a queue. ``chunks``: messages of more than one job."""

    messages: int
    chunks: int
    jobs: int
    newest: datetime


def _choose(queue: str, now: datetime, there: int) -> list[Message]:
    if _room(Queue.objects.filter(name=queue).first(), _conveyor(queue), there) <= 0:
        return []  # while a queue is full each submission asks: without a lock, that others wait for
    measured = chunks.memory.of(queue, now=now)
    with queries.brief(), writing():
        lane = queries.locked(Queue.objects.filter(name=queue)).first()
        if lane is None:
            # Made by whoever is first, locked by each in turn: else two first refills would not see each other's.
            with connection.cursor() as cursor:
                cursor.execute(sql.statement("make_queue"), {"name": queue})
            lane = queries.locked(Queue.objects.filter(name=queue)).get()
        conveyor = _conveyor(queue)
        room = min(_room(lane, conveyor, there), PUBLISHED_AT_ONCE)
        if room <= 0:
            return []
        more = max(measured.ahead - conveyor.chunks, 0)
        due = Job.objects.filter(queue=queue, state=State.QUEUED, dispatched_at__isnull=True)
        in_order = due.order_by(F("priority").desc(), "due_at", "id").values_list(*Due._fields)
        jobs = [Due(*row) for row in in_order[: max(room, min(more, room) * measured.most)]]
        packed = chunks.pack(jobs, measured, backlog=conveyor.jobs + len(jobs), messages=room, chunks=more)
        first = max(now - (len(packed) - 1) * MOMENT, conveyor.newest + MOMENT)
        messages = [
            Message(each[0].kind, [job.id for job in each], first + place * MOMENT) for place, each in enumerate(packed)
        ]
        return _mark(messages)


def _mark(messages: list[Message]) -> list[Message]:
    """Mark jobs as published, but for those that somebody has locked or changed; returns what is left to publish."""
    if not messages:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            sql.statement("dispatch"),
            queries.bind_columns(
                id=(job_id for each in messages for job_id in each.ids),
                at=(each.at for each in messages for _ in each.ids),
            ),
        )
        marked = {queries.read_id(row[0]) for row in cursor.fetchall()}
    kept = [replace(each, ids=[job_id for job_id in each.ids if job_id in marked]) for each in messages]
    return [each for each in kept if each.ids]


def _conveyor(queue: str) -> Conveyor:
    published = Job.objects.filter(queue=queue, state=State.QUEUED, dispatched_at__isnull=False).order_by()
    counts = dict(published.values_list("dispatched_at").annotate(jobs=Count("*")))
    several = sum(count > 1 for count in counts.values())
    return Conveyor(len(counts), several, sum(counts.values()), max(counts, default=BEGINNING))


def _room(lane: Queue | None, conveyor: Conveyor, there: int) -> int:
    """How many messages more may be published: none of a paused queue."""
    if lane is not None and lane.paused_at is not None:
        return 0
    return fill_of((lane and lane.window) or conf.current().window) - max(conveyor.messages, there)


def _publish(chosen: list[Message], queue: str) -> None:
    for place, message in enumerate(chosen):
        try:
            transport.publish(message.kind, message.ids, queue)
        except BrokerAway:
            # The message at hand may have arrived all the same: it stays marked, and is missed later if it did not.
            _take_back(chosen[place + 1 :])
            raise


def _take_back(messages: list[Message]) -> None:
    with writing():
        for each in messages:
            Job.objects.filter(id__in=each.ids, state=State.QUEUED, dispatched_at=each.at).update(dispatched_at=None)


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
