"""The bodies and query strings of the jobs' routes."""

from __future__ import annotations

from functools import cache
from typing import Any
from uuid import UUID

from django.urls import get_script_prefix, reverse
from pydantic import BaseModel, ConfigDict, Field

from jobs_app import searching
from jobs_app.api.artifacts import ArtifactBody
from jobs_app.core import control
from jobs_app.criteria import JobFilter
from jobs_app.forms.lines import Moment
from jobs_app.lifecycle import WAITING, State
from jobs_app.reads import jobs
from jobs_app.reads.views import AttemptView, EstimateView, FamilyView, JobView, LogLineView
from jobs_app.reads.waits import ReasonView


class Rerun(BaseModel):
    """What is to be different from the first job."""

    model_config = ConfigDict(extra="forbid")

    parameters: dict[str, Any] = Field(default_factory=dict, description="Single parameters to replace.")


class Priority(BaseModel):
    """The priority that a job is to have."""

    model_config = ConfigDict(extra="forbid")

    priority: int = Field(description="-100 to 100; higher runs first.")


@cache
def _jobs(prefix: str) -> str:
    """Where the jobs are, below the prefix of the site. A list has many links, and looking up a route is slow."""
    return reverse("api:jobs")


class JobBody(JobView):
    """A job, and where to go from it: only what makes sense in its state."""

    links: dict[str, str]
    estimate: EstimateView | None = Field(
        None, description="When it will start and end, as things are now; only of one job, while it waits or runs."
    )
    children: FamilyView | None = Field(
        None, description="How the jobs stand that it spawned; only of one job. See also /api/jobs?parent="
    )
    waits: ReasonView | None = Field(None, description="Why it waits, in one sentence; only of one job, while it does.")

    @classmethod
    def of_view(
        cls,
        view: JobView,
        estimate: EstimateView | None = None,
        children: FamilyView | None = None,
        waits: ReasonView | None = None,
    ) -> JobBody:
        """With the links of its state."""
        here = f"{_jobs(get_script_prefix())}/{view.id}"
        names = ["attempts", "logs", "artifacts", "events", "rerun"]
        if view.state is State.SUCCEEDED:
            names.append("result")
        if not view.final:
            names.append("cancel")
        if view.state in WAITING:
            names.append("priority")
        if view.state in control.TIMED | control.BROKEN:
            names.append("retry")
        links = {"self": here, **{name: f"{here}/{name}" for name in names}}
        if view.parent is not None:
            links["parent"] = f"{_jobs(get_script_prefix())}/{view.parent}"
        if children is not None:
            links["children"] = f"{_jobs(get_script_prefix())}?parent={view.id}"
        return cls.model_construct(**dict(view), links=links, estimate=estimate, children=children, waits=waits)


class EndedJob(JobBody):
    """A job whose end the request waited for."""

    result: Any = Field(None, description="What the handler returned, if it is small; else see links.")


Q_WORDS = (
    "A search, as the console has it in its address: state:failed kind:datasets.aggregate owner:alice tag:nightly "
    "param.measure:delay since:2d. Qualifiers: " + ", ".join(searching.NAMES) + ". What is beside it must hold as well."
)


class JobQuery(BaseModel):
    """Which jobs to list."""

    q: str = Field("", description=Q_WORDS, max_length=searching.TEXT_LENGTH)
    state: list[State] = Field(default_factory=list, description="May be repeated.")
    kind: str = ""
    queue: str = ""
    owner: str = Field("", description="User name.")
    parent: UUID | None = Field(None, description="Only the jobs that this one spawned.")
    mine: bool = Field(False, description="Leave out other users' jobs.")
    created_after: Moment | None = None
    created_before: Moment | None = None
    limit: int = Field(jobs.PAGE, description="Jobs a page, 1 to 200.")
    cursor: str | None = Field(None, description="next_cursor of the page before.")

    def filter(self) -> JobFilter:
        """As the reads take it. Raises InvalidRequest for a search that cannot be read."""
        return searching.parse(self.q) & JobFilter(
            states=tuple(self.state),
            kind=self.kind,
            queue=self.queue,
            owner=self.owner,
            mine=self.mine,
            parent=self.parent,
            created_after=self.created_after,
            created_before=self.created_before,
        )


class Jobs(BaseModel):
    """A page of jobs, newest first; ``next_cursor`` is null on the last."""

    jobs: list[JobBody]
    next_cursor: str | None


class Attempts(BaseModel):
    """The attempts of a job, first to last."""

    attempts: list[AttemptView]


class LogLines(BaseModel):
    """Log lines in order; ``next_after`` asks for those that follow."""

    lines: list[LogLineView]
    next_after: int


class Artifacts(BaseModel):
    """The files a job made, by name."""

    artifacts: list[ArtifactBody]
