"""The rows of rollups: adding sums to them, and reading sums from them. The caller has advanced the cursor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime

from django.db.models import QuerySet

from jobs_app.core.rollups import sums
from jobs_app.core.rollups.cursor import Place
from jobs_app.core.rollups.sums import COUNTS, Buckets, Key, Sums
from jobs_app.models import Rollup
from jobs_app.models.guard import writing
from jobs_app.steps import Step

ROWS = 500
KEY = ("gone", "step", "at", "queue", "kind", "owner")
VALUES = (*COUNTS, "refused", "wait", "run", "wait_micros", "run_micros")


def add(minutes: Mapping[Key, Sums], place: Place, *, gone: bool = False) -> None:
    """Add sums of minutes to the rows of minutes, hours and days that are still kept."""
    for step in Step:
        delta = dict(minutes) if step is Step.MINUTE else sums.coarser(minutes, step)
        _merge(step, {key: each for key, each in delta.items() if place.keeps(step, key.at)}, gone)


def _merge(step: Step, delta: Buckets, gone: bool) -> None:
    for keys in _parts(sorted(delta)):
        there = of(_touched(step, keys, gone))
        write(step, {key: _sum(there.get(key), delta[key]) for key in keys}, gone=gone)


def _sum(there: Sums | None, more: Sums) -> Sums:
    if there is None:
        return more
    there.add(more)
    return there


def write(step: Step, buckets: Mapping[Key, Sums], *, gone: bool = False) -> None:
    """Write rows as given, in the place of those there are."""
    with writing():
        for keys in _parts(sorted(buckets)):
            Rollup.objects.bulk_create(
                [_row(step, key, buckets[key], gone) for key in keys],
                update_conflicts=True, unique_fields=KEY, update_fields=VALUES,
            )  # fmt: skip


def rows(step: Step, begin: datetime, end: datetime, *, gone: bool = False) -> QuerySet[Rollup]:
    """The rows of a period."""
    return Rollup.objects.filter(gone=gone, step=step, at__gte=begin, at__lt=end)


def of(found: QuerySet[Rollup]) -> Buckets:
    """Rows as sums."""
    return {Key(row.at, row.queue, row.kind, row.owner): _sums(row) for row in found}


def _touched(step: Step, keys: tuple[Key, ...], gone: bool) -> QuerySet[Rollup]:
    """The rows of these keys, and perhaps a few of others."""
    ats, queues, kinds, owners = (sorted(set(column)) for column in zip(*keys, strict=True))
    found = Rollup.objects.filter(gone=gone, step=step, at__in=ats)
    return found.filter(queue__in=queues, kind__in=kinds, owner__in=owners)


def _row(step: Step, key: Key, each: Sums, gone: bool) -> Rollup:
    return Rollup(
        gone=gone, step=step, **key._asdict(), **{name: each.counts[name] for name in COUNTS},
        refused=dict(each.refused), wait=_kept(each.wait), run=_kept(each.run),
        wait_micros=each.wait_micros, run_micros=each.run_micros,
    )  # fmt: skip


def _sums(row: Rollup) -> Sums:
    counts = Counter({name: count for name in COUNTS if (count := getattr(row, name))})
    return Sums(counts, Counter(row.refused), _bins(row.wait), _bins(row.run), row.wait_micros, row.run_micros)


def _kept(bins: Counter[int]) -> dict[str, int]:
    return {str(number): bins[number] for number in sorted(bins)}


def _bins(kept: dict[str, int]) -> Counter[int]:
    return Counter({int(number): count for number, count in kept.items()})


def _parts(keys: list[Key]) -> Iterator[tuple[Key, ...]]:
    return (tuple(keys[place : place + ROWS]) for place in range(0, len(keys), ROWS))
