"""When a schedule is due. Pure: a crontab and a moment in, instants out; no clock is looked at.

A crontab names local times, and two nights a year these are odd. In a *gap* clocks are put forward: times between do
not exist. In a *repeat* they are put back: times between exist twice. What happens then is each schedule's choice.
Local times are resolved as in PEP 495, with the rules of the IANA time zone database.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from django_celery_beat.models import CrontabSchedule

from jobs_app.errors import InvalidRequest

DAY = timedelta(days=1)

SEARCH_DAYS = 41 * 366
"""How far a crontab is searched: a 29 February on a certain day of the week comes within 40 years, around 2100."""

ALL_HOURS = frozenset(range(24))


class Gap(StrEnum):
    """What becomes of a local time that does not exist, in the night when clocks are put forward."""

    AFTER = "after"
    """It is due as soon as the clocks have changed; once, however many of them were skipped."""
    SKIP = "skip"
    """It is left out."""


class Repeat(StrEnum):
    """What becomes of a local time that exists twice, in the night when clocks are put back."""

    USUAL = "usual"
    """A crontab of all hours is due both times, since it is meant to come each hour; any other once, the first time."""
    FIRST = "first"
    BOTH = "both"


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
            for fire in sorted(self._of_day(day), key=lambda each: each.at) if self._fits(day) else ():
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

    def _of_day(self, day: date) -> Iterator[Fire]:
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes):
                yield from self._resolve(datetime(day.year, day.month, day.day, hour, minute))  # noqa: DTZ001

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


def of(row: CrontabSchedule) -> Crontab:
    """A crontab as django-celery-beat keeps it. Raises InvalidRequest for one that Celery does not take."""
    try:
        fields = row.schedule
    except ValueError as error:
        raise InvalidRequest(f"expected a crontab that fires some day, got one that never does: {error}") from None
    minutes, hours, days_of_week, days_of_month, months = (
        frozenset(each)
        for each in (fields.minute, fields.hour, fields.day_of_week, fields.day_of_month, fields.month_of_year)
    )
    return Crontab(minutes, hours, days_of_week, days_of_month, months, ZoneInfo(str(row.timezone)))


def check(row: CrontabSchedule, *, now: datetime) -> None:
    """Raises InvalidRequest for a crontab that never fires."""
    next(of(row).after(now))
