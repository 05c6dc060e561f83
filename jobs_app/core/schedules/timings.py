"""When a schedule is due: its periodic task's columns as a timing, and what is due in a span of time.

Intervals stand still in time, so that no restart moves them: they are counted from ``start_time``, or else from
1 January 1970 in UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Protocol

from django_celery_beat.models import IntervalSchedule, PeriodicTask

from jobs_app.core import timing
from jobs_app.core.timing import Fire
from jobs_app.errors import InvalidRequest
from jobs_app.models import Schedule
from jobs_app.ticking import Gap, Repeat

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
SHORTEST, LONGEST = timedelta(seconds=1), timedelta(days=3660)

AGES = 50 * LONGEST
"""As far back as anything is searched."""

WINDOWS = tuple(timedelta(days=2**power) for power in range(0, 15, 3))
"""How far back a crontab is searched for its latest times: a day first, which is nearly always enough."""


class Source(Protocol):
    """What times come from."""

    def after(self, moment: datetime) -> Iterator[Fire]:
        """What is due after a moment."""


@dataclass(frozen=True)
class Interval:
    """Due every so often, counted from ``origin``."""

    every: timedelta
    origin: datetime = EPOCH

    def after(self, moment: datetime) -> Iterator[Fire]:
        """What is due after a moment, without end."""
        number = (moment - self.origin) // self.every + 1
        while True:
            at = self.origin + number * self.every
            yield Fire(at, at.replace(tzinfo=None))
            number += 1


@dataclass(frozen=True)
class Moment:
    """Due once."""

    at: datetime

    def after(self, moment: datetime) -> Iterator[Fire]:
        """Itself, if it is yet to come."""
        if self.at > moment:
            yield Fire(self.at, self.at.replace(tzinfo=None))


@dataclass(frozen=True)
class Span:
    """What is due in a span: its latest times, oldest first; whether there were earlier ones; and the next after it."""

    fires: list[datetime]
    earlier: bool
    following: datetime | None


@dataclass(frozen=True)
class Timing:
    """begin: not due before. end: not due from then on. once: only its first time counts."""

    source: Source
    begin: datetime | None = None
    end: datetime | None = None
    once: bool = False

    def after(self, moment: datetime) -> Iterator[Fire]:
        """What is due after a moment. Raises InvalidRequest for a crontab that never is."""
        if self.begin is not None:
            moment = max(moment, self.begin - MOMENT)
        found, end = self.source.after(moment), self.end
        return found if end is None else takewhile(lambda fire: fire.at < end, found)

    def span(self, after: datetime, until: datetime, *, most: int) -> Span:
        """What is due after ``after`` and not after ``until``: the latest, at most so many."""
        if self.begin is not None:
            after = max(after, self.begin - MOMENT)
        for begin in self._begins(after, until, most):
            found, following = self._between(begin, until)
            if begin == after or len(found) >= most:
                break
        return Span(found[-most:], begin > after or len(found) > most, following)

    def _begins(self, after: datetime, until: datetime, most: int) -> Iterator[datetime]:
        """Where to begin the search, later than ``after`` where that is long ago; the last is ``after``."""
        if isinstance(self.source, Interval):
            yield max(after, until - min((most + 1) * self.source.every, AGES))
        else:
            yield from (until - window for window in WINDOWS if until - window > after)
            yield after

    def _between(self, after: datetime, until: datetime) -> tuple[list[datetime], datetime | None]:
        found: list[datetime] = []
        for fire in self.after(after):
            if fire.at > until:
                return found, fire.at
            found.append(fire.at)
        return found, None


def of(task: PeriodicTask, schedule: Schedule) -> Timing:
    """A schedule's timing. Raises InvalidRequest, in words, for one that cannot be kept."""
    source = _source(task, Gap(schedule.gap), Repeat(schedule.repeat))
    return Timing(source, task.start_time, task.expires, task.one_off)


def first(timing_: Timing, moment: datetime) -> datetime | None:
    """The first time after a moment; None if there is none any more."""
    return next((fire.at for fire in timing_.after(moment)), None)


def every(row: IntervalSchedule) -> timedelta:
    """The length of an interval. Raises InvalidRequest for one that is too short or too long."""
    try:
        length = timedelta(**{row.period: row.every})
    except OverflowError:
        length = timedelta.max
    if not SHORTEST <= length <= LONGEST:
        raise InvalidRequest(f"expected an interval from a second to ten years, got {row}")
    return length


def _source(task: PeriodicTask, gap: Gap, repeat: Repeat) -> Source:
    if task.interval is not None:
        return Interval(every(task.interval), task.start_time or EPOCH)
    if task.crontab is not None:
        return timing.of(task.crontab, gap=gap, repeat=repeat)
    if task.clocked is not None:
        return Moment(task.clocked.clocked_time)
    if task.solar is not None:
        raise InvalidRequest(
            "expected an interval, a crontab or one moment, got a solar event: Weir does not compute these ahead"
        )
    raise InvalidRequest("expected an interval, a crontab or one moment, got none")
