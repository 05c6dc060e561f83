"""Reading reports: the latest result that a schedule has brought, how old it is, and whether a newer one is missing.

Nothing is computed here: what is shown was made by the schedule's jobs. Whoever is in one of a schedule's reader groups
may read its report, as may those who see all jobs; for everybody else it is not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.db.models import OuterRef, QuerySet, Subquery

from jobs_app import conf
from jobs_app.core import access
from jobs_app.core.schedules import timings, work
from jobs_app.errors import InvalidRequest, NotFound
from jobs_app.lifecycle import State
from jobs_app.models import Schedule, Tick
from jobs_app.models.job import SEE_ALL
from jobs_app.reads import run_values, staleness
from jobs_app.reads.report_views import ReportLine, ReportView, RunView
from jobs_app.reads.schedule_views import in_words
from jobs_app.reads.schedules import WITH_TASK, Key, named, printable, with_jobs, zone_of
from jobs_app.reads.staleness import Because
from jobs_app.reads.views import hidden
from jobs_app.ticking import TickOutcome

if TYPE_CHECKING:
    from jobs_app.reads.jobs import Reader

PAGE, PAGE_LIMIT = 50, 200
RUNS = 50


@dataclass(frozen=True)
class ReportPage:
    """One page of a list, by name, and the cursor of the next (None at the end)."""

    reports: list[ReportLine]
    next_cursor: str | None


@dataclass(frozen=True)
class Report:
    """A report, and when any of it changed last; None where that is not recorded."""

    view: ReportView
    changed_at: datetime | None


def report_page(user: Reader, *, now: datetime, cursor: str = "", limit: int = PAGE) -> ReportPage:
    """A page of the reports that this user may read. The cursor is the last name seen. Raises InvalidRequest."""
    if not 1 <= limit <= PAGE_LIMIT:
        raise InvalidRequest(f"expected a limit from 1 to {PAGE_LIMIT}, got {limit}")
    rows = _readable_by(user).order_by("periodic_task__name")
    if cursor:
        rows = rows.filter(periodic_task__name__gt=printable(cursor))
    latest = Tick.objects.filter(schedule=OuterRef("pk")).order_by("-due_at").values("pk")
    result = latest.filter(job__state=State.SUCCEEDED)
    found = list(rows.annotate(latest_id=Subquery(latest[:1]), result_id=Subquery(result[:1]))[: limit + 1])
    more, found = len(found) > limit, found[:limit]
    wanted = {each for row in found for each in (row.latest_id, row.result_id) if each}
    ticks = with_jobs(Tick.objects.all()).in_bulk(wanted)
    seen = [_Seen(row, ticks.get(row.latest_id), ticks.get(row.result_id), now) for row in found]
    return ReportPage([ReportLine(**each.columns) for each in seen], found[-1].name if more else None)


def report(user: Reader, key: Key, *, now: datetime) -> Report:
    """The report of the schedule with that name, or number. Raises NotFound."""
    row = find(user, key)
    ticks = list(run_values.added(with_jobs(row.ticks.order_by("-due_at")), row.value)[:RUNS])
    result = next((tick for tick in ticks if tick.job and tick.job.status is State.SUCCEEDED), None)
    if result is None and len(ticks) == RUNS:
        result = latest_result(row)
    seen = _Seen(row, ticks[0] if ticks else None, result, now)
    shut = hidden_from(user, row)
    view = ReportView(
        **seen.columns,
        zone=zone_of(row).key,
        inline=seen.columns["result_bytes"] <= conf.current().result_inline_bytes,
        missing_since=seen.missing_since(ticks),
        result_hidden=shut,
        value_pointer=row.value,
        runs=[_run(tick, told=not shut) for tick in ticks],
    )
    return Report(view, seen.changed_at(ticks))


def find(user: Reader, key: Key) -> Schedule:
    """The schedule whose report this user may read, by name or number. Raises NotFound."""
    row = named(_readable_by(user), key)
    if row is None:
        raise NotFound(f"expected the name, or number, of a schedule whose report you may read, got {str(key)[:100]!r}")
    return row


def hidden_from(user: Reader, row: Schedule) -> str:
    """Why this user may read of the report, but not the result itself: it may repeat parameters; empty if they may.

    The schedule's own readers were chosen to read just that.
    """
    kind = work.of(row.periodic_task).kind
    if access.sees_parameters(user, kind, None) or (user is not None and row.readers.filter(user=user.pk).exists()):
        return ""
    return hidden(kind)


def latest_result(row: Schedule) -> Tick | None:
    """The latest tick whose job has succeeded; None if there is none."""
    return with_jobs(row.ticks.filter(job__state=State.SUCCEEDED).order_by("-due_at")).first()


@dataclass(frozen=True)
class _Seen:
    """A schedule with its latest tick, and the latest that has brought a result."""

    row: Schedule
    latest: Tick | None
    result: Tick | None
    now: datetime

    @cached_property
    def awaited_at(self) -> datetime | None:
        """The first due time that no tick tells of; of a paused schedule, what it would have been."""
        task = self.row.periodic_task
        if task.enabled:
            return self.row.next_due_at
        if self.latest is None or task.one_off:
            return None
        try:
            return timings.first(timings.of(task, self.row), self.latest.due_at)
        except InvalidRequest:
            return None

    @cached_property
    def because(self) -> Because | None:
        """Why the report is stale; None if it is fresh."""
        latest, job = self.latest, self.latest.job if self.latest else None
        facts = staleness.Facts(
            enabled=self.row.periodic_task.enabled,
            broken=bool(self.row.broken),
            held_up=bool(self.row.held_up),
            has_result=self.result is not None,
            latest=staleness.of_tick(TickOutcome(latest.outcome), job.status if job else None) if latest else None,
            awaited_at=self.awaited_at,
        )
        return staleness.because(facts, now=self.now)

    @cached_property
    def columns(self) -> dict[str, Any]:
        """Those of a line."""
        task, job = self.row.periodic_task, self.result.job if self.result else None
        return {
            "id": self.row.pk, "name": task.name, "description": task.description,
            "kind": work.of(task).kind, "timing": in_words(task),
            "job": job.id if job else None, "due_at": self.result.due_at if self.result else None,
            "started_at": job.started_at if job else None, "finished_at": job.finished_at if job else None,
            "result_bytes": job.result_bytes if job else 0,
            "next_due_at": self.row.next_due_at if task.enabled and not self.row.broken else None,
            "stale": self.because is not None, "because": self.because,
            "why": self.because.meaning if self.because else "",
        }  # fmt: skip

    def missing_since(self, ticks: list[Tick]) -> datetime | None:
        """When the first result was due that has not come."""
        if self.because is None:
            return None
        after = self.result.due_at if self.result else None
        moments = [tick.due_at for tick in ticks if after is None or tick.due_at > after]
        moments += [self.awaited_at] if self.awaited_at is not None and self.awaited_at <= self.now else []
        return min(moments, default=None)

    def changed_at(self, ticks: list[Tick]) -> datetime | None:
        """When what is shown changed last. It changes by itself when a time is due; when it broke is not recorded."""
        if self.because is Because.BROKEN:
            return None
        moments = [self.row.periodic_task.date_changed]
        for tick in (*ticks, *([self.result] if self.result else [])):
            moments.append(tick.decided_at)
            moments += [tick.job.started_at, tick.job.finished_at] if tick.job else []
        if self.awaited_at is not None:
            moments += [self.awaited_at, self.awaited_at + staleness.PATIENCE]
        return max((moment for moment in moments if moment is not None and moment <= self.now), default=None)


def _readable_by(user: Reader) -> QuerySet[Schedule]:
    rows = Schedule.objects.select_related(*WITH_TASK)
    if user is None or user.has_perm(SEE_ALL):
        return rows
    if not user.is_authenticated:
        return rows.none()
    # A subquery, not a join: who is in two of the groups would find the row twice.
    theirs = Schedule.readers.through.objects.filter(group__user=user)
    return rows.filter(pk__in=theirs.values("schedule"))


def _run(tick: Tick, *, told: bool) -> RunView:
    job = tick.job
    return RunView(
        due_at=tick.due_at,
        outcome=TickOutcome(tick.outcome),
        state=job.status if job else None,
        started_at=job.started_at if job else None,
        finished_at=job.finished_at if job else None,
        value=run_values.number(tick.value) if told else None,  # type: ignore[attr-defined]  # run_values.added
    )
