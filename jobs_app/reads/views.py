"""The shapes in which rows are shown, the same on every surface. Times are in UTC; durations in seconds."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from django.contrib.auth.models import AnonymousUser, User
from pydantic import BaseModel, ConfigDict, Field

from jobs_app.context import Family
from jobs_app.core import access
from jobs_app.core.estimates import Estimate
from jobs_app.lifecycle import EventName, State
from jobs_app.models import Artifact, Attempt, Event, Job, LogLine
from jobs_app.registry import Kind

ANYONE = AnonymousUser()
"""Stands for whoever may see a job, when it is not known who that is."""

PLAIN = frozenset({
    EventName.SUBMITTED, EventName.CLAIMED, EventName.RESCUED, EventName.EXPIRED, EventName.MADE_DUE,
    EventName.REPRIORITISED, EventName.CANCEL_REQUESTED, EventName.DUE, EventName.ROOM_FOUND,
    EventName.CHILDREN_AWAITED, EventName.CHILDREN_ENDED,
})  # fmt: skip
"""Events whose reasons are the platform's own words; those of others may be an error's."""


def hidden(kind: str) -> str:
    """Why parameters of a kind, and what may repeat them, are not shown, in words."""
    return f"Who may see the parameters of {kind} is limited; ask an administrator."


class View(BaseModel):
    """The base: read only."""

    model_config = ConfigDict(frozen=True)


class ProgressView(View):
    """How far a job is: ``fraction`` from 0 to 1."""

    fraction: float
    message: str


class EstimateView(View):
    """When a job starts and ends, as ranges; times that are not known are null. Retries are not counted."""

    start_from: datetime = Field(description="Not before.")
    start_until: datetime = Field(description="Not later than.")
    finish_from: datetime | None
    finish_until: datetime | None

    @classmethod
    def of(cls, estimate: Estimate | None) -> EstimateView | None:
        """From an estimate, or none from none."""
        return cls(**vars(estimate)) if estimate is not None else None

    @classmethod
    def promised(cls, job: Job) -> EstimateView | None:
        """What a job's row says was told when it was accepted."""
        if job.start_from is None or job.start_until is None:
            return None
        return cls(
            start_from=job.start_from,
            start_until=job.start_until,
            finish_from=job.finish_from,
            finish_until=job.finish_until,
        )


class FamilyView(View):
    """How many children a job has, and how they stand. ``fraction``: how far they are in all, from 0 to 1."""

    total: int
    waiting: int
    running: int
    succeeded: int
    failed: int
    cancelled: int
    fraction: float

    @classmethod
    def of(cls, family: Family) -> FamilyView | None:
        """From the core's; None without children."""
        return cls(**vars(family)) if family.total else None


class JobView(View):
    """A job."""

    id: UUID
    kind: str
    queue: str
    state: State
    meaning: str = Field(description="What the state means, in words.")
    final: bool
    priority: int
    owner: str | None = Field(description="User name; none for the system's own jobs.")
    via: str
    tags: list[str] = Field(default_factory=list, description="Words of its owner's, to find it by.")
    parameters: dict[str, Any]
    parameters_hidden: str = Field(
        "", description="Why parameters, preview, result, files, log and errors are not shown; empty if they are."
    )
    progress: ProgressView
    attempt: int
    max_attempts: int
    created_at: datetime
    due_at: datetime
    expires_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested: bool
    result_bytes: int
    error: str
    error_type: str
    fingerprint: str = Field("", description="The same for failures that are alike: that of its last one, if any.")
    rerun_of: UUID | None
    parent: UUID | None = Field(None, description="The job that spawned it.")
    preview: Any = Field(None, description="What its kind showed when it was submitted; it holds until the result.")
    promised: EstimateView | None = Field(None, description="The estimate when it was accepted, to compare with.")

    @classmethod
    def of(cls, job: Job, viewer: User | AnonymousUser | None = ANYONE) -> JobView:
        """From a row, fetched with its owner, as this user sees it; None is the system, which sees all.

        For anyone it is without the parameters of a kind that is limited, and what may repeat them.
        """
        seen = access.sees_parameters(viewer, job.kind, job.owner_id)
        whole = cls(
            id=job.id,
            kind=job.kind,
            queue=job.queue,
            state=job.status,
            meaning=job.status.meaning,
            final=job.final,
            priority=job.priority,
            owner=job.owner.get_username() if job.owner else None,
            via=job.via,
            tags=job.tags or [],
            parameters=job.parameters,
            progress=ProgressView(fraction=job.progress, message=job.progress_message),
            attempt=job.attempt,
            max_attempts=job.max_attempts,
            created_at=job.created_at,
            due_at=job.due_at,
            expires_at=job.expires_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            cancel_requested=job.cancel_requested_at is not None,
            result_bytes=job.result_bytes,
            error=job.error,
            error_type=job.error_type,
            fingerprint=job.fingerprint,
            rerun_of=job.rerun_of_id,
            parent=job.parent_id,
            preview=job.preview,
            promised=EstimateView.promised(job),
        )
        return whole if seen else whole.closed()

    def for_anyone(self) -> Self:
        """As anyone sees it who sees the job: the whole, unless its kind's parameters are for few."""
        return self.closed() if access.limited(self.kind) else self

    def closed(self) -> Self:
        """For those who may not see its parameters."""
        progress = self.progress.model_copy(update={"message": ""})
        shut: dict[str, Any] = {"parameters": {}, "parameters_hidden": hidden(self.kind), "error": "", "preview": None}
        return self.model_copy(update={**shut, "progress": progress})


class AttemptView(View):
    """One run of a job."""

    number: int
    outcome: str
    holder: str
    started_at: datetime
    finished_at: datetime | None
    error_type: str
    error: str
    traceback: str

    @classmethod
    def of(cls, attempt: Attempt, *, seen: bool) -> AttemptView:
        """From a row; seen: by somebody who may see the parameters of its job."""
        whole = cls.model_validate(attempt, from_attributes=True)
        return whole if seen else whole.model_copy(update={"error": "", "traceback": ""})


class LogLineView(View):
    """A line a handler logged; ``id`` is in order, to ask for what came after."""

    id: int
    attempt: int
    at: datetime
    level: str
    text: str

    @classmethod
    def of(cls, line: LogLine) -> LogLineView:
        """From a row."""
        return cls.model_validate(line, from_attributes=True)


class EventView(View):
    """A move of the job, or something else worth knowing."""

    id: int
    attempt: int
    at: datetime
    name: str
    source: str
    target: str
    actor: str | None
    reason: str

    @classmethod
    def of(cls, event: Event, *, seen: bool) -> EventView:
        """From a row, fetched with its actor; seen: by somebody who may see the parameters of its job."""
        actor = event.actor.get_username() if event.actor else None
        return cls(
            id=event.id, attempt=event.attempt, at=event.at, name=event.name, source=event.source,
            target=event.target, actor=actor, reason=event.reason if seen or event.name in PLAIN else "",
        )  # fmt: skip


class ArtifactView(View):
    """A file: uploaded, or made by a job. ``size`` in bytes, ``sha256`` in hexadecimal."""

    id: UUID
    name: str
    content_type: str
    size: int
    sha256: str
    created_at: datetime
    job: UUID | None
    attempt: int

    @classmethod
    def of(cls, artifact: Artifact) -> ArtifactView:
        """From a row."""
        return cls(
            id=artifact.id, name=artifact.name, content_type=artifact.content_type, size=artifact.size,
            sha256=artifact.sha256, created_at=artifact.created_at, job=artifact.job_id, attempt=artifact.attempt,
        )  # fmt: skip


class KindView(View):
    """A kind: what it does and takes. ``parameters`` is JSON Schema (2020-12)."""

    name: str
    summary: str
    description: str
    queue: str
    timeout: float
    max_attempts: int
    parameters: dict[str, Any]

    @classmethod
    def of(cls, kind: Kind) -> KindView:
        """From the registry."""
        return cls(
            name=kind.name, summary=kind.summary, description=kind.description, queue=kind.queue,
            timeout=kind.timeout.total_seconds(), max_attempts=kind.retry.max_attempts, parameters=kind.schema,
        )  # fmt: skip
