"""Values in tables: numbers under one another with the same decimals, everything else as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

LENGTH = 300
TALL = 20
SHORT = 28
DECIMALS = 4
COMMAS_FROM = 10_000
JOB = "job"
"""The name of a column whose values are ids of jobs."""

EXACT = 10**15
"""Floats above this are written with an exponent."""


@dataclass(frozen=True)
class Cell:
    """What stands in a table's cell; ``full`` is the whole value where ``text`` is rounded or cut.

    job: it is the id of one.
    """

    text: str
    full: str = ""
    missing: bool = False
    job: bool = False

    @property
    def looks(self) -> str:
        """How the cell is to look, beside being a number: as a class."""
        return "missing" if self.missing else "short" if len(self.text) <= SHORT else "long"


@dataclass(frozen=True)
class Look:
    """How the numbers of a column are written: with a comma between thousands or not, and how many decimals."""

    comma: str = ""
    decimals: int = 0


@dataclass(frozen=True)
class Grid:
    """A table ready to draw: per column its name and whether it holds numbers."""

    columns: list[tuple[str, bool]]
    rows: list[list[tuple[Cell, bool]]]

    @property
    def tall(self) -> bool:
        """Whether it is to scroll by itself."""
        return len(self.rows) > TALL

    @classmethod
    def of(cls, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Grid:
        """From raw values; short rows are filled up."""
        padded = [[*row, *[None] * (len(names) - len(row))] for row in rows]
        columns = [[row[place] for row in padded] for place in range(len(names))]
        numeric = [_is_numeric(column) for column in columns]
        looks = [_look(column) if is_number else Look() for column, is_number in zip(columns, numeric, strict=True)]
        drawn = [
            [
                ((names[place] == JOB and _of_job(value)) or cell(value, looks[place]), numeric[place])
                for place, value in enumerate(row[: len(names)])
            ]
            for row in padded
        ]
        return cls(list(zip(names, numeric, strict=True)), drawn)


def cell(value: Any, look: Look | None = None) -> Cell:
    """One value; numbers as ``look`` says (default: as fits this one number)."""
    if value is None:
        return Cell("\N{EN DASH}", missing=True)
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    if isinstance(value, (int, float)):
        look = look or _look([value])
        return Cell(f"{value:{look.comma}d}") if isinstance(value, int) else _real(value, look)
    text = str(value)
    return Cell(text) if len(text) <= LENGTH else Cell(text[: LENGTH - 1] + "…", text[:5000])


def _of_job(value: Any) -> Cell | None:
    try:
        return Cell(value, job=True) if isinstance(value, str) and str(UUID(value)) == value else None
    except ValueError:
        return None


def _real(value: float, look: Look) -> Cell:
    if not math.isfinite(value) or abs(value) >= EXACT or 0 < abs(value) < 10**-DECIMALS:
        return Cell(f"{value:.4g}", repr(value))
    text = f"{value:{look.comma}.{look.decimals}f}"
    return Cell(text, "" if float(text.replace(",", "")) == value else repr(value))


def _is_numeric(values: Sequence[Any]) -> bool:
    known = [each for each in values if each is not None]
    return bool(known) and all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in known)


def _look(values: Sequence[Any]) -> Look:
    """How a column is written. Commas from five digits on: years and small codes stay as they are.

    Decimals that show what differs: all of them if few, else about four significant digits of the largest.
    """
    known = [each for each in values if each is not None and math.isfinite(each)]
    reals = [each for each in known if isinstance(each, float)]
    needed = max((len(f"{each:.10f}".rstrip("0").partition(".")[2]) for each in reals), default=0)
    largest = max((abs(each) for each in reals), default=0.0)
    fitting = 4 if largest < 1 else 3 if largest < 10 else 2 if largest < 1000 else 1
    comma = "," if any(abs(each) >= COMMAS_FROM for each in known) else ""
    return Look(comma, min(needed, max(fitting, 2 if needed <= 2 else fitting)))
