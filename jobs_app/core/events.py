"""The record: each move of a job, and what else happened to it, is a row that is never changed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from jobs_app.lifecycle import EventName, State
from jobs_app.models import Event
from jobs_app.models.guard import writing

if TYPE_CHECKING:
    from django.contrib.auth.models import User

REASON_LENGTH = 2000


def record(
    job_id: UUID,
    name: EventName,
    *,
    attempt: int,
    now: datetime,
    source: State | None,
    target: State,
    actor: User | None = None,
    reason: str = "",
) -> None:
    """Write one event. ``actor`` is None for the system."""
    event = build(job_id, name, attempt=attempt, now=now, source=source, target=target, actor=actor, reason=reason)
    record_many([event])


def build(
    job_id: UUID,
    name: EventName,
    *,
    attempt: int,
    now: datetime,
    source: State | None,
    target: State,
    actor: User | None = None,
    reason: str = "",
) -> Event:
    """An event not yet written."""
    return Event(
        job_id=job_id,
        name=name,
        attempt=attempt,
        at=now,
        source=source or "",
        target=target,
        actor=actor,
        reason=reason[:REASON_LENGTH],
    )


def record_many(events: Iterable[Event]) -> None:
    """Write events in one statement."""
    with writing():
        Event.objects.bulk_create(events)
