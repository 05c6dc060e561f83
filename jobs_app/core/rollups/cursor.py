"""The cursor: how far the ledger is rolled up, and the guard of all rollups.

Whoever writes rollups reads the cursor, does its reading, and then writes in one transaction that begins by raising the
cursor's version from what it read. If another was quicker, no row matches and nothing is written: so of two aggregators
at once one does the work, and one that is killed leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Max, Q

from jobs_app.core.rollups.gaps import Gap
from jobs_app.models import Rollup, RollupCursor
from jobs_app.models.guard import writing
from jobs_app.steps import Step

NEXT = {"version": F("version") + 1, "together_version": F("together_version") + 1}
"""Another version, of which is known as before whether sums of all owners were kept up to it."""

HORIZONS = {Step.MINUTE: "minutes_from", Step.HOUR: "hours_from", Step.DAY: "days_from"}


@dataclass(frozen=True)
class Place:
    """The cursor as it was read. kept_from: buckets that began before were pruned, and are not written again."""

    version: int
    through: Mapping[str, int]
    gaps: tuple[Gap, ...]
    caught_up_at: datetime | None
    held_until: datetime | None
    kept_from: Mapping[Step, datetime | None]
    together_version: int
    together_from: datetime | None

    def held(self, now: datetime) -> bool:
        """Whether someone has asked aggregators to wait."""
        return self.held_until is not None and self.held_until > now

    def keeps(self, step: Step, at: datetime) -> bool:
        """Whether a bucket is still kept."""
        begin = self.kept_from[step]
        return begin is None or at >= begin

    def with_all_together(self) -> Place:
        """As if there were sums of all owners of everything: for whoever makes them."""
        return replace(self, together_version=self.version, together_from=None)

    def told_together(self, at: datetime) -> bool:
        """Whether there are sums of all owners for a bucket."""
        return self.together_version == self.version and (self.together_from is None or at >= self.together_from)


def read() -> Place:
    """Where the rollups stand."""
    row = RollupCursor.objects.first() or _made()
    return Place(
        row.version,
        {"events_through": row.events_through, "refusals_through": row.refusals_through},
        tuple(Gap.of(each) for each in row.gaps),
        row.caught_up_at,
        row.held_until,
        {step: getattr(row, column) for step, column in HORIZONS.items()},
        row.together_version,
        row.together_from,
    )


def advance(place: Place, **changes: Any) -> bool:
    """Raise the version, first of all writes of the caller's transaction. Returns False if another was quicker."""
    after = place.version + 1
    if place.together_version != place.version:
        changes["together_from"] = _untouched()
    with writing():
        rows = RollupCursor.objects.filter(id=1, version=place.version)
        return bool(rows.update(version=after, together_version=after, **changes))


def _untouched() -> datetime | None:
    """The first day of which nothing is counted yet: from there on sums of all owners are whole.

    An aggregator of a release that keeps none has written meanwhile.
    """
    newest: datetime | None = Rollup.objects.filter(step=Step.DAY).aggregate(newest=Max("at"))["newest"]
    return newest and newest + Step.DAY.length


def hold(who: str, *, now: datetime, seconds: float) -> Place | None:
    """Ask aggregators to wait for so long; returns the place, or None while another holds them off."""
    read()
    free = Q(held_until=None) | Q(held_until__lte=now) | Q(held_by=who)
    with writing():
        row = RollupCursor.objects.filter(free, id=1)
        held = row.update(held_by=who, held_until=now + timedelta(seconds=seconds), **NEXT)
    return read() if held else None


def release(who: str) -> None:
    """Let aggregators go on."""
    with writing():
        RollupCursor.objects.filter(id=1, held_by=who).update(held_by="", held_until=None, **NEXT)


def _made() -> RollupCursor:
    with writing():
        RollupCursor.objects.bulk_create([RollupCursor(id=1)], ignore_conflicts=True)
    return RollupCursor.objects.get(id=1)
