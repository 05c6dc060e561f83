"""Presence: which worker processes take jobs of a queue now. Each says so every few seconds; who is silent is gone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

from jobs_app.core import queries
from jobs_app.models import Drain, Listener
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


@dataclass(frozen=True)
class Origin:
    """Which start of which worker a process belongs to. ``main_pid`` is the worker's first process."""

    run: UUID | None = None
    host: str = ""
    main_pid: int | None = None
    release: str = ""
    began_at: datetime | None = None


@dataclass(frozen=True)
class Condition:
    """How a process is: bytes it holds in memory, and its worker's first process does; whether it takes no more jobs.

    None: not known.
    """

    memory: int | None = None
    main_memory: int | None = None
    draining: bool = False


NO_ORIGIN, USUAL = Origin(), Condition()


def announce(
    process: str,
    queues: Collection[str],
    slots: int,
    *,
    now: datetime,
    origin: Origin = NO_ORIGIN,
    condition: Condition = USUAL,
) -> None:
    """Say that a process takes jobs of these queues, ``slots`` at once. One UPDATE, but for the first time."""
    said = {"queues": sorted(queues), "slots": slots, "seen_at": now, **asdict(condition)}
    with writing():
        known = Listener.objects.filter(process=process, run=origin.run, seen_at__gte=now - SILENCE)
        if known.update(**said):
            return
        # New, or the row of one long gone that happened to have the same name.
        said |= {"started_at": now, **asdict(origin)}
        Listener.objects.bulk_create(
            [Listener(process=process, **said)],
            update_conflicts=True,
            unique_fields=["process"],
            update_fields=list(said),
        )


def drain_asked(run: UUID) -> bool:
    """Whether this run of a worker is to take no more jobs. One query by the primary key."""
    return Drain.objects.filter(run=run).exists()


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
    taking = Listener.objects.filter(seen_at__gt=now - SILENCE, draining=False)
    for queues, slots in taking.values_list("queues", "slots"):
        for queue in queues:
            so_far = found.get(queue, NOBODY)
            found[queue] = Listening(so_far.processes + 1, so_far.slots + slots)
    return found


def prune(*, now: datetime) -> int:
    """Delete the rows of processes that have been gone for a day, and wishes that no process is left to heed.

    Returns how many.
    """
    there = Listener.objects.exclude(run=None).values("run")
    unheard = Drain.objects.filter(asked_at__lt=now - KEPT).exclude(run__in=there)
    return queries.delete_any(Listener.objects.filter(seen_at__lt=now - KEPT)) + queries.delete_any(unheard)
