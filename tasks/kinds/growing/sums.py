"""Sums of rows in memory: hours and days, exact, so that neither the order nor the batches of rows matter."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import NamedTuple

from jobs_app.authoring import Discard
from jobs_app.steps import Step
from tasks.kinds.growing.rows import Layout, Row

STEPS = (Step.HOUR, Step.DAY)
EXACT = Context(prec=78, Emin=-999, Emax=999, traps=[Inexact, InvalidOperation])
"""Arithmetic that is exact, or raises: room for a million million of the largest numbers."""


HOURS = 300_000
"""Hours of groups that one file may have: they are added up in memory, and written in one transaction."""


class Key(NamedTuple):
    """Which bucket."""

    step: str
    at: datetime
    group: str
    measure: str


@dataclass
class Figures:
    """What a bucket holds. ``rows`` counts all rows, ``numbers`` those that have a number in the measure."""

    rows: int = 0
    numbers: int = 0
    sum: Decimal | None = None
    least: Decimal | None = None
    greatest: Decimal | None = None

    def add(self, value: Decimal | None) -> None:
        """Count one row."""
        self.rows += 1
        if value is not None:
            self._join(1, value, value, value)

    def merge(self, other: Figures) -> None:
        """Count what another has counted."""
        self.rows += other.rows
        if other.sum is not None and other.least is not None and other.greatest is not None:
            self._join(other.numbers, other.sum, other.least, other.greatest)

    def _join(self, numbers: int, total: Decimal, least: Decimal, greatest: Decimal) -> None:
        self.numbers += numbers
        self.sum = total if self.sum is None else EXACT.add(self.sum, total)
        self.least = least if self.least is None or least < self.least else self.least
        self.greatest = greatest if self.greatest is None or greatest > self.greatest else self.greatest


def written(value: Decimal | None) -> str:
    """A number as it is kept: without an exponent or zeros at its end, so that equal ones are the same text."""
    if value is None:
        return ""
    return format(EXACT.normalize(value), "f") if value else "0"


def read(text: str) -> Decimal | None:
    """A number that was ``written``."""
    return Decimal(text) if text else None


class Sums:
    """Rows of parts in order, added up. ``newest``: the newest hour of what was folded before."""

    def __init__(self, layout: Layout, newest: datetime | None, most: float = math.inf) -> None:
        self.newest = newest
        self._most = most
        self._layout = layout
        self._measures = layout.measures or ("",)
        self._hours: dict[tuple[datetime, tuple[str, ...]], list[Figures]] = {}

    def add(self, rows: Iterable[Row]) -> tuple[int, int]:
        """Add the rows of one part; returns how many there were, and how many of them late.

        Late are those of an hour before the newest hour of earlier parts; within a part the order does not matter.
        """
        before, newest, count, late = self.newest, self.newest, 0, 0
        hours, width = self._hours, len(self._measures)
        for at, group, values in rows:
            hour = at.replace(minute=0, second=0, microsecond=0)
            count += 1
            late += before is not None and hour < before
            if newest is None or hour > newest:
                newest = hour
            figures = hours.get((hour, group))
            if figures is None:
                if len(hours) >= self._most:
                    raise Discard(f"expected at most {self._most:,} hours of groups in one file, got more; cut it up")
                figures = hours[hour, group] = [Figures() for _ in range(width)]
            for each, value in zip(figures, values or (None,), strict=True):
                each.add(value)
        self.newest = newest
        return count, late

    def add_whole(self, rows: Iterable[Row]) -> tuple[int, int]:
        """As ``add`` for the rows of a file: all of them or, if reading raises, none.

        Raises Discard for too many groups.
        """
        apart = Sums(self._layout, self.newest, HOURS)
        counted = apart.add(rows)
        for place, figures in apart._hours.items():
            mine = self._hours.setdefault(place, [Figures() for _ in self._measures])
            for each, other in zip(mine, figures, strict=True):
                each.merge(other)
        self.newest = apart.newest
        return counted

    def buckets(self) -> dict[Key, Figures]:
        """All buckets, hours and days."""
        found: dict[Key, Figures] = {}
        for step in STEPS:
            for key, figures in self._of(step):
                found.setdefault(key, Figures()).merge(figures)
        return found

    def _of(self, step: Step) -> Iterator[tuple[Key, Figures]]:
        for (hour, group), figures in self._hours.items():
            at, name = step.floor(hour), json.dumps(group, ensure_ascii=False)
            for measure, each in zip(self._measures, figures, strict=True):
                yield Key(step, at, name, measure), each
