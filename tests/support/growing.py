"""Growing datasets for tests, and what they should hold: counted by hand, with fractions."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from django.contrib.auth.models import User

from jobs_app.authoring import DetachedContext
from tasks.kinds.growing import datasets, folding
from tasks.kinds.growing.models import CURRENT, Bucket, Dataset
from tasks.kinds.growing.rows import Layout

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
BEGIN = datetime(2013, 1, 1, 5, tzinfo=UTC)
LAYOUT = Layout("at", ("place",), ("delay",))

Table = dict[tuple[str, datetime, str, str], tuple[int, int, Any, Any, Any]]


def made(owner: User, name: str = "flights", layout: Layout = LAYOUT) -> Dataset:
    """A new dataset."""
    return datasets.create(owner, name, layout, now=NOW)[0]


def row(hours: float = 0, place: str | None = "JFK", delay: Any = 1) -> dict[str, Any]:
    """A row so many hours after the beginning."""
    return {"at": (BEGIN + timedelta(hours=hours)).isoformat(), "place": place, "delay": delay}


def appended(dataset: Dataset, *rows: Mapping[str, Any], key: str | None = None) -> datasets.Appended:
    """Append rows."""
    return datasets.append_rows(dataset, rows, key=key, now=NOW)


def fold(dataset: Dataset) -> int:
    """Fold what is new, as the system does."""
    return folding.fold(dataset, job=None, context=DetachedContext(), now=NOW)


def recompute(dataset: Dataset) -> int:
    """Build the table anew; returns how many buckets were wrong."""
    return folding.recompute(dataset, context=DetachedContext(), now=NOW)


def table(dataset: Dataset) -> Table:
    """The current table, numbers as text: to the digit."""
    rows = Bucket.objects.filter(rollup__dataset=dataset, rollup__state=CURRENT)
    return {
        (each.step, each.at, each.group, each.measure):
            (each.rows, each.numbers, each.sum, each.least, each.greatest) for each in rows
    }  # fmt: skip


def counted(rows: Iterable[Mapping[str, Any]], layout: Layout = LAYOUT) -> Table:
    """What the table should hold: by brute force, in fractions, which know no rounding."""
    counts: defaultdict[Any, int] = defaultdict(int)
    values: defaultdict[Any, list[Fraction]] = defaultdict(list)
    for each in rows:
        at = datetime.fromisoformat(each[layout.time])
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        group = json.dumps([_text(each[name]) for name in layout.groups], ensure_ascii=False)
        for step, begin in (("hour", at.replace(minute=0, second=0, microsecond=0)),
                            ("day", at.replace(hour=0, minute=0, second=0, microsecond=0))):  # fmt: skip
            for measure in layout.measures or ("",):
                key = (step, begin, group, measure)
                counts[key] += 1
                value = each.get(measure) if measure else None
                if value not in (None, "", "NA"):
                    values[key].append(Fraction(str(value)))
    return {key: (count, len(values[key]), *map(_exact, _three(values[key]))) for key, count in counts.items()}


def _three(values: list[Fraction]) -> tuple[Fraction | None, Fraction | None, Fraction | None]:
    return (sum(values, Fraction()), min(values), max(values)) if values else (None, None, None)


def _exact(value: Fraction | None) -> str:
    """A fraction of a power of ten, written out."""
    if value is None:
        return ""
    decimals = 0
    while (value * 10**decimals).denominator != 1:
        decimals += 1
    digits = str(abs(int(value * 10**decimals))).rjust(decimals + 1, "0")
    text = f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits
    return f"-{text}" if value < 0 else text


def _text(value: Any) -> str:
    return "" if value is None else str(value)
