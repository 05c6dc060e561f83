"""Reading artifacts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from jobs_app import conf
from jobs_app.core import access, artifacts
from jobs_app.errors import NotFound
from jobs_app.lifecycle import State
from jobs_app.models import Artifact
from jobs_app.reads import jobs
from jobs_app.reads.views import ArtifactView

if TYPE_CHECKING:
    from jobs_app.reads.jobs import Reader

UPLOADS = 100


@dataclass(frozen=True)
class Content:
    """An artifact and where its bytes lie."""

    artifact: ArtifactView
    path: Path


def artifact(user: Reader, artifact_id: UUID) -> Content:
    """One file. Raises NotFound, also for a row whose file is gone."""
    row = access.readable_files(user).filter(id=artifact_id).first()
    if row is None:
        raise NotFound(f"expected a file of yours, got {artifact_id}")
    return _content(ArtifactView.of(row))


def output(user: Reader, job_id: UUID, name: str) -> Content:
    """A file that a job made, by name. Raises as ``jobs.opened``, and NotFound."""
    for each in jobs.artifacts_of(user, job_id):
        if each.name == name:
            return _content(each)
    raise NotFound(f"expected the name of a file that the job made, got {name[:100]!r}")


def kept_result(user: Reader, job_id: UUID) -> Content | None:
    """The file in which a large result was kept; None for one that is in the ledger, or that is not there (yet).

    Raises as ``jobs.opened``.
    """
    job = jobs.opened(user, job_id)
    if job.status is not State.SUCCEEDED or job.result_bytes <= conf.current().result_inline_bytes:
        return None
    row = Artifact.objects.filter(job_id=job_id, attempt=job.attempt, name=jobs.RESULT_NAME).first()
    return _content(ArtifactView.of(row)) if row is not None else None


def uploads(user: Reader) -> list[ArtifactView]:
    """This user's latest uploads, newest first, at most 100: what a form offers to choose from."""
    if user is None:
        return []
    rows = Artifact.objects.filter(owner_id=user.pk, job=None).order_by("-id")[:UPLOADS]
    return [ArtifactView.of(row) for row in rows]


def _content(view: ArtifactView) -> Content:
    path = artifacts.path_of(view.id)
    if not path.is_file():
        raise NotFound("the file is no longer on disk")
    return Content(view, path)
