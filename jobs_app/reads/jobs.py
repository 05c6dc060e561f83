"""Reading jobs: lists by pages, one job, and what hangs on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import Q, QuerySet

from jobs_app.core import access, artifacts, estimates, families
from jobs_app.criteria import JobFilter
from jobs_app.errors import Conflict, InvalidRequest, NotAllowed, NotFound
from jobs_app.lifecycle import State
from jobs_app.models import Artifact, Event, Job, LogLine
from jobs_app.reads import waits
from jobs_app.reads.views import (
    ArtifactView,
    AttemptView,
    EstimateView,
    EventView,
    FamilyView,
    JobView,
    LogLineView,
    hidden,
)
from jobs_app.reads.waits import ReasonView

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

    Reader = User | AnonymousUser | None

PAGE = 50
PAGE_LIMIT = 200
LINES = 500
JOBS_IN_QUERY = 200
"""Jobs whose lines one query asks for: SQLite bounds how deep a condition may be."""

RESULT_NAME = "result.json"
LONG = ("parameters", "sealed", "preview", "result", "error")
"""Columns of a job that may be long."""


@dataclass(frozen=True)
class JobPage:
    """One page of a list, newest first, and the cursor of the next (None at the end)."""

    jobs: list[JobView]
    next_cursor: str | None


@dataclass(frozen=True)
class Standing:
    """A job, its estimate (None if it does not wait or run, or nothing is known), and why it waits, if it does."""

    job: JobView
    estimate: EstimateView | None
    reason: ReasonView | None


def job_page(user: Reader, wanted: JobFilter | None = None, *, cursor: str | None = None, limit: int = PAGE) -> JobPage:
    """A page of the jobs this user sees. The cursor is the last id seen (keyset), so depth costs nothing.

    Raises InvalidRequest for a bad cursor, a filter that is no text, or a limit outside 1 to 200.
    """
    if not 1 <= limit <= PAGE_LIMIT:
        raise InvalidRequest(f"expected a limit from 1 to {PAGE_LIMIT}, got {limit}")
    rows = access.sought(user, wanted or JobFilter()).select_related("owner")
    if cursor:
        rows = rows.filter(id__lt=_cursor(cursor))
    found = list(rows.defer("result", "sealed").order_by("-id")[: limit + 1])
    more = len(found) > limit
    return JobPage([JobView.of(job, user) for job in found[:limit]], str(found[limit - 1].id) if more else None)


def job(user: Reader, job_id: UUID) -> JobView:
    """One job. Raises NotFound."""
    return JobView.of(_find(user, job_id), user)


def job_as_it_stands(user: Reader, job_id: UUID, *, now: datetime) -> Standing:
    """One job, when it will start and end as things are now, and why it waits. Raises NotFound."""
    row = _find(user, job_id)
    return Standing(JobView.of(row, user), EstimateView.of(estimates.of_job(row, now=now)), waits.why(row, now=now))


def jobs(job_ids: list[UUID]) -> dict[UUID, JobView]:
    """Several jobs at once, without asking who may see them, or their parameters: for streams, which ask before."""
    rows = Job.objects.whole().select_related("owner").defer("result", "sealed").filter(id__in=job_ids)
    return {row.id: JobView.of(row, None) for row in rows}


def attempts(user: Reader, job_id: UUID) -> list[AttemptView]:
    """The attempts of a job, first to last. Raises NotFound."""
    row = _find(user, job_id)
    seen = sees(user, row)
    return [AttemptView.of(each, seen=seen) for each in row.attempts.order_by("number")]


def log_lines(user: Reader, job_id: UUID, *, after: int = 0, limit: int = LINES) -> list[LogLineView]:
    """Log lines after the one with id ``after``, in order, at most ``limit`` (1 to 500). Raises as ``opened``."""
    if not 1 <= limit <= LINES:
        raise InvalidRequest(f"expected a limit from 1 to {LINES}, got {limit}")
    rows = LogLine.objects.filter(job=opened(user, job_id), id__gt=after).order_by("id")[:limit]
    return [LogLineView.of(line) for line in rows]


def log_lines_of(after: Mapping[UUID, int], *, limit: int) -> dict[UUID, list[LogLineView]]:
    """New log lines of several jobs, each after the id given for it, lowest ids first.

    One query for every 200 jobs, each of at most ``limit`` lines. Asks not who may see them: for streams whose readers
    were checked before.
    """
    found: dict[UUID, list[LogLineView]] = {}
    listed = list(after.items())
    for start in range(0, len(listed), JOBS_IN_QUERY):
        some = listed[start : start + JOBS_IN_QUERY]
        either = Q(*(Q(job_id=job_id, id__gt=line_id) for job_id, line_id in some), _connector=Q.OR)
        for line in LogLine.objects.filter(either).order_by("id")[:limit]:
            found.setdefault(line.job_id, []).append(LogLineView.of(line))
    return found


def timeline(user: Reader, job_id: UUID) -> list[EventView]:
    """What happened to a job, in order, at most 500 events. Raises NotFound."""
    row = _find(user, job_id)
    seen = sees(user, row)
    rows = Event.objects.filter(job=row).select_related("actor").order_by("id")[:LINES]
    return [EventView.of(event, seen=seen) for event in rows]


def result(user: Reader, job_id: UUID) -> Any:
    """What the handler returned, as JSON. Raises as ``opened``, and Conflict while there is none."""
    row = _open(user, _find(user, job_id), job_id)
    if row.status is not State.SUCCEEDED:
        raise Conflict(f"expected a job that has succeeded, and this one is {row.state}")
    if row.result is not None or row.result_bytes <= len(b"null"):
        return row.result
    kept = row.artifacts.filter(attempt=row.attempt, name=RESULT_NAME).first()
    path = artifacts.path_of(kept.id) if kept is not None else None
    if path is None or not path.is_file():
        raise NotFound("the result was kept as a file, which has been removed since")
    return json.loads(path.read_bytes())


def artifacts_of(user: Reader, job_id: UUID) -> list[ArtifactView]:
    """The files a job made, of its latest attempt that made any, by name. Raises as ``opened``."""
    rows = list(_outputs(opened(user, job_id)))
    latest = max((row.attempt for row in rows), default=0)
    return [ArtifactView.of(row) for row in rows if row.attempt == latest]


def inputs_of(user: Reader, job_id: UUID) -> list[ArtifactView]:
    """The files a job takes. Raises as ``opened``."""
    rows = Artifact.objects.filter(uses__job=opened(user, job_id)).order_by("name")
    return [ArtifactView.of(row) for row in rows]


def reruns(user: Reader, job_id: UUID) -> list[JobView]:
    """The jobs that were made by running this one again, newest first, at most 50. Raises NotFound."""
    rows = Job.objects.visible_to(user).filter(rerun_of=_find(user, job_id)).select_related("owner").order_by("-id")
    return [JobView.of(row, user) for row in rows[:PAGE]]


def spawns(kind: str) -> bool:
    """Whether jobs of this kind may have children."""
    return families.policy_of(kind) is not None


def family(shown: JobView) -> FamilyView | None:
    """How many children a job has, and how they stand; None without any. Only of a kind that spawns is it asked."""
    return FamilyView.of(families.standing(shown.id)) if spawns(shown.kind) else None


def opened(user: Reader, job_id: UUID) -> Job:
    """The row, without its long columns, of a job that this user sees, parameters and all.

    Raises NotFound, and NotAllowed if the parameters, and what may repeat them, are not for them.
    """
    return _open(user, Job.objects.visible_to(user).defer(*LONG).filter(id=job_id).first(), job_id)


def sees(user: Reader, row: Job) -> bool:
    """Whether this user sees the parameters of a job that they see, and what may repeat them."""
    return access.sees_parameters(user, row.kind, row.owner_id)


def _find(user: Reader, job_id: UUID) -> Job:
    return _there(Job.objects.visible_to(user).select_related("owner").filter(id=job_id).first(), job_id)


def _open(user: Reader, row: Job | None, job_id: UUID) -> Job:
    row = _there(row, job_id)
    if not sees(user, row):
        raise NotAllowed(hidden(row.kind))
    return row


def _there(row: Job | None, job_id: UUID) -> Job:
    if row is None:
        raise NotFound(f"expected a job of yours, got {job_id}")
    return row


def _outputs(row: Job) -> QuerySet[Artifact]:
    return row.artifacts.order_by("name")


def _cursor(text: str) -> UUID:
    try:
        return UUID(text[:64])
    except ValueError:
        raise InvalidRequest(f"expected a cursor from an earlier page, got {text[:64]!r}") from None
