"""Gaps: ids that were given out and are not there to be read, yet or for ever.

PostgreSQL gives out ids when a row is written and shows it when its transaction commits. So a reader that has come to
id 9 may not have seen 7: its transaction goes on, or was rolled back. Each gap is therefore noted together with the
transactions that were writing to the table at that moment, and is looked at again until all of them have ended. Only
then is it known that nothing is missing.

Whoever inserts a row holds a lock on the table (ROW EXCLUSIVE, which locks nobody out) from before the id is given out
until the transaction ends, and the database tells who holds it. SQLite has one writer at a time, so its ids appear in
order and there are no gaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection

from jobs_app.core import sql

Range = tuple[int, int]


@dataclass(frozen=True)
class Gap:
    """Ids of one table, as ranges with both ends, that were missing while ``writers`` still wrote. ``seen_at``: ISO."""

    table: str
    ranges: tuple[Range, ...]
    writers: frozenset[str]
    seen_at: str

    def holds(self, number: int) -> bool:
        """Whether an id lies in it."""
        return any(first <= number <= last for first, last in self.ranges)

    def without(self, ids: Iterable[int]) -> Gap:
        """What is left of it when these ids have been read."""
        ranges = list(self.ranges)
        for number in sorted(ids):
            ranges = [part for each in ranges for part in _split(each, number)]
        return replace(self, ranges=tuple(ranges))

    def as_json(self) -> dict[str, Any]:
        """As the cursor's row keeps it."""
        return {**vars(self), "writers": sorted(self.writers)}

    @classmethod
    def of(cls, kept: dict[str, Any]) -> Gap:
        """From the cursor's row."""
        ranges = tuple((first, last) for first, last in kept["ranges"])
        return cls(kept["table"], ranges, frozenset(kept["writers"]), kept["seen_at"])


def happen() -> bool:
    """Whether this database shows rows in another order than that of their ids."""
    return connection.vendor == "postgresql"


def missing(after: int, ids: Sequence[int]) -> tuple[Range, ...]:
    """The ids above ``after`` and below the last of ``ids``, which are in order, that are not among them."""
    found, before = [], after
    for number in ids:
        if number > before + 1:
            found.append((before + 1, number - 1))
        before = number
    return tuple(found)


def writers(table: str) -> frozenset[str]:
    """The transactions that are writing to a table now."""
    if not happen():
        return frozenset()
    with connection.cursor() as cursor:
        cursor.execute(sql.statement("writers"), {"table": table})
        return frozenset(row[0] for row in cursor.fetchall())


def _split(each: Range, number: int) -> list[Range]:
    first, last = each
    if not first <= number <= last:
        return [each]
    return [part for part in ((first, number - 1), (number + 1, last)) if part[0] <= part[1]]
