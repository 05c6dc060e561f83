"""Times and durations as people type them: ISO 8601, or short forms such as 90s, 2h, 7d."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from django.utils import dateparse, timezone

from jobs_app.errors import InvalidRequest

SHORT = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d|w)")
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def short_duration(text: str) -> timedelta | None:
    """``90s``, ``1.5h`` or ``7d`` as a duration; None for anything else."""
    found = SHORT.fullmatch(text.strip())
    if found is None:
        return None
    try:
        return timedelta(seconds=float(found[1]) * SECONDS[found[2]])
    except OverflowError:
        return None


def seconds(text: str, flag: str) -> float:
    """A waiting time in seconds: a bare number, or a short form. Raises InvalidRequest."""
    duration = short_duration(text)
    if duration is not None:
        return duration.total_seconds()
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise InvalidRequest(f"{flag}: expected seconds or a duration such as 90s or 5m, got {text[:60]!r}")
    return value


def past(text: str, flag: str) -> datetime:
    """A moment, or how long ago it was (``2h``). Raises InvalidRequest."""
    return _moment(text, flag, -1)


def coming(text: str, flag: str) -> datetime:
    """A moment, or how long until then (``2h``, ``+2h``). Raises InvalidRequest."""
    return _moment(text.removeprefix("+"), flag, 1)


def shown(moment: datetime | None) -> str:
    """A time as people read it, in the configured time zone."""
    return "" if moment is None else timezone.localtime(moment).strftime("%Y-%m-%d %H:%M:%S")


def _moment(text: str, flag: str, direction: int) -> datetime:
    found: datetime | None
    try:
        duration = short_duration(text)
        # What the user means by "2h" is by their own clock: no decision of the core rests on it.
        found = datetime.now(UTC) + direction * duration if duration is not None else _parsed(text)
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise InvalidRequest(
            f"{flag}: expected a time such as 2030-01-31T09:00, 2030-01-31 or 2h, got {text[:60]!r}; "
            f"without an offset it is in {timezone.get_current_timezone_name()}"
        )
    return found


def _parsed(text: str) -> datetime | None:
    day = dateparse.parse_date(text)
    moment = datetime(day.year, day.month, day.day) if day else dateparse.parse_datetime(text)  # noqa: DTZ001 - zone follows
    if moment is not None and timezone.is_naive(moment):
        return timezone.make_aware(moment)
    return moment
