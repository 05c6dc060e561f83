"""Estimates: when a job will start and end, from what was measured of its queue (``flow``, ``pulses``, ``ranges``).

Every submission gets one, so a process keeps a picture of each queue, looks again twice a second at most, and counts
what it submitted itself in between. Nothing here writes, or raises for lack of data.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce
from operator import or_

from django.db.models import F, Q, QuerySet, Sum

from jobs_app.core import flow, pulses, ranges
from jobs_app.core.pulses import KindPace, Pulse
from jobs_app.lifecycle import State
from jobs_app.models import Flow, Job, Pace

FRESH_SECONDS = 0.5
DUTY = 20
"""A pulse is read again at the earliest after so many times what it took: one twentieth of a core at most."""

REMEMBERED = 200
"""Queues whose pulse one process keeps."""

STRAY = timedelta(seconds=30)
"""A pulse that is older or younger than that is read again, whatever it cost."""


@dataclass(frozen=True)
class Estimate:
    """When a job starts and ends: "not before" and "not later than", if all stays as it is. None: not known."""

    start_from: datetime
    start_until: datetime
    finish_from: datetime | None = None
    finish_until: datetime | None = None


@dataclass(frozen=True)
class Score:
    """How many starts had been estimated, and how many of them fell within the range."""

    promised: int
    kept: int

    @property
    def part(self) -> float | None:
        """From 0 to 1; None if none was promised."""
        return self.kept / self.promised if self.promised else None


def at_submission(
    queue: str, kind: str, *, now: datetime, priority: int = 0, due_at: datetime | None = None, jobs: int = 1
) -> Estimate | None:
    """The estimate told to whoever submits a job, from this process's own picture of the queue: mostly no query at all.

    One that is due later starts then at the earliest, and waits after it as long as it would now. Of more ``jobs`` that
    are submitted at once the estimate is one: from the first of them to the last.
    """
    sight = _sights.of(queue, now)
    ahead = sight.add(kind, priority, jobs)
    start = ranges.start_range(ahead, sight.pulse)
    if start is None:
        return None
    if jobs > 1:
        last = ranges.start_range({**ahead, kind: ahead.get(kind, 0.0) + jobs - 1}, sight.pulse)
        start = (start[0], last[1]) if last is not None else start
    estimate = _estimate(sight.pulse, kind, start, now)
    later = max((due_at or now) - now, timedelta(0))
    finish_from, finish_until = estimate.finish_from, estimate.finish_until
    return Estimate(
        max(estimate.start_from, now + later),
        estimate.start_until + later,
        max(finish_from, now + later) if finish_from else None,
        finish_until + later if finish_until else None,
    )


def of_job(job: Job, *, now: datetime) -> Estimate | None:
    """The estimate of a job as things are now: of one that waits, or runs. None for others, and if nothing is known."""
    if job.status is State.RUNNING:
        return _of_running(job, now)
    if job.status is not State.QUEUED:
        return None
    seen = _sights.of(job.queue, now).pulse
    start = ranges.start_range(_ahead_of(job, seen), seen)
    return _estimate(seen, job.kind, start, now) if start is not None else None


def pulse(queue: str, *, now: datetime) -> Pulse:
    """The queue's pulse, at most half a second old, or twenty times what reading it takes."""
    return _sights.of(queue, now).pulse


def drain_of(seen: Pulse) -> float | None:
    """Jobs a second that leave the queue while it has a backlog: as measured; else what its slots would do with jobs as
    long as they usually are. None when nothing drains it, or nothing is known."""
    if not seen.drains:
        return None
    if seen.drain_rate:
        return seen.drain_rate
    working, usual = ranges.capacity(seen), ranges.typical(seen)
    return working.slots / (usual.mean + working.overhead) if usual is not None else None


def before_first(queue: str, **of: object) -> int:
    """How many jobs of a queue are dispatched before the first of these (of an owner, of a token), up to 10,000."""
    theirs = Job.objects.filter(queue=queue, state=State.QUEUED, **of)
    first = theirs.only("queue", "priority", "due_at").order_by(F("priority").desc(), "due_at", "id").first()
    return ahead_of(first, most=pulses.COUNTED) if first is not None else 0


def ahead_of(job: Job, *, most: int) -> int:
    """How many waiting jobs of its queue are dispatched before this one, counted up to ``most``."""
    count = 0
    for rows in _before(job):
        count += rows.values("id")[: most - count].count() if count < most else 0
    return count


def score(queue: str, *, now: datetime) -> Score:
    """How well the estimates of the last hour were kept."""
    rows = Flow.objects.filter(queue=queue, ended_at__gt=now - flow.KEPT_FOR)
    found = rows.aggregate(promised=Sum("promised", default=0), kept=Sum("kept", default=0))
    return Score(found["promised"], found["kept"])


def forget() -> None:
    """Read every pulse anew: in a forked child, and for each test."""
    _sights.forget()


@dataclass
class Sight:
    """What this process sees of a queue: a pulse, and the jobs that it submitted itself since."""

    pulse: Pulse
    read_at: float
    cost: float
    own: Counter[tuple[str, int]] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def stale(self, now: datetime) -> bool:
        """Whether it is time to look again."""
        age = time.monotonic() - self.read_at
        return age >= max(FRESH_SECONDS, DUTY * self.cost) or abs(now - self.pulse.at) > STRAY

    def add(self, kind: str, priority: int, jobs: int = 1) -> dict[str, float]:
        """What is ahead of a job, or of so many, submitted now, by kind; the next one finds them counted."""
        ahead: dict[str, float] = {}
        with self.lock:
            for counts in (self.pulse.waiting, self.own):
                for (each, other), count in counts.items():
                    if other >= priority:
                        ahead[each] = ahead.get(each, 0.0) + count
            self.own[kind, priority] += jobs
        return ahead


class Sights:
    """The pulses this process keeps. One thread reads a pulse again; the others go on with the one there is."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew: in a forked child a lock may have been copied while it was held."""
        self._lock = threading.Lock()
        self._kept: dict[str, Sight] = {}
        self._reading: set[str] = set()

    def of(self, queue: str, now: datetime) -> Sight:
        """The sight of a queue, read anew if it is stale."""
        with self._lock:
            kept = self._kept.get(queue)
            if kept is not None and (queue in self._reading or not kept.stale(now)):
                return kept
            self._reading.add(queue)
        try:
            began = time.monotonic()
            seen = pulses.read(queue, now=now)
            sight = Sight(seen, time.monotonic(), time.monotonic() - began)
            with self._lock:
                self._kept.pop(queue, None)
                self._kept[queue] = sight
                while len(self._kept) > REMEMBERED:
                    del self._kept[next(iter(self._kept))]
            return sight
        finally:
            with self._lock:
                self._reading.discard(queue)


_sights = Sights()
os.register_at_fork(after_in_child=_sights.forget)


def _estimate(seen: Pulse, kind: str, start: tuple[float, float], now: datetime) -> Estimate:
    """Seconds from the pulse's moment as times, none of them past; a start takes its latency from now on."""
    finish = ranges.finish_range(start, kind, seen)
    start_from = max(now, seen.at + timedelta(seconds=start[0]))
    start_until = max(now + timedelta(seconds=ranges.LATENCY), seen.at + timedelta(seconds=start[1]))
    if finish is None:
        return Estimate(start_from, start_until)
    return Estimate(
        start_from, start_until,
        max(start_from + timedelta(seconds=finish[0] - start[0]), now),
        start_until + timedelta(seconds=finish[1] - start[1]),
    )  # fmt: skip


def _of_running(job: Job, now: datetime) -> Estimate | None:
    """The end of a job that runs: of its kind's measured durations, those that are longer than it has taken yet."""
    pace = Pace.objects.filter(kind=job.kind).first()
    if pace is None or job.started_at is None:
        return None
    began = job.started_at if job.attempt == 1 else job.attempts.get(number=job.attempt).started_at
    elapsed = (now - began).total_seconds()
    longer = [seconds for seconds in pace.seconds if seconds > elapsed]
    if not longer:
        return Estimate(job.started_at, job.started_at)
    rest = KindPace.of(longer)
    ends = [began + timedelta(seconds=seconds) for seconds in (rest.p10, rest.p90)]
    return Estimate(job.started_at, job.started_at, max(ends[0], now), max(ends[1], now))


def _ahead_of(job: Job, seen: Pulse) -> dict[str, float]:
    """The jobs that go before this one, by kind. Of more than 10,000 so many stand for the rest."""
    counted: Counter[str] = Counter()
    for rows in _before(job):
        counted.update(rows.values_list("kind", flat=True)[: pulses.COUNTED - counted.total()])
    scale = max(_place_of(job, seen) / pulses.COUNTED, 1.0) if counted.total() >= pulses.COUNTED else 1.0
    return {kind: count * scale for kind, count in counted.items()}


def _place_of(job: Job, seen: Pulse) -> float:
    """About how many go before a job of a deep queue: as if those of its priority had come due at an even pace."""
    alike = Job.objects.filter(queue=job.queue, state=State.QUEUED, dispatched_at=None, priority=job.priority)
    due = alike.values_list("due_at", flat=True)
    first, last = (due.order_by(order).first() or job.due_at for order in ("due_at", "-due_at"))
    part = (job.due_at - first) / (last - first) if last > first else 0.0
    higher = sum(count for (_, priority), count in seen.waiting.items() if priority > job.priority)
    same = sum(count for (_, priority), count in seen.waiting.items() if priority == job.priority)
    return higher + min(max(part, 0.0), 1.0) * same


def _before(job: Job) -> Iterator[QuerySet[Job]]:
    """The waiting jobs of its queue that are dispatched before this one, in parts that are each a range of an index.

    As one condition they are none: of a job at the head of a deep queue all that wait would be looked at.
    """
    waiting = Job.objects.filter(queue=job.queue, state=State.QUEUED)
    alike = Q(priority=job.priority, due_at=job.due_at, id__lt=job.id)
    parts = (Q(priority__gt=job.priority), Q(priority=job.priority, due_at__lt=job.due_at), alike)
    published = waiting.filter(dispatched_at__isnull=False).order_by("queue", "dispatched_at")
    yield published.filter(reduce(or_, parts))
    in_order = waiting.filter(dispatched_at=None).order_by(F("priority").desc(), "due_at", "id")
    yield from (in_order.filter(part) for part in parts)
