"""Ending: the ends of jobs, noted for the endpoints that are to be told of them.

The notes of a batch of events are written in the transaction that counts it, so no end is missed, whatever crashes.
The same end may have been noted a moment after it (``core.ends``); it is noted once all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser

from jobs_app import wire
from jobs_app.core import access, ends
from jobs_app.core.ends import Listener
from jobs_app.core.rollups.sums import Happened
from jobs_app.lifecycle import FINAL, State
from jobs_app.models import Delivery, Event, Job
from jobs_app.models.guard import writing
from jobs_app.models.job import JobQuerySet

ROWS = 500


def told_by(events: Iterable[Happened]) -> list[int]:
    """The ids of the events by which jobs ended."""
    return [each.id for each in events if each.target in FINAL and each.source != each.target and _told(each.kind)]


def _told(kind: str) -> bool:
    """Nobody is told of the end of a delivery: that would never end."""
    return kind != wire.DELIVER


def look(ids: Sequence[int]) -> list[Delivery]:
    """What endpoints are to be told of these events; one query where there is no endpoint."""
    listeners = ends.listeners() if ids else []
    if not listeners:
        return []
    found, shut = [], _shut(listeners)
    for start in range(0, len(ids), ROWS):
        ended = Event.objects.filter(id__in=ids[start : start + ROWS]).values_list("job_id", "target", "at")
        rows = _whole().in_bulk([job for job, *_ in ended])
        for job_id, target, at in ended:
            found += _notes(rows[job_id], target, at, listeners, shut)
    return found


def look_at(ids: Sequence[UUID], *, since: datetime) -> list[Delivery]:
    """What endpoints are to be told of these jobs, of those that have ended, and not before ``since``."""
    listeners = ends.listeners() if ids else []
    if not listeners:
        return []
    found, shut = [], _shut(listeners)
    for start in range(0, len(ids), ROWS):
        for job in _whole().filter(id__in=ids[start : start + ROWS], finished_at__gte=since):
            if _told(job.kind) and job.finished_at is not None:
                found += _notes(job, job.state, job.finished_at, listeners, shut)
    return found


def note(told: Sequence[Delivery]) -> None:
    """Write the notes. The rollups do so in the transaction that has advanced their cursor."""
    if told:
        # In one order, whoever writes: two that note the same ends wait for each other one way round only.
        told = sorted(told, key=lambda each: (each.job, each.endpoint_id))
        with writing():
            Delivery.objects.bulk_create(told, ignore_conflicts=True, batch_size=ROWS)


def _whole() -> JobQuerySet:
    return Job.objects.select_related("owner").defer("result", "sealed", "parameters", "preview").whole()


def _shut(listeners: Sequence[Listener]) -> dict[int, frozenset[str]]:
    """By owner of an endpoint, the kinds whose parameters they may not see; no query where no kind has any such."""
    if not access.unreadable(AnonymousUser()):
        return {}
    owners = get_user_model().objects.in_bulk({each.owner for each in listeners})
    return {key: access.unreadable(owner) for key, owner in owners.items()}


def _notes(
    job: Job, state: str, at: datetime, listeners: Sequence[Listener], shut: Mapping[int, frozenset[str]]
) -> list[Delivery]:
    return [
        Delivery(
            endpoint_id=each.endpoint, job=job.id, event=f"job.{state}", at=at,
            data=_data(job, seen=each.owner == job.owner_id or job.kind not in shut.get(each.owner, ())),
        )
        for each in listeners
        if each.hears(state=state, kind=job.kind, owner=job.owner_id, named=job.webhook)
    ]  # fmt: skip


def _data(job: Job, *, seen: bool) -> dict[str, Any]:
    """What is told of a job: how it ended, and where to ask for more. Not its parameters, and not its result.

    seen: to somebody who may see the parameters; the error may repeat them.
    """
    return {
        "id": str(job.id), "kind": job.kind, "queue": job.queue, "state": job.state, "tags": job.tags,
        "owner": job.owner.get_username() if job.owner else None, "attempt": job.attempt,
        "created_at": job.created_at.isoformat(),
        "started_at": job.started_at.isoformat() if job.started_at else None,
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
        "error": job.error[:1000] if seen and job.status is State.FAILED else "", "error_type": job.error_type,
        "idempotency_key": job.idempotency_key,
        "links": {"job": f"/api/jobs/{job.id}", "result": f"/api/jobs/{job.id}/result"},
    }  # fmt: skip
