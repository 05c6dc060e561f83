"""Reading a job's relatives: who spawned it and what it spawned; what it was run again from, and what from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import QuerySet

from jobs_app.lifecycle import FINAL, State
from jobs_app.models import Job
from jobs_app.reads.views import JobView

if TYPE_CHECKING:
    from jobs_app.reads.jobs import Reader

GENERATIONS = 5
"""So many are followed up, and down."""

CHILDREN = 12
RERUNS = 30

# Those that need someone first.
GROUPS = ((State.FAILED, State.CANCELLED), tuple(sorted(set(State) - FINAL)), (State.SUCCEEDED,))


@dataclass(frozen=True)
class Step:
    """A job in a chain of runs; ``depth`` is how many runs it is away from the first one that is told."""

    job: JobView
    depth: int


def ancestors(user: Reader, shown: JobView) -> list[JobView]:
    """Who spawned it, the eldest first; at most five."""
    return _upwards(user, shown.parent, "parent")


def children(user: Reader, shown: JobView) -> list[JobView]:
    """Some of what it spawned, at most twelve: what failed first, then what has not ended, then what went well."""
    found: list[Job] = []
    for states in GROUPS:
        if len(found) < CHILDREN:
            rows = _light(user).filter(parent_id=shown.id, state__in=states).order_by("id")
            found += rows[: CHILDREN - len(found)]
    return [JobView.of(each) for each in found]


def runs(user: Reader, shown: JobView) -> list[Step]:
    """The chain of runs that this one is of, in order: what it was run again from, itself, what was run from it.

    At most five generations each way, thirty jobs down. Only itself if it was never run again.
    """
    earlier = _upwards(user, shown.rerun_of, "rerun_of")
    below: dict[UUID, list[JobView]] = {}
    level, left = [shown.id], RERUNS
    for _ in range(GENERATIONS):
        rows = list(_light(user).filter(rerun_of__in=level).order_by("id")[:left])
        for row in rows:
            below.setdefault(row.rerun_of_id, []).append(JobView.of(row))  # type: ignore[arg-type]
        level, left = [row.id for row in rows], left - len(rows)
        if not level or left <= 0:
            break
    return [*(Step(each, depth) for depth, each in enumerate(earlier)), *_downwards(shown, below, len(earlier))]


def _downwards(job: JobView, below: dict[UUID, list[JobView]], depth: int) -> Iterable[Step]:
    yield Step(job, depth)
    for each in below.get(job.id, ()):
        yield from _downwards(each, below, depth + 1)


def _upwards(user: Reader, first: UUID | None, column: str) -> list[JobView]:
    found: list[JobView] = []
    while first is not None and len(found) < GENERATIONS:
        row = _light(user).filter(id=first).first()
        if row is None:
            break
        found.insert(0, JobView.of(row))
        first = getattr(row, f"{column}_id")
    return found


def _light(user: Reader) -> QuerySet[Job]:
    return Job.objects.visible_to(user).select_related("owner").defer("result", "sealed")
