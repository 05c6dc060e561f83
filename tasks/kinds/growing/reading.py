"""What is shown of growing datasets: how far one is folded, and its buckets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import QuerySet

from jobs_app.errors import InvalidRequest
from jobs_app.steps import Step
from tasks.kinds.growing.models import CURRENT, Bucket, Dataset, Part, Rollup
from tasks.kinds.growing.store import figures_of
from tasks.kinds.growing.sums import Figures

MOST = 10_000
"""Buckets of one answer."""

PARTS = 20


@dataclass(frozen=True)
class State:
    """How far a dataset is folded. ``through``: the last part that is; ``waiting``: parts beyond it."""

    through: int
    waiting: int
    rows: int
    late: int
    set_aside: int
    newest: datetime | None
    folded_at: datetime | None


@dataclass(frozen=True)
class Shown:
    """A bucket. ``group``: a text for each grouping column, empty where a row had none."""

    at: datetime
    group: tuple[str, ...]
    measure: str
    figures: Figures

    @property
    def mean(self) -> float | None:
        """As near as 64-bit floating point is."""
        return None if self.figures.sum is None else float(self.figures.sum / Decimal(self.figures.numbers))


def states(datasets: Sequence[Dataset]) -> dict[int, State]:
    """How far each is folded, by its id."""
    rows = {each.dataset_id: each for each in Rollup.objects.filter(dataset__in=datasets, state=CURRENT)}
    return {each.pk: _state(each, rows.get(each.pk, Rollup())) for each in datasets}


def state(dataset: Dataset) -> State:
    """How far one is folded, and how many parts there are now."""
    dataset.refresh_from_db(fields=["parts"])
    return states([dataset])[dataset.pk]


def newest_parts(dataset: Dataset) -> list[Part]:
    """The last parts, newest first."""
    return list(Part.objects.filter(dataset=dataset).defer("content").order_by("-number")[:PARTS])


def period(
    dataset: Dataset, step: Step, begin: datetime, end: datetime, *, group: Sequence[str] | None = None,
    total: bool = False,
) -> list[Shown]:  # fmt: skip
    """The buckets that begin in a period, in order. group: of this group only. total: all groups in one.

    Raises InvalidRequest for more than 10,000.
    """
    rows = _buckets(dataset, step).filter(at__gte=begin, at__lt=end)
    if group is not None:
        if len(group) != len(dataset.groups):
            raise InvalidRequest(
                f"expected a value for each of {len(dataset.groups)} grouping columns, got {len(group)}"
            )
        rows = rows.filter(group=json.dumps(list(group), ensure_ascii=False))
    found = list(rows.order_by("at", "group", "measure")[: MOST + 1])
    if len(found) > MOST:
        raise InvalidRequest(f"expected a period of at most {MOST:,} buckets, got more; ask for a shorter one")
    shown = [_shown(each) for each in found]
    return merged(shown) if total else shown


def newest(dataset: Dataset, step: Step, count: int, before: datetime | None = None) -> list[Shown]:
    """The buckets of the last times (hours, days) that begin before a moment, in order; of many groups not all."""
    rollup = Rollup.objects.filter(dataset=dataset, state=CURRENT).first()
    if rollup is None or rollup.newest is None:
        return []
    end = rollup.newest + Step.HOUR.length if before is None else before
    begin = step.ceiling(end) - count * step.length
    rows = _buckets(dataset, step).filter(at__gte=begin, at__lt=end)
    return [_shown(each) for each in rows.order_by("-at", "group", "measure")[:MOST]][::-1]


def merged(buckets: Iterable[Shown]) -> list[Shown]:
    """The groups of each time in one."""
    found: dict[tuple[datetime, str], Figures] = {}
    for each in buckets:
        found.setdefault((each.at, each.measure), Figures()).merge(each.figures)
    return [Shown(at, (), measure, figures) for (at, measure), figures in found.items()]


def _buckets(dataset: Dataset, step: Step) -> QuerySet[Bucket]:
    return Bucket.objects.filter(rollup__dataset=dataset, rollup__state=CURRENT, step=step)


def _shown(row: Bucket) -> Shown:
    return Shown(row.at, tuple(json.loads(row.group)), row.measure, figures_of(row))


def _state(dataset: Dataset, rollup: Rollup) -> State:
    return State(
        through=rollup.through, waiting=max(dataset.parts - rollup.through, 0), rows=rollup.rows, late=rollup.late,
        set_aside=rollup.aside, newest=rollup.newest, folded_at=rollup.folded_at,
    )  # fmt: skip
