"""Proof: do the rollups equal the ledger? And mending them where they do not.

Both go through a period one UTC day at a time. For that time aggregators and pruning are asked to wait, so that what is
counted stands still; nobody else waits, and events of jobs go on being written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.db import transaction
from django.db.models import Max, Min

from jobs_app.core.rollups import cursor, store, sums
from jobs_app.core.rollups.cursor import Place
from jobs_app.core.rollups.sources import SOURCES
from jobs_app.core.rollups.sums import EVERYONE, Buckets, Key, Sums
from jobs_app.errors import Conflict
from jobs_app.models import Rollup
from jobs_app.models.guard import writing
from jobs_app.steps import Step

HOLD_SECONDS = 900.0
"""Aggregators wait no longer than this for one day to be proved, should the one who asked be killed."""

NOTHING = Sums()


@dataclass(frozen=True)
class Difference:
    """A bucket that is not what the ledger says."""

    step: Step
    key: Key
    expected: Sums
    found: Sums

    def __str__(self) -> str:
        key = self.key
        whose = f"queue {key.queue!r}, kind {key.kind!r}, owner {key.owner}"
        said = "; ".join(f"{name}: expected {right}, got {wrong}" for name, right, wrong in self._fields())
        return f"{self.step} {key.at:%Y-%m-%d %H:%M} of {whose}: {said}"

    def _fields(self) -> Iterator[tuple[str, Any, Any]]:
        for name in sorted({*self.expected.counts, *self.found.counts}):
            if self.expected.counts[name] != self.found.counts[name]:
                yield name, self.expected.counts[name], self.found.counts[name]
        for name in ("refused", "wait", "run", "wait_micros", "run_micros"):
            right, wrong = getattr(self.expected, name), getattr(self.found, name)
            if right != wrong:
                yield name, _short(right), _short(wrong)


def extent() -> tuple[datetime, datetime] | None:
    """The first and the last UTC day of which anything is known, the end not included; None if nothing is."""
    moments: list[datetime] = []
    for source in SOURCES:
        moments += source.model._default_manager.aggregate(first=Min("at"), last=Max("at")).values()
    moments += Rollup.objects.aggregate(first=Min("at"), last=Max("at")).values()
    known = [each for each in moments if each is not None]
    return (Step.DAY.floor(min(known)), Step.DAY.floor(max(known)) + Step.DAY.length) if known else None


def verify(
    begin: datetime, end: datetime, *, clock: Callable[[], datetime]
) -> Iterator[tuple[datetime, list[Difference]]]:
    """Compare the UTC days that a period touches with the ledger: each day, and where it differs.

    Raises Conflict while another command holds the aggregators off.
    """
    for day in _days(begin, end):
        with _held(clock) as place:
            yield day, _differences(day, _expected(day, place), place)


def rebuild(begin: datetime, end: datetime, *, clock: Callable[[], datetime]) -> Iterator[tuple[datetime, int]]:
    """Write the rollups of the UTC days that a period touches anew: each day, and how many rows were wrong.

    Sums of all owners are made also where an older release had kept none.

    One transaction a day, so that a rebuild that is killed leaves each day either as it was or mended. Raises Conflict
    as ``verify``.
    """
    for day in _days(begin, end):
        with _held(clock) as place:
            whole = place.with_all_together()
            wrong = _differences(day, _expected(day, whole), whole)
            if wrong:
                _mend(wrong, place)
            yield day, len(wrong)
    with _held(clock) as place:
        first, last = Step.DAY.floor(begin), Step.DAY.ceiling(end)
        since = place.together_from
        if place.together_version == place.version and since is not None and first < since <= last:
            cursor.advance(place, together_from=first)


def _mend(wrong: list[Difference], place: Place) -> None:
    with transaction.atomic():
        if not cursor.advance(place):
            raise Conflict("expected the rollups to stand still, and another command changed them; try again")
        for step in Step:
            right = {each.key: each.expected for each in wrong if each.step is step and each.expected != NOTHING}
            store.write(step, right)
            with writing():
                for each in wrong:
                    if each.step is step and each.expected == NOTHING:
                        Rollup.objects.filter(gone=False, step=step, **each.key._asdict()).delete()


def _expected(day: datetime, place: Place) -> dict[Step, Buckets]:
    """What the rows of a day should be: the ledger's rows that are left, and what was noted of those that are gone."""
    end = day + Step.DAY.length
    minutes: Buckets = {}
    for source in SOURCES:
        for part in source.between(day, end, place):
            sums.add(minutes, part)
    found = {}
    for step in Step:
        whole = sums.add(sums.coarser(minutes, step), store.of(store.rows(step, day, end, gone=True)))
        whole |= {key: each for key, each in sums.together(whole).items() if place.told_together(key.at)}
        found[step] = {key: each for key, each in whole.items() if place.keeps(step, key.at)}
    return found


def _differences(day: datetime, expected: dict[Step, Buckets], place: Place) -> list[Difference]:
    wrong = []
    for step in Step:
        kept = store.of(store.rows(step, day, day + Step.DAY.length))
        found = {
            key: each
            for key, each in kept.items()
            if place.keeps(step, key.at) and (key.owner != EVERYONE or place.told_together(key.at))
        }
        for key in sorted({*expected[step], *found}):
            right, there = expected[step].get(key, NOTHING), found.get(key, NOTHING)
            if right != there:
                wrong.append(Difference(step, key, right, there))
    return wrong


def _days(begin: datetime, end: datetime) -> Iterator[datetime]:
    day = Step.DAY.floor(begin)
    while day < end:
        yield day
        day += Step.DAY.length


@contextmanager
def _held(clock: Callable[[], datetime]) -> Iterator[Place]:
    who = f"proof {uuid4()}"
    place = cursor.hold(who, now=clock(), seconds=HOLD_SECONDS)
    if place is None:
        raise Conflict("expected to hold the aggregators off, and another command does so already; try again later")
    try:
        yield place
    finally:
        cursor.release(who)


def _short(value: Any) -> str:
    text = str(dict(sorted(value.items())) if isinstance(value, dict) else value)
    return text if len(text) <= 120 else f"{text[:120]}…"
