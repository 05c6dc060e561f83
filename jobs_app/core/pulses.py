"""A queue's pulse: what was measured of it in the last minute, and what waits in it now.

Rates are per second, durations in seconds. What drains it is judged only by times in which it had a backlog: an idle
worker tells nothing of how fast it could be.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Count, Min

from jobs_app.core import lanes, presence
from jobs_app.lifecycle import State
from jobs_app.models import Flow, Job, Pace

LOOKBACK = timedelta(seconds=60)
STALLED_AFTER = 5.0
"""A backlog that nothing leaves for so many seconds, while no job runs, does not drain. Nor does a free slot leave a
job waiting for so long."""

SILENCE_SECONDS = 15.0
"""Upkeep measures every two seconds, and tells of an idle queue every ten; longer, and it is not there."""

SHORT_SECONDS = 0.05
"""A kind is short if 95 of 100 of its jobs take less."""

COUNTED = 10_000
"""Waiting jobs that are told by kind; of a deeper queue they stand for the rest."""

LONG_SECONDS = 2.0
"""Jobs that take longer than a pass of ``flow`` are counted while they run; shorter ones by what they took."""


@dataclass(frozen=True)
class KindPace:
    """How long attempts take. ``samples``: of how many this was measured."""

    samples: int
    mean: float
    deviation: float
    p10: float
    p50: float
    p90: float
    p95: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> KindPace:
        """From measured durations, at least one."""
        cuts = statistics.quantiles(seconds, n=20, method="inclusive") if len(seconds) > 1 else [seconds[0]] * 19
        return cls(
            len(seconds), statistics.fmean(seconds), statistics.pstdev(seconds), cuts[1], cuts[9], cuts[17], cuts[18]
        )

    @property
    def short(self) -> bool:
        """Whether jobs of the kind may share a message: 95 of 100 take no longer than that."""
        return self.p95 <= SHORT_SECONDS

    @property
    def residual(self) -> float:
        """What is left on average of one that is met while it runs: E[S²] / 2 E[S], from renewal theory."""
        return (self.deviation**2 + self.mean**2) / (2 * self.mean) if self.mean else 0.0


@dataclass(frozen=True)
class Rates:
    """What ``measure`` makes of the last minute's rows. None: not measured. ``seconds``: of backlog, all in all."""

    arrival: float | None = None
    drain: float | None = None
    work: float | None = None
    seconds: float = 0.0
    stalled: bool = False


@dataclass(frozen=True)
class Pulse:
    """A queue at one moment.

    ``depth``: jobs that are due and wait. ``drain_rate``: jobs that leave a second while there is a backlog.
    ``work_rate``: slots that are busy meanwhile (Little's law). ``measured_at``: when ``flow`` looked last, if that was
    in the last minute. ``waiting``: jobs by kind and priority. ``outside``: accepted jobs that wait for room in it.
    """

    queue: str
    at: datetime
    depth: int = 0
    running: int = 0
    arrival_rate: float | None = None
    drain_rate: float | None = None
    work_rate: float | None = None
    measured_at: datetime | None = None
    measured_seconds: float = 0.0
    stalled: bool = False
    processes: int = 0
    slots: int = 0
    paused_at: datetime | None = None
    oldest_at: datetime | None = None
    outside: int = 0
    waiting: Mapping[tuple[str, int], float] = field(default_factory=dict)
    busy: Mapping[str, int] = field(default_factory=dict)
    paces: Mapping[str, KindPace] = field(default_factory=dict)

    @property
    def drains(self) -> bool:
        """Whether jobs leave it, as far as is known: it is not paused, workers listen, it does not stand still."""
        return self.paused_at is None and self.slots > 0 and not self.stalled

    def silent(self, seconds: float) -> bool:
        """Whether upkeep has measured nothing for so long: it, or the broker that calls it, is away."""
        return self.measured_at is None or (self.at - self.measured_at).total_seconds() > seconds

    @property
    def unserved(self) -> bool:
        """Whether slots are free, and yet the job that waits longest has not been started for a while."""
        return self.slots > self.running and (self.oldest_age or 0.0) > STALLED_AFTER

    @property
    def forsaken(self) -> bool:
        """Whether it is unserved and upkeep is silent too: the broker seems to be away, whatever still runs."""
        return self.unserved and self.silent(SILENCE_SECONDS)

    @property
    def oldest_age(self) -> float | None:
        """How long the job that waits longest has been due."""
        return max((self.at - self.oldest_at).total_seconds(), 0.0) if self.oldest_at is not None else None

    @property
    def typical(self) -> KindPace | None:
        """The pace of a job of this queue whose own kind was never measured."""
        mine = {kind for kind, _ in self.waiting} | set(self.busy)
        return pooled([self.paces[kind] for kind in mine & set(self.paces)]) or pooled(self.paces.values())


def jobs_wait(depth: int) -> str:
    """So many jobs wait, in words."""
    return "1 job waits" if depth == 1 else f"{depth:,} jobs wait"


def pooled(paces: Iterable[KindPace]) -> KindPace | None:
    """Several paces as one: mean and deviation by the law of total variance; percentiles are weighted means."""
    known = list(paces)
    total = sum(pace.samples for pace in known)
    if not total:
        return None

    def mean(values: Iterable[float]) -> float:
        return sum(pace.samples * value for pace, value in zip(known, values, strict=True)) / total

    centre = mean(pace.mean for pace in known)
    square = mean(pace.deviation**2 + pace.mean**2 for pace in known)
    return KindPace(
        total, centre, math.sqrt(max(square - centre**2, 0.0)),
        mean(pace.p10 for pace in known), mean(pace.p50 for pace in known),
        mean(pace.p90 for pace in known), mean(pace.p95 for pace in known),
    )  # fmt: skip


def measure(rows: Sequence[Flow], *, slots: int) -> Rates:
    """Rates from the rows of the last minute, oldest first.

    A row counts as backlog when at both its ends more jobs waited than there are slots, and something moved or ran.
    """
    if not rows:
        return Rates()
    bar = max(slots, 1)
    covered = (rows[-1].ended_at - rows[0].started_at).total_seconds()
    arrival = sum(row.arrived for row in rows) / covered if covered >= 1 else None
    busy = [
        row for before, row in itertools.pairwise(rows)
        if min(before.depth, row.depth) >= bar and (row.left or row.ended or row.running)
    ]  # fmt: skip
    seconds = sum(_seconds(row) for row in busy)
    left, ended = sum(row.left for row in busy), sum(row.ended for row in busy)
    if seconds < 1 or not left:
        return Rates(arrival, stalled=_stalled(rows))
    worked = sum(row.busy_seconds for row in busy)
    if not ended or worked / ended >= LONG_SECONDS:
        worked = sum(row.running * _seconds(row) for row in busy)
    return Rates(arrival, left / seconds, worked / seconds or None, seconds, _stalled(rows))


def read(queue: str, *, now: datetime) -> Pulse:
    """Measure a queue's pulse: nine short queries, bounded however deep it is."""
    rows = list(Flow.objects.filter(queue=queue, ended_at__gt=now - LOOKBACK).order_by("ended_at"))
    listening = presence.listeners(queue, now=now)
    rates = measure(rows, slots=listening.slots)
    waiting, oldest_at = _waiting(queue)
    counted = sum(waiting.values())
    depth = max(rows[-1].depth if rows else 0, counted) if counted >= COUNTED else counted
    scale = depth / counted if counted else 1.0
    running = Job.objects.filter(state=State.RUNNING, queue=queue).order_by()
    busy = dict(running.values_list("kind").annotate(count=Count("*")))
    return Pulse(
        queue, now,
        depth=depth, running=sum(busy.values()),
        arrival_rate=rates.arrival, drain_rate=rates.drain, work_rate=rates.work,
        measured_at=rows[-1].ended_at if rows else None, measured_seconds=rates.seconds,
        stalled=rates.stalled and depth > 0 and not busy,
        processes=listening.processes, slots=listening.slots,
        paused_at=lanes.policy(queue).paused_at, oldest_at=oldest_at, outside=_outside(queue, now),
        waiting={key: count * scale for key, count in waiting.items()}, busy=busy,
        paces={pace.kind: KindPace.of(pace.seconds) for pace in Pace.objects.all() if pace.seconds},
    )  # fmt: skip


def _waiting(queue: str) -> tuple[Counter[tuple[str, int]], datetime | None]:
    # Counted here: grouping a part of the rows by SQL joins the table with itself, and may read all of it.
    # In the order of an index, or they are looked for where they happen to lie.
    rows = Job.objects.filter(state=State.QUEUED, queue=queue).order_by("queue", "owner_id", "token_id")
    found = list(rows.values_list("kind", "priority", "due_at")[:COUNTED])
    counts = Counter((kind, priority) for kind, priority, _ in found)
    if len(found) < COUNTED:
        return counts, min((at for *_, at in found), default=None)
    return counts, _oldest_at(queue, {priority for _, priority in counts})


def _oldest_at(queue: str, priorities: Iterable[int]) -> datetime | None:
    """Since when the job that waits longest in a deep queue is due: by indexes, of those on the broker and others."""
    waiting = Job.objects.filter(queue=queue, state=State.QUEUED)
    heads = waiting.filter(dispatched_at=None).order_by("due_at", "id").values_list("due_at", flat=True)
    oldest = [heads.filter(priority=priority).first() for priority in sorted(priorities)]
    oldest.append(waiting.filter(dispatched_at__isnull=False).aggregate(oldest=Min("due_at"))["oldest"])
    return min((at for at in oldest if at is not None), default=None)


def _outside(queue: str, now: datetime) -> int:
    children = Job.objects.filter(queue=queue, state=State.BLOCKED, attempt=0).order_by("queue", "id")
    due = Job.objects.filter(queue=queue, state=State.SCHEDULED, due_at__lte=now).order_by("due_at")
    return sum(rows.values("id")[:COUNTED].count() for rows in (children, due))


def _seconds(row: Flow) -> float:
    return (row.ended_at - row.started_at).total_seconds()


def _stalled(rows: Sequence[Flow]) -> bool:
    """Whether the rows end with some seconds of a backlog in which nothing moved and nothing ran."""
    still = 0.0
    for row in reversed(rows):
        if row.left or row.ended or row.running or not row.depth:
            break
        still += _seconds(row)
    return still >= STALLED_AFTER
