"""What packages of kinds may ask for: ``jobs_app.desk`` tells them how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import UUID

from jobs_app.core import control, submission
from jobs_app.core.clock import database_now
from jobs_app.desk import Standing
from jobs_app.errors import Conflict, NotFound
from jobs_app.models import Job

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


def _standing(job: Job, replayed: bool = False) -> Standing:
    return Standing(
        id=job.id, state=job.state, final=job.final, fraction=job.progress, message=job.progress_message,
        error=job.error, preview=job.preview, replayed=replayed,
    )  # fmt: skip
