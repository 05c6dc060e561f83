"""A chart of a summary: bars for one grouping column, a line for each value of the first when there are two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from jobs_app.authoring import Chart, Series

MOST_LABELS = 60
MOST_SERIES = 8


def draw(rows: Sequence[Sequence[Any]], *, keys: int, value: int, title: str, weight: int | None = None) -> Chart:
    """Draw column ``value`` of ``rows``, whose first ``keys`` columns name the group.

    weight: the column by which the largest lines are chosen when there are too many (default: their number of points).
    """
    if keys == 2 and len({row[0] for row in rows}) > 1 and len({row[1] for row in rows}) > 1:
        return _lines(rows, value, title, weight)
    first = rows[:MOST_LABELS]
    labels = [" · ".join(_label(key) for key in row[:keys]) for row in first]
    return Chart(title=title, labels=labels, series=[Series(name=title, values=[row[value] for row in first])])


def _lines(rows: Sequence[Sequence[Any]], value: int, title: str, weight: int | None) -> Chart:
    weights: Counter[Any] = Counter()
    for row in rows:
        weights[row[0]] += 1 if weight is None else row[weight]
    chosen = {name for name, _ in weights.most_common(MOST_SERIES)}
    points = sorted({row[1] for row in rows}, key=_order)[:MOST_LABELS]
    at = {(row[0], row[1]): row[value] for row in rows}
    series = [
        Series(name=_label(name), values=[at.get((name, point)) for point in points])
        for name in sorted(chosen, key=_order)
    ]
    return Chart(style="line", title=title, labels=[_label(point) for point in points], series=series)


def _order(key: Any) -> tuple[bool, bool, Any]:
    """Numbers before texts before nothing: the values of a column may be of several types."""
    is_number = isinstance(key, (int, float))
    return key is None, not is_number, key if is_number else str(key)


def _label(key: Any) -> str:
    return "(none)" if key is None else str(key)[:60]
