"""The rows of rollups: adding sums to them, and reading sums from them. The caller has advanced the cursor."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from jobs_app.core import queries, sql
from jobs_app.core.rollups import sums
from jobs_app.core.rollups.cursor import Place
from jobs_app.core.rollups.sums import COUNTS, Buckets, Key, Sums
from jobs_app.models import Rollup, Total
from jobs_app.models.guard import writing
from jobs_app.steps import Step

ROWS = 500
KEYS = len(Key._fields)
VALUES = ("refused", "wait", "run", "wait_micros", "run_micros")


def add(minutes: Mapping[Key, Sums], place: Place, *, gone: bool = False) -> None:
    """Add sums of minutes to the rows of minutes, hours and days that are still kept, and to those of all owners.

    gone: to those of what was pruned, which nobody reads but the proof.
    """
    for step in Step:
        delta = dict(minutes) if step is Step.MINUTE else sums.coarser(minutes, step)
        if not gone:
            delta |= sums.together(delta)
        _merge(step, {key: each for key, each in delta.items() if place.keeps(step, key.at)}, gone)
    if not gone:
        _add_to_totals(minutes)


def _add_to_totals(minutes: Mapping[Key, Sums]) -> None:
    """Add to what only grows: of every owner and time together. The cursor lets one at a time come here."""
    delta: dict[tuple[str, str], Sums] = {}
    for key, each in minutes.items():
        delta.setdefault((key.queue, key.kind), Sums()).add(each)
    there = {pair: each for pair, each in totals().items() if pair in delta}
    rows = [_total(pair, _sum(there.get(pair), delta[pair])) for pair in sorted(delta)]
    columns = (*COUNTS, *VALUES)
    with writing():
        Total.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["queue", "kind"], update_fields=columns
        )  # fmt: skip


def totals() -> dict[tuple[str, str], Sums]:
    """What has happened since the table of totals is there, by queue and kind."""
    return {(row[0], row[1]): _sums(row[2:]) for row in Total.objects.values_list("queue", "kind", *COUNTS, *VALUES)}


def _total(pair: tuple[str, str], each: Sums) -> Total:
    queue, kind = pair
    return Total(
        queue=queue, kind=kind, **{name: each.counts[name] for name in COUNTS}, refused=each.refused,
        wait=each.wait, run=each.run, wait_micros=each.wait_micros, run_micros=each.run_micros,
    )  # fmt: skip


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
    if not buckets:
        return
    statement = sql.statement("put_rollup")
    with connection.cursor() as cursor:
        for keys in _parts(sorted(buckets)):
            cursor.executemany(statement, [_values(step, key, buckets[key], gone) for key in keys])


def rows(step: Step, begin: datetime, end: datetime, *, gone: bool = False) -> QuerySet[Rollup]:
    """The rows of a period."""
    return Rollup.objects.filter(gone=gone, step=step, at__gte=begin, at__lt=end)


def of(found: QuerySet[Rollup]) -> Buckets:
    """Rows as sums."""
    columns = (*Key._fields, *COUNTS, *VALUES)
    return {Key(*row[:KEYS]): _sums(row[KEYS:]) for row in found.values_list(*columns)}


def _touched(step: Step, keys: tuple[Key, ...], gone: bool) -> QuerySet[Rollup]:
    """The rows of these keys, and perhaps a few of others."""
    ats, queues, kinds, owners = (sorted(set(column)) for column in zip(*keys, strict=True))
    found = Rollup.objects.filter(gone=gone, step=step, at__in=ats)
    return found.filter(queue__in=queues, kind__in=kinds, owner__in=owners)


def _values(step: Step, key: Key, each: Sums, gone: bool) -> tuple[Any, ...]:
    """A row as the statement takes it."""
    return (
        gone, str(step), queries.bind_time(key.at), key.queue, key.kind, key.owner,
        *(each.counts[name] for name in COUNTS),
        json.dumps(each.refused), json.dumps(each.wait), json.dumps(each.run), each.wait_micros, each.run_micros,
    )  # fmt: skip


def _sums(row: tuple[Any, ...]) -> Sums:
    refused, wait, run, wait_micros, run_micros = row[len(COUNTS) :]
    counts = Counter({name: count for name, count in zip(COUNTS, row, strict=False) if count})
    return Sums(counts, Counter(refused), _bins(wait), _bins(run), wait_micros, run_micros)


def _bins(kept: dict[str, int]) -> Counter[int]:
    return Counter({int(number): count for number, count in kept.items()})


def _parts(keys: list[Key]) -> Iterator[tuple[Key, ...]]:
    return (tuple(keys[place : place + ROWS]) for place in range(0, len(keys), ROWS))
