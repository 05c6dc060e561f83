"""Numbers and times in words, as short as a person would say them. ``page.js`` says times in the same words."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

MINUTE, HOUR, DAY = 60, 3600, 86_400


def length(value: timedelta | float) -> str:
    """A duration: ``40 ms``, ``3.2 s``, ``4 min 5 s``, ``2 h 10 min``, ``3 d 4 h``."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    seconds = max(seconds, 0.0)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, size, below, small in (("min", MINUTE, "s", 1), ("h", HOUR, "min", MINUTE), ("d", DAY, "h", HOUR)):
        if whole < size * (60 if size < HOUR else 24 if size < DAY else 10**9):
            rest = whole % size // small
            return f"{whole // size} {unit}" + (f" {rest} {below}" if rest else "")
    return f"{whole} s"


def distance(moment: datetime, now: datetime) -> str:
    """How far a moment is: ``just now``, ``5 min ago``, ``in 2 h``; a date when that is more than a day."""
    seconds = (now - moment).total_seconds()
    gap = abs(seconds)
    if gap < 2:
        return "just now"
    if gap >= DAY:
        local = timezone.localtime(moment)
        return f"{local.day} {local:%b}" + ("" if local.year == timezone.localtime(now).year else f" {local.year}")
    size, unit = (HOUR, "h") if gap >= HOUR else (MINUTE, "min") if gap >= MINUTE else (1, "s")
    words = f"{int(gap // size)} {unit}"
    return f"{words} ago" if seconds > 0 else f"in {words}"


def rate(a_second: float) -> str:
    """So many in the unit that gives at least one: ``2.5 a second``, ``12 a minute``, ``0.3 an hour``; ``none``."""
    for size, unit in ((1, "a second"), (MINUTE, "a minute"), (HOUR, "an hour")):
        value = a_second * size
        if value >= 1:
            return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.2g} {unit}"
    return f"{a_second * HOUR:.1g} an hour" if a_second > 0 else "none"


def percent(fraction: float) -> int:
    """A fraction as whole per cent; 100 only when all is done."""
    # 0.29 * 100 is a little less than 29.
    return min(int(fraction * 100 + 1e-9), 99) if fraction < 1 else 100


def excerpt(parameters: dict[str, Any], limit: int = 90) -> str:
    """The telling parameters in one line: ``group_by: carrier, month · measure: distance``."""
    parts = []
    for name, value in parameters.items():
        text = ", ".join(str(each) for each in value) if isinstance(value, list) else str(value)
        # Ids, blanks and nested values tell nothing at a glance.
        if value in (None, "", [], {}) or isinstance(value, dict) or _is_id(text) or text.startswith("{"):
            continue
        parts.append(f"{name.replace('_', ' ')}: {' '.join(text.split())}")
    line = " · ".join(parts)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _is_id(text: str) -> bool:
    return len(text) >= 36 and text[8:9] == text[13:14] == text[18:19] == text[23:24] == "-"
