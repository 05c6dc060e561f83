"""What packages of kinds may ask for: ``jobs_app.desk`` tells them how."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import ProtectedError

from jobs_app import parameters
from jobs_app.core import artifacts, control, submission
from jobs_app.core.bulk import planning, turns
from jobs_app.core.clock import database_now
from jobs_app.desk import Standing
from jobs_app.errors import Conflict, NotFound
from jobs_app.models import Artifact, Job

if TYPE_CHECKING:
    from django.contrib.auth.models import User

LIMIT = 200


def submit(kind: str, parameters: Mapping[str, Any], *, owner: User | None, **options: Any) -> Standing:
    """See ``submission.accept``."""
    chosen = submission.Options(**options)
    accepted = submission.accept(kind, parameters, owner=owner, options=chosen, now=database_now())
    return _standing(accepted.job, accepted.replayed)


def cancel(job_id: UUID) -> bool:
    """See ``control.cancel``; a job that has ended, or is gone, is no error."""
    try:
        control.cancel(job_id, actor=None, now=database_now())
    except (Conflict, NotFound):
        return False
    return True


def look(job_ids: Iterable[UUID]) -> dict[UUID, Standing]:
    """How these jobs stand."""
    rows = Job.objects.whole().filter(id__in=list(islice(job_ids, LIMIT))).defer("result", "sealed", "parameters")
    return {row.id: _standing(row) for row in rows}


def take_upload(
    name: str, chunks: Iterable[bytes], *, owner: User | None, content_type: str = ""
) -> parameters.Artifact:
    """See ``artifacts.take_upload``."""
    now = database_now()
    return artifacts.as_parameter(artifacts.take_upload(name, chunks, owner=owner, content_type=content_type, now=now))


def upload(file_id: UUID, *, owner: User | None) -> parameters.Artifact | None:
    """An upload of this user's own."""
    row = Artifact.objects.filter(id=file_id, owner=owner, job=None).first()
    return None if row is None else artifacts.as_parameter(row)


def discard_uploads(file_ids: Iterable[UUID]) -> int:
    """Delete uploads that no job takes."""
    count = 0
    for row in Artifact.objects.filter(id__in=list(file_ids), job=None, uses=None):
        try:
            artifacts.discard(row)
            count += 1
        except ProtectedError:
            continue  # a job has taken it this moment: it goes when no job does
    return count


def announce_bulk(given: Mapping[str, Any], *, owner: User | None, job_id: str, now: datetime) -> dict[str, Any]:
    """See ``bulk.planning.announce``."""
    return planning.announce(dict(given), owner=owner, job_id=job_id, now=now)


def take_bulk_turn(
    job_id: str, given: Mapping[str, Any], kept: Any, *, keep: Callable[[Any], None], note: Callable[[str], None]
) -> turns.Turn:
    """See ``bulk.turns.take``."""
    return turns.take(UUID(job_id), given, kept, keep=keep, note=note, now=database_now())


def _standing(job: Job, replayed: bool = False) -> Standing:
    return Standing(
        id=job.id, state=job.state, final=job.final, fraction=job.progress, message=job.progress_message,
        error=job.error, preview=job.preview, replayed=replayed,
    )  # fmt: skip
