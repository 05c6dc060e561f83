"""The shapes in which reports are shown."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from jobs_app.lifecycle import State
from jobs_app.reads.staleness import Because
from jobs_app.reads.views import View
from jobs_app.ticking import TickOutcome


class RunView(View):
    """One run of a schedule, as its report tells it."""

    due_at: datetime
    outcome: TickOutcome
    state: State | None = Field(description="Of its job; null without one, or if it is no longer kept.")
    started_at: datetime | None
    finished_at: datetime | None
    value: float | None = Field(description="The schedule's chosen value in this run's result; null if it has none.")


class ReportLine(View):
    """A report in a list. ``id`` and ``name`` are its schedule's."""

    id: int
    name: str
    description: str
    kind: str
    timing: str = Field(description="When a new result is due, in words.")
    job: UUID | None = Field(description="The job that made the result; null while there is none.")
    due_at: datetime | None = Field(description="When the result was due.")
    started_at: datetime | None
    finished_at: datetime | None = Field(description="When the result was ready: its age counts from here.")
    result_bytes: int
    next_due_at: datetime | None = Field(description="When the next result is due; null if none is.")
    stale: bool = Field(description="Whether a newer result should be here: one that was due has not come.")
    because: Because | None = Field(description="Of a stale report: what keeps a newer result back.")
    why: str = Field(description="The same in a sentence; empty for a report that is fresh.")


class ReportView(ReportLine):
    """A report with its history, without the result itself."""

    zone: str = Field(description="The time zone of the timing.")
    inline: bool = Field(description="Whether the result is small enough to be given with the report.")
    missing_since: datetime | None = Field(description="Of a stale report: when the result was due that is missing.")
    result_hidden: str = Field("", description="Why result, files and values are not shown; empty if they are.")
    value_pointer: str = Field(description="JSON Pointer to the value in each result; empty: the result itself.")
    runs: list[RunView] = Field(description="The latest fifty, newest first.")
