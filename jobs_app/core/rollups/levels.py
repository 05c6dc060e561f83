"""Levels: how deep each queue is and how long its oldest job waits, looked at each time that upkeep rolls up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min

from jobs_app import conf
from jobs_app.core.turns import Seldom
from jobs_app.lifecycle import State
from jobs_app.models import Job, QueueLevel
from jobs_app.models.guard import writing
from jobs_app.steps import Step

_seldom = Seldom()
VALUES = ("samples", "depth_sum", "depth_max", "depth_last", "oldest_max")


@dataclass(frozen=True)
class Level:
    """What was seen of one queue. oldest: seconds that the job which waits longest has been due."""

    depth: int = 0
    oldest: float = 0.0


def look(*, now: datetime) -> dict[str, Level]:
    """Every queue that is configured or holds waiting jobs. All that wait are read: of a deep ledger that is dear, and
    nothing is looked at until it may be."""
    if not _seldom.due:
        return {}
    waiting = Job.objects.filter(state=State.QUEUED).order_by().values_list("queue")
    counted = waiting.annotate(depth=Count("*"), due=Min("due_at"))
    found = dict.fromkeys(conf.current().queues, Level())
    for queue, depth, due_at in _seldom.read(lambda: list(counted), lambda rows: sum(depth for _, depth, _ in rows)):
        found[queue] = Level(depth, max((now - due_at).total_seconds(), 0.0))
    return found


def note(seen: dict[str, Level], *, now: datetime) -> None:
    """Add what was seen to the buckets of now, in the transaction of a caller that has advanced the cursor."""
    for step in Step:
        at = step.floor(now)
        there = {row.queue: row for row in QueueLevel.objects.filter(step=step, at=at)}
        rows = [_with(there.get(queue), step, at, queue, level) for queue, level in sorted(seen.items())]
        with writing():
            QueueLevel.objects.bulk_create(
                rows, update_conflicts=True, unique_fields=["step", "at", "queue"], update_fields=VALUES
            )


def _with(row: QueueLevel | None, step: Step, at: datetime, queue: str, seen: Level) -> QueueLevel:
    if row is None:
        row = QueueLevel(step=step, at=at, queue=queue, samples=0, depth_sum=0, depth_max=0, oldest_max=0.0)
    row.samples += 1
    row.depth_sum += seen.depth
    row.depth_max = max(row.depth_max, seen.depth)
    row.depth_last = seen.depth
    row.oldest_max = max(row.oldest_max, seen.oldest)
    row.pk = None  # the unique key finds it
    return row
