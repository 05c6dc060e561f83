"""Reading queues: how deep, how fast, how long to wait, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pydantic import Field

from jobs_app import conf
from jobs_app.core import dispatch, estimates, lanes, presence, ranges, transport
from jobs_app.core.pulses import Pulse
from jobs_app.errors import NotFound
from jobs_app.lifecycle import State
from jobs_app.models import Flow, Job, Listener, Queue
from jobs_app.reads import reasons
from jobs_app.reads.reasons import Cause
from jobs_app.reads.views import View

BUCKETS = 120
HISTORY = timedelta(hours=1)
BUCKET = HISTORY / BUCKETS


class WaitView(View):
    """How long a job that is submitted now will wait, in seconds; none where nothing is known, or nothing drains."""

    p50: float
    p95: float


class ScoreView(View):
    """How well the estimates of the last hour were kept: of so many that were told, so many starts lay within."""

    promised: int
    kept: int
    part: float | None = Field(description="From 0 to 1; none if none was told.")


class QueueView(View):
    """A queue. Rates are jobs a second over the last minute; they are null while they have not been measured."""

    name: str
    depth: int = Field(description="Jobs that are due and wait.")
    limit: int = Field(description="At this depth new jobs are refused.")
    hard_limit: int
    low_water: int = Field(description="A full queue takes jobs again from here on.")
    window: int = Field(description="Messages on the broker at once.")
    on_broker: int = Field(description="Messages of it on the broker; short jobs share one.")
    running: int
    oldest_age: float | None = Field(description="Seconds that the job which waits longest has been due.")
    arrival_rate: float | None
    drain_rate: float | None = Field(description="While there is a backlog; not measured: what its slots can do.")
    expected_wait: WaitView | None = Field(description="Of a job that is submitted now, with priority 0.")
    processes: int
    slots: int = Field(description="Jobs that its workers run at once.")
    paused_at: datetime | None
    waits_because: str = Field(description="Why the head of the queue waits, in one sentence.")
    cause: Cause = Field(description="The same in a word or two.")
    score: ScoreView = Field(description="Of the estimates of the last hour.")


@dataclass(frozen=True)
class Measured:
    """Figures for planning. Rates in jobs a second, times in seconds; None: not measured. ``samples``: attempts."""

    arrival_rate: float | None
    drain_rate: float | None
    service_seconds: float | None
    service_deviation: float | None
    slots: int
    backlog: int
    samples: int


@dataclass(frozen=True)
class Moment:
    """Half a minute of a queue's history. None: not measured."""

    at: datetime
    depth: float | None
    arrival_rate: float | None
    drain_rate: float | None


def names() -> list[str]:
    """Every queue that is configured, has a row, or holds waiting jobs."""
    return sorted({*dispatch.queue_names(), *Queue.objects.values_list("name", flat=True)})


def queues(now: datetime) -> list[QueueView]:
    """Every queue, by name."""
    return [_view(name, now) for name in names()]


def queue(name: str, now: datetime) -> QueueView:
    """One queue. Raises NotFound."""
    check(name)
    return _view(name, now)


def check(name: str) -> None:
    """Raise NotFound for what is no queue. Mostly without a query: most are in the settings."""
    if name not in conf.current().queues and name not in names():
        raise NotFound(f"expected a queue, such as {', '.join(conf.current().queues)}, got {name[:100]!r}")


def measured(queue: str, *, now: datetime) -> Measured:
    """What was measured of a queue, for a plan of its capacity."""
    seen = estimates.pulse(queue, now=now)
    usual = ranges.typical(seen)
    return Measured(
        arrival_rate=seen.arrival_rate,
        drain_rate=seen.drain_rate,
        service_seconds=usual.mean if usual else None,
        service_deviation=usual.deviation if usual else None,
        slots=seen.slots,
        backlog=seen.depth,
        samples=usual.samples if usual else 0,
    )


def history(queue: str, *, now: datetime) -> list[Moment]:
    """The last hour in halves of minutes, oldest first: depth on average, jobs that came and that left a second."""
    columns = ("ended_at", "started_at", "depth", "arrived", "left")
    rows = Flow.objects.filter(queue=queue, ended_at__gt=now - HISTORY, ended_at__lte=now).values_list(*columns)
    found: list[list[tuple[float, int, int, int]]] = [[] for _ in range(BUCKETS)]
    for ended_at, started_at, depth, arrived, left in rows:
        place = min(math.floor((ended_at - (now - HISTORY)) / BUCKET), BUCKETS - 1)
        found[place].append(((ended_at - started_at).total_seconds(), depth, arrived, left))
    return [_moment(now - HISTORY + place * BUCKET, each) for place, each in enumerate(found)]


def _moment(at: datetime, rows: list[tuple[float, int, int, int]]) -> Moment:
    seconds = sum(each[0] for each in rows)
    if not rows or not seconds:
        return Moment(at, None, None, None)
    depth = sum(each[1] for each in rows) / len(rows)
    return Moment(at, depth, sum(each[2] for each in rows) / seconds, sum(each[3] for each in rows) / seconds)


def _view(name: str, now: datetime) -> QueueView:
    policy, score = lanes.policy(name), estimates.score(name, now=now)
    seen = replace(estimates.pulse(name, now=now), paused_at=policy.paused_at)
    published = Job.objects.filter(queue=name, state=State.QUEUED, dispatched_at__isnull=False).order_by()
    on_broker = published.values("dispatched_at").distinct().count()  # the jobs of a message share its time
    drain = estimates.drain_of(seen)
    heard_at, drained = _silent_workers(name, seen)
    facts = reasons.Facts(policy.limit, drain, heard_at, transport.circuit.closed, drained)
    cause, sentence = reasons.explain(seen, facts)
    return QueueView(
        name=name, depth=seen.depth, limit=policy.limit, hard_limit=policy.hard_limit, low_water=policy.low_water,
        window=policy.window, on_broker=on_broker, running=seen.running, oldest_age=seen.oldest_age,
        arrival_rate=seen.arrival_rate, drain_rate=drain, expected_wait=wait_of(seen), processes=seen.processes,
        slots=seen.slots, paused_at=policy.paused_at, waits_because=sentence, cause=cause,
        score=ScoreView(promised=score.promised, kept=score.kept, part=score.part),
    )  # fmt: skip


def wait_of(seen: Pulse) -> WaitView | None:
    """How long a job with priority 0 will wait; None where nothing is known, or nothing drains the queue."""
    ahead: dict[str, float] = {}
    for (kind, priority), count in seen.waiting.items():
        if priority >= 0:
            ahead[kind] = ahead.get(kind, 0.0) + count
    start = ranges.start_range(ahead, seen)
    # The range is about even around its middle, but for the latency of a start.
    return WaitView(p50=max(start[0] + start[1] - ranges.LATENCY, 0) / 2, p95=start[1]) if start is not None else None


def _silent_workers(queue: str, seen: Pulse) -> tuple[datetime | None, bool]:
    """Of a queue that nobody serves: when one of its workers that are gone spoke last, and whether some are drained.

    Those that ended as they should left no trace.
    """
    if seen.slots:
        return None, False
    rows = Listener.objects.order_by("-seen_at").values_list("queues", "seen_at", "draining")
    own = [(seen_at, draining) for queues, seen_at, draining in rows if queue in queues]
    there = [draining for seen_at, draining in own if seen_at > seen.at - presence.SILENCE]
    return own[0][0] if own and not there else None, any(there)
