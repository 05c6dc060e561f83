"""What is rolled up: the tables of events and of refusals, whose rows are only ever added."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, Model, OuterRef, QuerySet, Subquery

from jobs_app.core.rollups import sums
from jobs_app.core.rollups.cursor import Place
from jobs_app.core.rollups.sums import Buckets, Happened, Refused
from jobs_app.models import Event, Refusal

CHUNK = 10_000
"""Rows of a period that are in memory at once."""


@dataclass(frozen=True)
class Source:
    """One of the tables. ``through``: the cursor's column for it."""

    through: str
    model: type[Model]
    rows: Callable[[QuerySet[Any]], list[Any]]
    sums: Callable[[list[Any]], Buckets]

    @property
    def table(self) -> str:
        """Its name in the database."""
        return self.model._meta.db_table

    @property
    def objects(self) -> QuerySet[Any]:
        """All of its rows, in order."""
        return self.model._default_manager.order_by("id")

    def between(self, begin: datetime, end: datetime, place: Place) -> Iterator[Buckets]:
        """Sums of the rows of a period that are rolled up already, in parts that are to be added."""
        last, through = 0, place.through[self.through]
        gaps = [gap for gap in place.gaps if gap.table == self.table]
        while True:
            found = self.rows(self.objects.filter(at__gte=begin, at__lt=end, id__gt=last, id__lte=through)[:CHUNK])
            yield self.sums([row for row in found if not any(gap.holds(row.id) for gap in gaps)])
            if len(found) < CHUNK:
                return
            last = found[-1].id


def _events(rows: QuerySet[Event]) -> list[Happened]:
    # The event before, leaving out those that are no moves, is how the job came into the state that it now leaves.
    # Events of one job are written under the lock of its row: their ids are in the order in which they happened.
    before = Event.objects.filter(job=OuterRef("job"), id__lt=OuterRef("id")).exclude(source=F("target"))
    since = Subquery(before.order_by("-id").values("at")[:1])
    columns = ("id", "at", "name", "source", "target", "job__queue", "job__kind", "job__owner_id", since)
    return [Happened(*row) for row in rows.values_list(*columns)]


def _refusals(rows: QuerySet[Refusal]) -> list[Refused]:
    return [Refused(*row) for row in rows.values_list("id", "at", "queue", "owner_id", "reason", "count")]


EVENTS = Source("events_through", Event, _events, sums.of_events)
REFUSALS = Source("refusals_through", Refusal, _refusals, sums.of_refusals)
SOURCES = (EVENTS, REFUSALS)
