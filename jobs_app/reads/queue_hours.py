"""Reading a queue's last hour from the statistics: how long its jobs waited beside how old its oldest was; refusals.

A queue that stands still has no waits to show, since none ends: only the age of its oldest job tells it from an idle
one. Nothing here tells of any one job or user.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from jobs_app.reads import queues, statistics
from jobs_app.reads.statistics import Question
from jobs_app.steps import Step


@dataclass(frozen=True)
class Minute:
    """One minute. Seconds; None: no job was started, or nothing was measured. ``complete``: all of it is counted."""

    at: datetime
    complete: bool
    wait_p50: float | None
    wait_p95: float | None
    wait_p99: float | None
    oldest_age: float | None
    refused: int


@dataclass(frozen=True)
class Hour:
    """The minutes, oldest first, and the refusals of them all by reason."""

    minutes: list[Minute]
    started: int
    refused: int
    refused_by_reason: dict[str, int]


def hour(queue: str, *, now: datetime) -> Hour:
    """The last hour of a queue, in seven queries. Raises NotFound."""
    queues.check(queue)
    told = statistics.statistics(Question(step=Step.MINUTE, queue=queue), None, now=now)
    ages = {each.at: each.oldest_age_max for each in told.levels}
    minutes = [
        Minute(
            each.at, each.complete, each.wait.p50, each.wait.p95, each.wait.p99, ages.get(each.at), each.refused
        )
        for each in told.points
    ]  # fmt: skip
    total = told.totals
    return Hour(minutes, total.started, total.refused, total.refused_by_reason)
