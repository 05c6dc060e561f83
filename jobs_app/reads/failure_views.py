"""The shapes in which groups of failures are shown, the same on every surface."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from jobs_app.fingerprints import Status
from jobs_app.reads.views import JobView, View


class CountView(View):
    """How often a group was seen in one hour or day."""

    at: datetime
    times: int


class GroupView(View):
    """Failures that are alike: of one kind, one type of error, one place. Numbers are of the jobs that you may see."""

    fingerprint: str
    kind: str
    error_type: str
    place: str = Field(description="file:function in the handler's own code; empty where that says nothing.")
    message: str = Field(description="What the latest of them said.")
    words_hidden: str = Field("", description="Why messages and tracebacks are not shown; empty if they are.")
    status: Status
    first_seen: datetime
    last_seen: datetime
    times: int = Field(description="Failed attempts, and jobs that failed without one.")
    jobs: int = Field(description="Jobs that failed for good.")
    still_failed: int = Field(description="Of the latest jobs, those that have failed and were not run again.")
    looked_at: int = Field(description="How many of the latest jobs were looked at for that: at most 100.")
    hours: list[CountView] = Field(description="The last 24 hours, oldest first.")
    days: list[CountView] = Field(description="The last 14 days, oldest first.")
    status_at: datetime | None = Field(description="When it was resolved, ignored or opened again by somebody.")
    status_by: str | None = Field(description="By whom; null for the system, and if you see your own jobs alone.")
    ignored_until: datetime | None
    note: str = Field(description="Empty for those who see their own jobs alone.")


class VariantView(View):
    """A message, and how many of the latest jobs said it, or the same with other numbers, ids and quoted texts."""

    message: str
    times: int


class GroupDetailView(GroupView):
    """A group with the latest that was seen of it."""

    sample_job: UUID | None = Field(description="The job that it was seen of last, while it is kept.")
    sample_attempt: int
    traceback: str
    variants: list[VariantView] = Field(description="What the latest 100 jobs said, the most frequent first.")
    latest: list[JobView] = Field(description="The latest 20 jobs whose last failure it was.")


class GroupPageView(View):
    """A page of groups; ``next_cursor`` is null on the last."""

    failures: list[GroupView]
    next_cursor: str | None
