"""Reading schedules: the list by pages, one of them with its next fires and its last ticks. For operators only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import takewhile
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from jobs_app.core import timing
from jobs_app.core.schedules import changes
from jobs_app.errors import InvalidRequest, NotAllowed, NotFound
from jobs_app.models import Schedule, Tick
from jobs_app.models.job import ACT_ON_ALL, SEE_ALL
from jobs_app.reads.schedule_views import FireView, ScheduleDetailView, ScheduleView, TickView
from jobs_app.ticking import Gap

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from jobs_app.reads.jobs import Reader

Key = str | int
"""What a schedule is found by: its name, or its number."""

PAGE, PAGE_LIMIT = 50, 200
FIRES, TICKS = 10, 20
DIGITS = 10
"""A number of so many digits is that of no schedule."""

TIMINGS = ("interval", "crontab", "solar", "clocked")
WITH_TASK = ("periodic_task", *(f"periodic_task__{name}" for name in TIMINGS))
TICK_COLUMNS = (
    "schedule", "due_at", "decided_at", "outcome", "reason", "out_of_turn",
    "job__state", "job__started_at", "job__finished_at", "job__result_bytes",
)  # fmt: skip
"""Without the job's result, which may be long."""


class Only(StrEnum):
    """Which schedules a list shows."""

    ALL = "all"
    BROKEN = "broken"
    PAUSED = "paused"


@dataclass(frozen=True)
class SchedulePage:
    """One page of a list, by name, and the cursor of the next (None at the end)."""

    schedules: list[ScheduleView]
    next_cursor: str | None


def schedule_page(user: Reader, only: Only = Only.ALL, *, cursor: str = "", limit: int = PAGE) -> SchedulePage:
    """A page of the schedules. The cursor is the last name seen. Raises NotAllowed, InvalidRequest."""
    _check(user)
    if not 1 <= limit <= PAGE_LIMIT:
        raise InvalidRequest(f"expected a limit from 1 to {PAGE_LIMIT}, got {limit}")
    rows = _chosen(only).select_related(*WITH_TASK).order_by("periodic_task__name")
    if cursor:
        rows = rows.filter(periodic_task__name__gt=printable(cursor))
    latest = Tick.objects.filter(schedule=OuterRef("pk")).order_by("-due_at").values("pk")[:1]
    found = list(rows.annotate(last_id=Subquery(latest))[: limit + 1])
    more, found = len(found) > limit, found[:limit]
    ticks = with_jobs(Tick.objects.filter(pk__in=[row.last_id for row in found if row.last_id]))
    last = {tick.schedule_id: tick for tick in ticks}
    return SchedulePage([_view(row, last.get(row.pk), user) for row in found], found[-1].name if more else None)


def counts(user: Reader) -> dict[Only, int]:
    """How many schedules there are, and how many of them need somebody. Raises NotAllowed."""
    _check(user)
    return {only: _chosen(only).count() for only in Only}


def schedule(user: Reader, key: Key, *, now: datetime) -> ScheduleDetailView:
    """One schedule. Raises NotAllowed, NotFound."""
    row = find(user, key)
    ticks = list(with_jobs(row.ticks.order_by("-due_at"))[:TICKS])
    zone = zone_of(row)
    columns = ScheduleView.columns(row, ticks[0] if ticks else None, zone=zone.key, viewer=user)
    seen = not columns["parameters_hidden"]
    told = [TickView.of(tick, seen=seen) for tick in ticks]
    return ScheduleDetailView(**columns, fires=_fires(row, zone, now), ticks=told)


def find(user: Reader, key: Key) -> Schedule:
    """The row of a schedule, with its timing. Raises NotAllowed, NotFound."""
    _check(user)
    row = named(Schedule.objects.select_related(*WITH_TASK), key)
    if row is None:
        raise NotFound(f"expected the name of a schedule, or its number, got {str(key)[:100]!r}")
    return row


def may_change(user: User) -> bool:
    """Whether this user may run, pause and resume schedules; the core asks again."""
    return user.has_perms([SEE_ALL, ACT_ON_ALL, "django_celery_beat.change_periodictask"])


def named(rows: QuerySet[Schedule], key: Key) -> Schedule | None:
    """The one with that number; or that name; or, if a text is no name but a number, with that number."""
    if isinstance(key, int):
        return rows.filter(pk=key).first() if key < 10**DIGITS else None
    wanted = Q(periodic_task__name=printable(key))
    if key.isascii() and key.isdigit() and len(key) < DIGITS:
        wanted |= Q(pk=int(key))
    found = list(rows.filter(wanted))
    return next((row for row in found if row.name == key), found[0] if found else None)


def with_jobs(ticks: QuerySet[Tick]) -> QuerySet[Tick]:
    """Ticks with what is shown of their jobs."""
    return ticks.select_related("job").only(*TICK_COLUMNS)


def zone_of(row: Schedule) -> ZoneInfo:
    """The zone of a crontab's times; for all else that of the site."""
    crontab = row.periodic_task.crontab
    return ZoneInfo(str(crontab.timezone) if crontab else timezone.get_default_timezone_name())


def printable(text: str) -> str:
    """Raises InvalidRequest for a text that no schedule can have as its name, and no database would compare."""
    if not text.isprintable():
        raise InvalidRequest("expected a name of printable text")
    return text


def _fires(row: Schedule, zone: ZoneInfo, now: datetime) -> list[FireView]:
    """The next ones, and among them the times that will be left out, because clocks skip them."""
    fires = [FireView.of(fire, zone) for fire in changes.upcoming(row, count=FIRES, now=now)]
    crontab = row.periodic_task.crontab
    if fires and crontab is not None and row.gap == Gap.SKIP:
        all_times = takewhile(lambda each: each.at < fires[-1].at, timing.of(crontab).after(now))
        skipped = [FireView.of(each, zone, left_out=True) for each in all_times if each.named != _naive(each.at, zone)]
        fires = sorted([*fires, *skipped], key=lambda each: each.at)
    return fires


def _naive(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def _view(row: Schedule, last: Tick | None, user: Reader) -> ScheduleView:
    return ScheduleView(**ScheduleView.columns(row, last, zone=zone_of(row).key, viewer=user))


def _chosen(only: Only) -> QuerySet[Schedule]:
    rows = Schedule.objects.all()
    if only is Only.BROKEN:
        return rows.exclude(broken="")
    return rows.filter(periodic_task__enabled=False) if only is Only.PAUSED else rows


def _check(user: Reader) -> None:
    if user is not None and not user.has_perm(SEE_ALL):
        raise NotAllowed("expected the permission to see all jobs, which those who look after schedules have")
