"""Buckets in the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from django.db.models import Exists, OuterRef

from tasks.kinds.growing.models import Bucket, Rollup
from tasks.kinds.growing.sums import Figures, Key, read, written

BATCH = 500
TIMES = 100
GROUPS = 300
"""With more groups in a batch of times, all groups of these times are read."""

KEY = ("rollup", "step", "at", "group", "measure")
FIGURES = ("rows", "numbers", "sum", "least", "greatest")


def add(rollup: Rollup, buckets: Mapping[Key, Figures]) -> None:
    """Add figures to those that are there. The caller holds the table's row: nobody else writes its buckets."""
    by_time: defaultdict[tuple[str, datetime], list[Key]] = defaultdict(list)
    for key in buckets:
        by_time[key.step, key.at].append(key)
    places = sorted(by_time)
    for begin in range(0, len(places), TIMES):
        batch = [key for place in places[begin : begin + TIMES] for key in by_time[place]]
        _add(rollup, {key: buckets[key] for key in batch})


def figures_of(bucket: Bucket) -> Figures:
    """What a row says."""
    return Figures(bucket.rows, bucket.numbers, read(bucket.sum), read(bucket.least), read(bucket.greatest))


def differences(one: Rollup, other: Rollup) -> int:
    """How many buckets are not the same in both tables."""
    return _only_in(one, other) + _only_in(other, one)


def _add(rollup: Rollup, buckets: dict[Key, Figures]) -> None:
    for key, there in _existing(rollup, buckets).items():
        there.merge(buckets[key])
        buckets[key] = there
    rows = [
        Bucket(
            rollup=rollup, step=str(key.step), at=key.at, group=key.group, measure=key.measure,
            rows=each.rows, numbers=each.numbers,
            sum=written(each.sum), least=written(each.least), greatest=written(each.greatest),
        ) for key, each in buckets.items()
    ]  # fmt: skip
    Bucket.objects.bulk_create(rows, batch_size=BATCH, update_conflicts=True, unique_fields=KEY, update_fields=FIGURES)


def _existing(rollup: Rollup, buckets: Mapping[Key, Figures]) -> dict[Key, Figures]:
    times: defaultdict[str, set[datetime]] = defaultdict(set)
    for key in buckets:
        times[key.step].add(key.at)
    groups = {key.group for key in buckets}
    found = {}
    for step, moments in times.items():
        rows = Bucket.objects.filter(rollup=rollup, step=step, at__in=moments)
        for row in rows.filter(group__in=groups) if len(groups) <= GROUPS else rows:
            key = Key(row.step, row.at, row.group, row.measure)
            if key in buckets:
                found[key] = figures_of(row)
    return found


def _only_in(one: Rollup, other: Rollup) -> int:
    same = {name: OuterRef(name) for name in (*KEY[1:], *FIGURES)}
    return Bucket.objects.filter(~Exists(Bucket.objects.filter(rollup=other, **same)), rollup=one).count()
