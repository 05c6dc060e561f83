"""Buckets as a chart and a table, in the shapes that the job page draws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from jobs_app.authoring import Chart, Series, Table
from jobs_app.steps import Step
from tasks.kinds.growing.models import Dataset
from tasks.kinds.growing.reading import Shown

ROWS = "rows"
LINES = 6
"""Groups of a chart: those with the most rows."""

TABLE_ROWS = 200
EXACT = 2**53


def chart(dataset: Dataset, step: Step, buckets: Sequence[Shown], figure: str = "") -> Chart:
    """A line for each group. figure: a measure, whose mean is drawn, or "rows"; default the first measure."""
    figure = figure or next(iter(dataset.measures), ROWS)
    measure = (dataset.measures or [""])[0] if figure == ROWS else figure
    mine = [each for each in buckets if each.measure == measure]
    times = _times(step, mine)
    weights = Counter[tuple[str, ...]]()
    for each in mine:
        weights[each.group] += each.figures.rows
    at = {(each.group, each.at): each for each in mine}
    series = [
        Series(name=named(group), values=[_value(at.get((group, time)), figure) for time in times])
        for group in sorted(group for group, _ in weights.most_common(LINES))
    ]
    return Chart(
        style="line" if len(times) > 1 else "bar",
        title=title(dataset, step, figure),
        labels=[_label(step, time) for time in times],
        series=series,
    )


def table(dataset: Dataset, step: Step, buckets: Sequence[Shown]) -> Table:
    """The newest buckets first."""
    several = len(dataset.measures) > 1
    rows = [
        [
            _label(step, each.at),
            *(value or "(none)" for value in each.group),
            *([each.measure] if several else []),
            each.figures.rows,
            *(_figures(each) if dataset.measures else []),
        ]
        for each in reversed(buckets[-TABLE_ROWS:])
    ]
    figures = ["numbers", "mean", "sum", "minimum", "maximum"] if dataset.measures else []
    return Table(
        title=f"{', '.join(dataset.measures) or 'Rows'} by {step}, newest first",
        columns=[str(step), *dataset.groups, *(["measure"] if several else []), ROWS, *figures],
        rows=rows,
        total_rows=len(buckets),
    )


def title(dataset: Dataset, step: Step, figure: str) -> str:
    """What a chart shows, in words."""
    by = f", by {', '.join(dataset.groups)}" if dataset.groups else ""
    return f"{'Rows' if figure == ROWS else f'Mean of {figure}'} by {step}{by}"


def named(group: Sequence[str]) -> str:
    """A group in words."""
    return " · ".join(each or "(none)" for each in group) or "all"


def plain(value: Decimal | None) -> Any:
    """A number as JSON has it: whole ones as such, others as near as 64-bit floating point is."""
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() and abs(value) < EXACT else float(value)


def _figures(bucket: Shown) -> list[Any]:
    """Numbers, mean, sum, minimum, maximum."""
    figures = bucket.figures
    return [figures.numbers, bucket.mean, *map(plain, (figures.sum, figures.least, figures.greatest))]


def _times(step: Step, buckets: Sequence[Shown]) -> list[datetime]:
    """Every hour or day from the first to the last, also those without a row."""
    if not buckets:
        return []
    first, last = buckets[0].at, buckets[-1].at
    return [first + number * step.length for number in range((last - first) // step.length + 1)]


def _value(bucket: Shown | None, figure: str) -> float | None:
    if figure == ROWS:
        return bucket.figures.rows if bucket else 0
    return bucket.mean if bucket else None


def _label(step: Step, at: datetime) -> str:
    return f"{at:%Y-%m-%d}" if step is Step.DAY else f"{at:%Y-%m-%d %H:00}"
