"""When a schedule is due. Pure: a crontab and a moment in, instants out; no clock is looked at.

A crontab names local times, and two nights a year these are odd. In a *gap* clocks are put forward: times between do
not exist. In a *repeat* they are put back: times between exist twice. What happens then is each schedule's choice.
Local times are resolved as in PEP 495, with the rules of the IANA time zone database.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from django_celery_beat.models import CrontabSchedule

from jobs_app.errors import InvalidRequest
from jobs_app.ticking import Gap, Repeat

DAY = timedelta(days=1)

SEARCH_DAYS = 41 * 366
"""How far a crontab is searched: a 29 February on a certain day of the week comes within 40 years, around 2100."""

ALL_HOURS = frozenset(range(24))


@dataclass(frozen=True)
class Fire:
    """One time at which a schedule is due.

    ``at`` is in UTC. ``named``: the local time that the crontab names, without a zone. ``odd``: in words, where that
    time does not exist or exists twice, and what is done about it; else empty.
    """

    at: datetime
    named: datetime
    odd: str = ""


@dataclass(frozen=True)
class Crontab:
    """Due at the named minutes of local time. Sets as Celery expands them; days of the week from 0, Sunday.

    A day has to fit all three: of the month, of the week, and the month, as in Celery (other crons take either day).
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days_of_week: frozenset[int]
    days_of_month: frozenset[int]
    months: frozenset[int]
    zone: ZoneInfo
    gap: Gap = Gap.AFTER
    repeat: Repeat = Repeat.USUAL

    def after(self, moment: datetime) -> Iterator[Fire]:
        """What is due after a moment, without end. Raises InvalidRequest if that is never."""
        last = moment
        # A local day may begin before the same day of UTC, and what a gap put off comes later than it was named.
        day = moment.astimezone(self.zone).date() - DAY
        in_vain = 0
        while in_vain < SEARCH_DAYS:
            in_vain += 1
            for fire in self._of_day(day, last) if self._fits(day) else ():
                if fire.at > last:
                    last, in_vain = fire.at, 0
                    yield fire
            day += DAY
        raise InvalidRequest(
            "expected a crontab that fires some day, got one that never does: within 40 years there is no such day of "
            "the month that is also one of those days of the week"
        )

    def _fits(self, day: date) -> bool:
        return day.month in self.months and day.day in self.days_of_month and day.isoweekday() % 7 in self.days_of_week

    def _of_day(self, day: date, last: datetime) -> Iterator[Fire]:
        """What is due on a local day, in order; hours that ended before ``last`` may be left out."""
        midnight, minutes = datetime(day.year, day.month, day.day), sorted(self.minutes)  # noqa: DTZ001
        hours = [midnight + timedelta(hours=hour) for hour in sorted(self.hours)]
        offset = usual_offset(self.zone, day)
        if offset is None:
            named = (hour + timedelta(minutes=minute) for hour in hours for minute in minutes)
            yield from sorted((fire for each in named for fire in self._resolve(each)), key=lambda each: each.at)
            return
        from_hour = (last.astimezone(UTC) + offset).replace(tzinfo=None, minute=0, second=0, microsecond=0)
        for hour in hours:
            for minute in minutes if hour >= from_hour else ():
                local = hour + timedelta(minutes=minute)
                yield Fire((local - offset).replace(tzinfo=UTC), local)

    def _resolve(self, named: datetime) -> Iterator[Fire]:
        """The instants of a local time: one, or, in odd nights, none or two."""
        first = named.replace(tzinfo=self.zone).astimezone(UTC)
        second = named.replace(tzinfo=self.zone, fold=1).astimezone(UTC)
        if first == second:
            yield Fire(first, named)
        elif first > second:
            if self.gap is Gap.AFTER:
                yield Fire(self._turn(second, first), named, "this time is skipped: due when the clocks have changed")
        elif self._both():
            yield Fire(first, named, "this time comes twice: the first")
            yield Fire(second, named, "this time comes twice: the second")
        else:
            yield Fire(first, named, "this time comes twice: due at the first only")

    def _both(self) -> bool:
        return self.repeat is Repeat.BOTH or (self.repeat is Repeat.USUAL and self.hours == ALL_HOURS)

    def _turn(self, before: datetime, after: datetime) -> datetime:
        """The instant at which the clocks change, between two instants. To the second."""
        was = before.astimezone(self.zone).utcoffset()
        while after - before > timedelta(seconds=1):
            middle = before + (after - before) // 2
            if middle.astimezone(self.zone).utcoffset() == was:
                before = middle
            else:
                after = middle
        return after.replace(microsecond=0)


@lru_cache(maxsize=4096)
def usual_offset(zone: ZoneInfo, day: date) -> timedelta | None:
    """How far a zone is from UTC on a local day; None on a day that is odd, or next to one."""
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001
    times = (midnight + timedelta(hours=hour) for hour in range(-1, 26))
    offsets = {each.replace(tzinfo=zone, fold=fold).utcoffset() for each in times for fold in (0, 1)}
    return offsets.pop() if len(offsets) == 1 else None


def of(row: CrontabSchedule, *, gap: Gap = Gap.AFTER, repeat: Repeat = Repeat.USUAL) -> Crontab:
    """A crontab as django-celery-beat keeps it. Raises InvalidRequest for one that Celery does not take."""
    fields = (row.minute, row.hour, row.day_of_week, row.day_of_month, row.month_of_year)
    try:
        minutes, hours, week, days, months = _expanded(*fields)
        return Crontab(minutes, hours, week, days, months, ZoneInfo(str(row.timezone)), gap, repeat)
    except Exception as error:  # noqa: BLE001 - Celery's own class of them is not to be named here
        raise InvalidRequest(f"expected a crontab that fires some day, got one that never does: {error}") from None


@lru_cache(maxsize=4096)
def _expanded(minute: str, hour: str, week: str, day: str, month: str) -> tuple[frozenset[int], ...]:
    """The sets of numbers that Celery makes of a crontab's columns. Slow, and asked often for the same."""
    columns = CrontabSchedule(minute=minute, hour=hour, day_of_week=week, day_of_month=day, month_of_year=month)
    found = columns.schedule
    sets = (found.minute, found.hour, found.day_of_week, found.day_of_month, found.month_of_year)
    return tuple(frozenset(each) for each in sets)


def check(row: CrontabSchedule, *, now: datetime) -> None:
    """Raises InvalidRequest for a crontab that never fires."""
    next(of(row).after(now))
