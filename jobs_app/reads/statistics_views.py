"""The shapes in which statistics are shown."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from jobs_app.reads.views import View
from jobs_app.steps import Step


class DurationView(View):
    """Quantiles of a duration, in seconds; null when none was measured."""

    count: int
    mean: float | None
    p50: float | None
    p95: float | None
    p99: float | None


class SumsView(View):
    """What happened in a period."""

    submitted: int
    refused: int
    refused_by_reason: dict[str, int]
    started: int = Field(description="Attempts that began.")
    succeeded: int
    failed: int = Field(description="Jobs that failed for good, expired ones among them.")
    retried: int = Field(description="Attempts after which another was planned.")
    cancelled: int
    rescued: int = Field(description="Attempts that were lost, or given back, and queued again.")
    wait: DurationView = Field(description="Time in the queue before each start.")
    run: DurationView = Field(description="Time of each attempt that ended and was not rescued.")


class PointView(SumsView):
    """One bucket."""

    at: datetime = Field(description="Its beginning.")
    complete: bool = Field(description="Whether it has ended and all that was there is counted.")


class GroupView(SumsView):
    """The whole period of one kind, queue or owner."""

    name: str = Field(description="Empty: the system's own (owner), or refusals (kind).")


class LevelView(View):
    """How deep a queue was in one bucket, as upkeep saw it every ten seconds."""

    at: datetime
    queue: str
    depth_mean: float
    depth_max: int
    depth_last: int
    oldest_age_max: float = Field(description="Seconds that the oldest waiting job had been due.")


class StatisticsView(View):
    """Statistics of a period."""

    begin: datetime
    end: datetime
    step: Step
    relative_error: float = Field(description="Of every quantile.")
    counted_up_to: datetime | None = Field(description="What happened before is counted; null: nothing is.")
    totals: SumsView
    points: list[PointView] = Field(description="Every bucket of the period, empty ones too.")
    groups: list[GroupView] = Field(description="With `by`: the hundred with the most submissions.")
    levels: list[LevelView] = Field(description="Of the queue, or of every queue.")
