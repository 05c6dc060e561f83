"""Figures for machines: how the ledger stands as a whole, in a few queries that stay short with a million jobs."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, F, Min, Q

from jobs_app import conf, registry
from jobs_app.core import dispatch, presence, sql
from jobs_app.core.lanes import Policy, policy_of
from jobs_app.core.presence import Listening
from jobs_app.core.rollups import cursor, store
from jobs_app.core.rollups.sums import Sums
from jobs_app.lifecycle import State
from jobs_app.models import Flow, Job, Queue, Schedule

COUNTED = 10_000
"""Jobs are counted one by one up to so many of a queue (those that wait) or of a state; of more, as upkeep saw them."""

PRIORITIES = 201
LATE_AFTER = timedelta(seconds=30)
"""Beat looks at a schedule within a second or two of its time; after so long nobody does."""


@dataclass(frozen=True)
class Lane:
    """A queue: its bounds, who takes its jobs, and how long its oldest job has been due, in seconds (0: none waits)."""

    policy: Policy
    listening: Listening
    oldest_age: float = 0.0


@dataclass(frozen=True)
class Figures:
    """``jobs`` by queue and state; ``totals`` by queue and kind, refusals under none. Ages in seconds; inf: never."""

    lanes: dict[str, Lane] = field(default_factory=dict)
    jobs: Counter[tuple[str, State]] = field(default_factory=Counter)
    totals: dict[tuple[str, str], Sums] = field(default_factory=dict)
    schedules_late: int = 0
    schedules_broken: int = 0
    upkeep_age: float = math.inf
    rollup_age: float = math.inf


def figures(*, now: datetime) -> Figures:
    """How everything stands now. Per queue some five queries, besides ten of all."""
    lanes = lanes_now(now=now)
    late, broken = _schedules(now)
    return Figures(
        lanes=lanes,
        jobs=_jobs(lanes),
        totals=_totals(),
        schedules_late=late,
        schedules_broken=broken,
        upkeep_age=upkeep_age(now=now),
        rollup_age=_age(cursor.read().caught_up_at, now),
    )


def lanes_now(*, now: datetime) -> dict[str, Lane]:
    """Every queue that is configured, has a row or holds waiting jobs, by name."""
    rows = {row.name: row for row in Queue.objects.whole()}
    listening = presence.listening(now=now)
    return {
        name: Lane(
            policy_of(rows.get(name), conf.current()),
            listening.get(name, presence.NOBODY),
            _finite(_age(_oldest(name), now)),
        )
        for name in sorted({*rows, *dispatch.queue_names()})
    }


def upkeep_age(*, now: datetime) -> float:
    """How long ago upkeep measured last, in seconds; it does so every two seconds, or every ten while nothing moves."""
    return _age(Flow.objects.order_by("-id").values_list("ended_at", flat=True).first(), now)


def free_bytes() -> int:
    """Room left where artifacts are kept; 0 when it cannot be told."""
    try:
        return shutil.disk_usage(conf.current().data_dir).free
    except OSError:
        return 0


def _oldest(queue: str) -> datetime | None:
    """Since when the job that waits longest is due: from one priority to the next by an index, then of those published.

    The least of all would have to read all that wait.
    """
    waiting = Job.objects.filter(queue=queue, state=State.QUEUED)
    published = waiting.filter(dispatched_at__isnull=False)
    found: datetime | None = published.aggregate(oldest=Min("due_at"))["oldest"]
    heads = waiting.filter(dispatched_at=None).order_by(F("priority").desc(), "due_at", "id")
    ordered = heads.values_list("priority", "due_at")
    head = ordered.first()
    for _ in range(PRIORITIES):
        if head is None:
            break
        found = min(found or head[1], head[1])
        head = ordered.filter(priority__lt=head[0]).first()
    return found


def _jobs(lanes: dict[str, Lane]) -> Counter[tuple[str, State]]:
    """Those that have not ended; what has ended is counted by the totals."""
    found: Counter[tuple[str, State]] = Counter()
    for name in lanes:
        waiting = Job.objects.filter(queue=name, state=State.QUEUED).values("queue")[:COUNTED].count()
        found[name, State.QUEUED] = waiting if waiting < COUNTED else max(waiting, _seen(name))
    running = Job.objects.filter(state=State.RUNNING).order_by().values_list("queue")
    for name, count in running.annotate(count=Count("*")):
        found[name, State.RUNNING] = count
    with connection.cursor() as database:
        database.execute(sql.statement("count_apart"), {"most": COUNTED})
        for name, state, count in database.fetchall():
            found[name, State(state)] = count
    return found


def _seen(queue: str) -> int:
    depths = Flow.objects.filter(queue=queue).order_by("-ended_at").values_list("depth", flat=True)
    return depths.first() or 0


def _totals() -> dict[tuple[str, str], Sums]:
    """Of the kinds that there are, and of refusals; a kind that has not been used yet stands at nothing."""
    kinds = {kind.name: kind.queue for kind in registry.all_kinds()}
    found = {(queue, name): Sums() for name, queue in kinds.items()}
    return found | {pair: sums for pair, sums in store.totals().items() if not pair[1] or pair[1] in kinds}


def _schedules(now: datetime) -> tuple[int, int]:
    """How many are late, and how many of those that are switched on cannot tick."""
    on = Q(periodic_task__enabled=True)
    told = Schedule.objects.aggregate(
        late=Count("pk", filter=on & Q(broken="", look_at__lte=now - LATE_AFTER)),
        broken=Count("pk", filter=on & ~Q(broken="")),
    )
    return told["late"], told["broken"]


def _age(moment: datetime | None, now: datetime) -> float:
    return math.inf if moment is None else max((now - moment).total_seconds(), 0.0)


def _finite(seconds: float) -> float:
    return 0.0 if math.isinf(seconds) else seconds
