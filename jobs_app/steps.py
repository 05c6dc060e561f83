"""The steps of statistics: minutes, hours and days, all of them in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum


class Step(StrEnum):
    """How long a bucket of statistics is. ``length`` is exact: UTC knows no summer time."""

    length: timedelta

    def __new__(cls, value: str, length: timedelta = timedelta(0)) -> Step:
        member = str.__new__(cls, value)
        member._value_ = value
        member.length = length
        return member

    MINUTE = "minute", timedelta(minutes=1)
    HOUR = "hour", timedelta(hours=1)
    DAY = "day", timedelta(days=1)

    def floor(self, moment: datetime) -> datetime:
        """When the bucket began that a moment lies in."""
        begin = moment.astimezone(UTC).replace(second=0, microsecond=0)
        if self is Step.MINUTE:
            return begin
        return begin.replace(minute=0) if self is Step.HOUR else begin.replace(hour=0, minute=0)

    def ceiling(self, moment: datetime) -> datetime:
        """The first beginning of a bucket that is not before a moment."""
        begin = self.floor(moment)
        return begin if begin == moment else begin + self.length
