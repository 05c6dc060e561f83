"""The shapes in which schedules, their fires and their ticks are shown."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django_celery_beat.models import IntervalSchedule, PeriodicTask
from pydantic import Field

from jobs_app.core import access
from jobs_app.core.schedules import work
from jobs_app.core.timing import Fire
from jobs_app.lifecycle import State
from jobs_app.models import Schedule, Tick
from jobs_app.reads.views import View, hidden
from jobs_app.ticking import Gap, Missed, Overlap, Repeat, TickOutcome

if TYPE_CHECKING:
    from jobs_app.reads.jobs import Reader

HALF_DAY = re.compile(r"\b(\d{1,2}):(\d{2}) (AM|PM)\b")
UNITS = ((3600, "hour"), (60, "minute"), (1, "second"))
SKIPPED = "this time is skipped: left out"


class FireView(View):
    """A time at which a schedule will be due."""

    at: datetime
    local: datetime = Field(description="The same in the schedule's own time zone.")
    named: str = Field(description="The local time that its crontab names, without a zone: 2026-03-29 02:30.")
    odd: str = Field(description="In words, if that time does not exist or exists twice that night; else empty.")
    left_out: bool = Field(False, description="It does not exist that night, and the schedule leaves it out.")

    @classmethod
    def of(cls, fire: Fire, zone: ZoneInfo, *, left_out: bool = False) -> FireView:
        """From the core's."""
        odd = SKIPPED if left_out else fire.odd
        local = fire.at.astimezone(zone)
        return cls(at=fire.at, local=local, named=f"{fire.named:%Y-%m-%d %H:%M}", odd=odd, left_out=left_out)


class TickView(View):
    """A tick: what was due, and what became of it."""

    due_at: datetime
    outcome: TickOutcome
    reason: str = Field(description="Why it was decided so; empty for what is usual.")
    out_of_turn: bool = Field(description="Somebody asked for it.")
    decided_at: datetime
    decided_late: float = Field(description="Seconds from its time to the decision.")
    job: UUID | None
    state: State | None = Field(description="Of its job.")
    started_at: datetime | None
    started_late: float | None = Field(description="Seconds from its time to its job's start.")
    finished_at: datetime | None

    @classmethod
    def of(cls, tick: Tick, *, seen: bool = True) -> TickView:
        """From a row, fetched with its job; seen: by somebody who may see the schedule's parameters."""
        job = tick.job
        started_at = job.started_at if job else None
        return cls(
            due_at=tick.due_at,
            outcome=TickOutcome(tick.outcome),
            # Why its job was refused may be what is wrong with a parameter.
            reason=tick.reason if seen or tick.outcome != TickOutcome.REFUSED else "",
            out_of_turn=tick.out_of_turn,
            decided_at=tick.decided_at,
            decided_late=tick.lateness.total_seconds(),
            job=tick.job_id,
            state=job.status if job else None,
            started_at=started_at,
            started_late=(started_at - tick.due_at).total_seconds() if started_at else None,
            finished_at=job.finished_at if job else None,
        )


class PolicyView(View):
    """What a schedule does about ticks that come late, together, or in odd nights."""

    missed: Missed = Field(description="Ticks that could not be decided in time: skip, the latest, or all.")
    missed_cap: int = Field(description="Of all: so many at most.")
    overlap: Overlap = Field(description="While a job of the same schedule has not ended.")
    gap: Gap = Field(description="A local time that does not exist, when clocks are put forward.")
    repeat: Repeat = Field(description="A local time that exists twice, when clocks are put back.")


class ScheduleView(View):
    """A schedule, and how it stands."""

    id: int
    name: str
    description: str
    kind: str
    parameters: dict[str, Any]
    parameters_hidden: str = Field("", description="Why the parameters are not shown; empty if they are.")
    queue: str | None = Field(description="Null: the kind's.")
    timing: str = Field(description="When it is due, in words.")
    zone: str = Field(description="The time zone of its times.")
    local: bool = Field(description="Whether it names local times, which a change of clocks may skip or double.")
    paused: bool
    broken: str = Field(description="Why it cannot tick; empty if it can.")
    held_up: str = Field(description="Why a tick that is due is put off; empty if none is.")
    policy: PolicyView
    next_due_at: datetime | None = Field(description="Null while it is paused or broken, and if it is never due again.")
    last: TickView | None = Field(description="The latest tick.")

    @classmethod
    def columns(cls, row: Schedule, last: Tick | None, *, zone: str, viewer: Reader) -> dict[str, Any]:
        """From a row, fetched with its periodic task and timing; and its latest tick, fetched with its job."""
        task = row.periodic_task
        given = work.of(task)
        seen = access.sees_parameters(viewer, given.kind, None)
        ticks = task.enabled and not row.broken
        return {
            "id": row.pk, "name": task.name, "description": task.description, "kind": given.kind,
            "parameters": dict(given.parameters) if seen else {},
            "parameters_hidden": "" if seen else hidden(given.kind), "queue": given.queue,
            "timing": in_words(task), "zone": zone, "local": task.crontab is not None,
            "paused": not task.enabled, "broken": row.broken if seen or not row.broken else hidden(given.kind),
            "held_up": row.held_up, "policy": PolicyView.model_validate(row, from_attributes=True),
            "next_due_at": row.next_due_at if ticks else None, "last": TickView.of(last, seen=seen) if last else None,
        }  # fmt: skip


class ScheduleDetailView(ScheduleView):
    """A schedule with its next fires and last ticks."""

    fires: list[FireView] = Field(description="The next ten, whether it is paused or not.")
    ticks: list[TickView] = Field(description="The latest twenty, newest first.")


def in_words(task: PeriodicTask) -> str:
    """When a schedule is due, in words where there are any."""
    return timing_in_words(task.scheduler) or "never"


def timing_in_words(timing: Any) -> str:
    """An interval, a crontab and the like as people say it, by the clock of 24 hours: ``At 15:30 UTC``."""
    if isinstance(timing, IntervalSchedule) and timing.period == IntervalSchedule.SECONDS:
        size, unit = next(each for each in UNITS if timing.every % each[0] == 0)
        many = timing.every // size
        return f"every {unit}" if many == 1 else f"every {many:,} {unit}s"
    text = str(getattr(timing, "human_readable", timing) or "")
    return HALF_DAY.sub(lambda told: f"{int(told[1]) % 12 + 12 * (told[3] == 'PM'):02}:{told[2]}", text)
