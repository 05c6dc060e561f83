"""Durations as people write them: ``90 s``, ``1 h 30 min``, ``0:05:00``."""

from __future__ import annotations

import re
from datetime import timedelta

from django.utils.dateparse import parse_duration

UNITS = {
    "d": 86_400, "day": 86_400, "days": 86_400,
    "h": 3600, "hour": 3600, "hours": 3600,
    "m": 60, "min": 60, "minute": 60, "minutes": 60,
    "s": 1, "sec": 1, "second": 1, "seconds": 1,
}  # fmt: skip
WORDS = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*([a-z]+)", re.IGNORECASE)
EXAMPLE = "90 s, 1 h 30 min or 0:05:00"


def read(text: str) -> timedelta | None:
    """The duration a person wrote, or None for anything else. ISO 8601 (``PT90S``) is understood too."""
    found = WORDS.findall(text)
    if found and not WORDS.sub("", text).strip(" ,") and all(unit.lower() in UNITS for _, unit in found):
        return timedelta(seconds=sum(float(number) * UNITS[unit.lower()] for number, unit in found))
    # A bare number is left alone: nobody could say whether seconds or minutes are meant.
    return parse_duration(text) if ":" in text or text.startswith(("P", "-P")) else None


def write(value: timedelta) -> str:
    """``1 h 30 min``, ``0.5 s``; what ``read`` reads."""
    seconds = abs(value.total_seconds())
    parts = []
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            parts.append(f"{int(seconds // length)} {unit}")
            seconds %= length
    if seconds or not parts:
        parts.append(f"{seconds:.6f}".rstrip("0").rstrip(".") + " s")
    return ("-" if value < timedelta(0) else "") + " ".join(parts)
