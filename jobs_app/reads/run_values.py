"""The chosen value of each run: a number somewhere in its job's result, picked out by the database."""

from __future__ import annotations

import math
from typing import Any

from django.db.models import Case, F, JSONField, QuerySet, When
from django.db.models.expressions import Combinable
from django.db.models.fields.json import KeyTransform

from jobs_app.models import Tick

LARGEST = 1e300
"""A larger number is no value to draw."""

BARE_BYTES = 64
"""A result that is a number by itself is no longer than that."""


def added(ticks: QuerySet[Tick], pointer: str) -> QuerySet[Tick]:
    """Ticks with ``value``: what the JSON Pointer leads to in their jobs' results; without one, the result itself.

    A result that is kept as a file is not in the ledger, and has no value here.
    """
    value: Combinable = F("job__result")
    if not pointer:
        value = Case(When(job__result_bytes__lte=BARE_BYTES, then=value), output_field=JSONField())
    for step in steps(pointer):
        value = KeyTransform(step, value)
    return ticks.annotate(value=value)


def steps(pointer: str) -> list[str]:
    """The names in a JSON Pointer (RFC 6901)."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def number(value: Any) -> float | None:
    """A number, also one that is written as a text, as decimals are; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and abs(found) <= LARGEST else None
