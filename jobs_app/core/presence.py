"""Presence: which worker processes take jobs of a queue now. Each says so every few seconds; who is silent is gone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from jobs_app.core import queries
from jobs_app.models import Listener
from jobs_app.models.guard import writing

EVERY_SECONDS = 5.0
"""How often a process says that it is there."""

SILENCE = timedelta(seconds=15)
"""A process that said nothing for so long does not count."""

KEPT = timedelta(days=1)
"""Rows of processes that are gone are kept for so long."""


@dataclass(frozen=True)
class Listening:
    """Who takes jobs of a queue: so many processes, which run so many jobs at once between them."""

    processes: int = 0
    slots: int = 0


NOBODY = Listening()


def announce(process: str, queues: Collection[str], slots: int, *, now: datetime) -> None:
    """Say that a process takes jobs of these queues, ``slots`` at once. One UPDATE, but for the first time."""
    said = {"queues": sorted(queues), "slots": slots, "seen_at": now}
    with writing():
        if Listener.objects.filter(process=process, seen_at__gte=now - SILENCE).update(**said):
            return
        # New, or the row of one long gone that happened to have the same name.
        Listener.objects.bulk_create(
            [Listener(process=process, started_at=now, **said)],
            update_conflicts=True,
            unique_fields=["process"],
            update_fields=["started_at", *said],
        )


def leave(process: str) -> None:
    """Say that a process takes no more jobs. Saying it twice is no error."""
    with writing():
        Listener.objects.filter(process=process).delete()


def listeners(queue: str, *, now: datetime) -> Listening:
    """Who takes jobs of a queue now."""
    return listening(now=now).get(queue, NOBODY)


def listening(*, now: datetime) -> dict[str, Listening]:
    """Who takes jobs of each queue now, in one query; a queue that nobody listens to is not in it."""
    found: dict[str, Listening] = {}
    # The names are counted here: SQLite does not look into a list of JSON, and there is a row a process only.
    for queues, slots in Listener.objects.filter(seen_at__gt=now - SILENCE).values_list("queues", "slots"):
        for queue in queues:
            so_far = found.get(queue, NOBODY)
            found[queue] = Listening(so_far.processes + 1, so_far.slots + slots)
    return found


def prune(*, now: datetime) -> int:
    """Delete the rows of processes that have been gone for a day. Returns how many."""
    return queries.delete_any(Listener.objects.filter(seen_at__lt=now - KEPT))
