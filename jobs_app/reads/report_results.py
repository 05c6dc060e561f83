"""What a report's job has brought: its result and its files, for those who may read the report but not the job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from jobs_app.errors import NotAllowed, NotFound
from jobs_app.reads import files, jobs, reports
from jobs_app.reads.files import Content
from jobs_app.reads.report_views import ReportView
from jobs_app.reads.schedules import Key
from jobs_app.reads.views import ArtifactView

if TYPE_CHECKING:
    from jobs_app.reads.jobs import Reader


def result(view: ReportView, *, most_bytes: int) -> Any:
    """The result; None while there is none, or if it is larger. Raises NotFound if its file has been removed."""
    shown = view.job is not None and not view.result_hidden and view.result_bytes <= most_bytes
    return jobs.result(None, view.job) if shown and view.job is not None else None


def artifacts(view: ReportView) -> list[ArtifactView]:
    """The files of the job that made the result; a result that was kept as a file is not among them."""
    found = jobs.artifacts_of(None, view.job) if view.job is not None and not view.result_hidden else []
    return [each for each in found if each.name != jobs.RESULT_NAME]


def latest(user: Reader, key: Key) -> Content | Any:
    """The latest result, however large: as the file that it was kept in, or as JSON. Raises NotFound, NotAllowed."""
    job_id = _job(user, key)
    return files.kept_result(None, job_id) or jobs.result(None, job_id)


def output(user: Reader, key: Key, name: str) -> Content:
    """A file that the job of the latest result made, by name. Raises NotFound, NotAllowed."""
    return files.output(None, _job(user, key), name)


def _job(user: Reader, key: Key) -> UUID:
    """Who may read the report, result and all, may read this job's result, whoever it belongs to."""
    row = reports.find(user, key)
    if shut := reports.hidden_from(user, row):
        raise NotAllowed(shut)
    tick = reports.latest_result(row)
    if tick is None or tick.job_id is None:
        raise NotFound("expected a report with a result, and this one has none yet")
    return tick.job_id
