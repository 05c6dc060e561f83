"""Values on their way from a dataset to a result: what counts as a number, what as missing, what a page can show."""

from __future__ import annotations

from typing import Any

from tasks.kinds.datasets.engine import text
from tasks.kinds.datasets.sources import Column

MISSING_WORDS = ("", "NA", "N/A", "NAN", "NULL", "NONE", "-")
"""Texts, in upper case, that stand for a missing number."""

LONGEST_SHOWN = 200
EXACT = 2**53
"""Whole numbers below this are exact in the 64-bit floating point that sums are made in."""


def number(column: Column) -> str:
    """SQL: the column as DOUBLE, or NULL where it holds none. Infinities and NaN are none."""
    return f"if(isfinite(TRY_CAST({column.sql} AS DOUBLE)), TRY_CAST({column.sql} AS DOUBLE), NULL)"


def missing(column: Column) -> str:
    """SQL: whether the column's value stands for a missing number."""
    words = ", ".join(text(word) for word in MISSING_WORDS)
    return f"({column.sql} IS NULL OR upper(trim(CAST({column.sql} AS VARCHAR))) IN ({words}))"


def shown(value: Any) -> Any:
    """A value as JSON can hold it and a table can show it; long texts are cut."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float) and abs(value) < float("inf"):
        return value
    said = str(value)
    return said if len(said) <= LONGEST_SHOWN else said[: LONGEST_SHOWN - 1] + "…"
