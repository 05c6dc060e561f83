"""Rolling up: count what is new, once, in bounded batches."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from jobs_app.core.rollups import cursor, ending, failing, gaps, levels, store, sums
from jobs_app.core.rollups.cursor import Place
from jobs_app.core.rollups.gaps import Gap
from jobs_app.core.rollups.sources import EVENTS, SOURCES, Source
from jobs_app.core.rollups.sums import Buckets
from jobs_app.core.turns import Turns

BATCH = 2_000
"""Rows of each table that one transaction counts."""

BATCHES = 10
"""Transactions of one run; what is left is the next run's."""

LARGE_BATCH = 20_000
"""The same when all of a ledger is to be counted: the hours and days are written less often."""


@dataclass
class Harvest:
    """What was read for one transaction: sums to add, and where the cursor stands then. more: the batch was full.

    failed: ids of the events that may tell of failures. ended: those by which jobs ended.
    """

    read: int = 0
    more: bool = False
    buckets: Buckets = field(default_factory=dict)
    through: dict[str, int] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)


def roll(*, now: datetime, batches: int = BATCHES, batch: int | None = None, seconds: float = math.inf) -> int:
    """Count what was not counted yet, and look how deep the queues are. Returns how many rows were counted.

    batch: rows of each table that one transaction counts (default: BATCH). seconds: no transaction begins after that.
    Two at once, one killed in the middle, one left out: none harms, since each batch is one guarded transaction.
    """
    counted, turns = 0, Turns(batches, seconds)
    while turns.take():
        place = cursor.read()
        if place.held(now):
            break
        harvest = _harvest(place, now, batch or BATCH)
        if _write(place, harvest, now):
            counted += harvest.read
        if not harvest.more:
            break
    return counted


def _harvest(place: Place, now: datetime, batch: int) -> Harvest:
    harvest = Harvest(through=dict(place.through))
    for source in SOURCES:
        _mend(source, [gap for gap in place.gaps if gap.table == source.table], harvest, batch)
        _reap(source, place.through[source.through], harvest, now, batch)
    return harvest


def _mend(source: Source, known: list[Gap], harvest: Harvest, batch: int) -> None:
    """Count what has appeared in the gaps. One whose writers have all ended is closed after that."""
    # Asked first: what they had written is there to be read when they are not found any more.
    writers = gaps.writers(source.table) if known else frozenset[str]()
    for gap in known:
        span = source.objects.filter(id__gte=gap.ranges[0][0], id__lte=gap.ranges[-1][1])
        appeared = [number for number in span.values_list("id", flat=True) if gap.holds(number)][:batch]
        if appeared:
            _count(source, source.rows(source.objects.filter(id__in=appeared)), harvest)
        left = gap.without(appeared)
        full = len(appeared) == batch
        harvest.more |= full
        if left.ranges and (gap.writers & writers or full):
            harvest.gaps.append(left)


def _reap(source: Source, through: int, harvest: Harvest, now: datetime, batch: int) -> None:
    """Count the rows above ``through``, and note the gaps among them."""
    rows = source.rows(source.objects.filter(id__gt=through)[:batch])
    if not rows:
        return
    ranges = gaps.missing(through, [row.id for row in rows]) if gaps.happen() else ()
    if ranges:
        harvest.gaps.append(Gap(source.table, ranges, gaps.writers(source.table), now.isoformat()))
    _count(source, rows, harvest)
    harvest.through[source.through] = rows[-1].id
    harvest.more |= len(rows) == batch


def _count(source: Source, rows: list[Any], harvest: Harvest) -> None:
    harvest.read += len(rows)
    sums.add(harvest.buckets, source.sums(rows))
    if source is EVENTS:
        harvest.failed += failing.told_by(rows)
        harvest.ended += ending.told_by(rows)


def _write(place: Place, harvest: Harvest, now: datetime) -> bool:
    """Write a batch in one transaction. Returns False if another aggregator was quicker: then nothing is written."""
    changes: dict[str, Any] = {**harvest.through, "gaps": [gap.as_json() for gap in harvest.gaps]}
    seen = {}
    if not harvest.more:
        changes["caught_up_at"] = min([now, *(datetime.fromisoformat(gap.seen_at) for gap in harvest.gaps)])
        seen = levels.look(now=now)
    failed, told = failing.look(harvest.failed), ending.look(harvest.ended)
    with transaction.atomic():
        if not cursor.advance(place, **changes):
            return False
        store.add(harvest.buckets, place)
        levels.note(seen, now=now)
        failing.note(failed, now=now)
        ending.note(told)
    return True
