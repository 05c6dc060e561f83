"""Ending: the ends of jobs that a batch of events tells of, noted for the endpoints that are to be told of them.

The notes are written in the transaction that counts the batch: each end is noted once, whatever crashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jobs_app import wire
from jobs_app.core.rollups.sums import Happened
from jobs_app.lifecycle import FINAL, State
from jobs_app.models import Delivery, Endpoint, Event, Job
from jobs_app.models.guard import writing
from jobs_app.models.job import SEE_ALL

ROWS = 500


def told_by(events: Iterable[Happened]) -> list[int]:
    """The ids of the events by which jobs ended. Nobody is told of the end of a delivery: that would never end."""
    return [each.id for each in events if each.target in FINAL and each.source != each.target and _told(each.kind)]


def _told(kind: str) -> bool:
    return kind != wire.DELIVER


def look(ids: Sequence[int]) -> list[Delivery]:
    """What endpoints are to be told of these events; one query where there is no endpoint."""
    endpoints = (
        list(Endpoint.objects.filter(enabled=True, owner__is_active=True).select_related("owner")) if ids else []
    )
    if not endpoints:
        return []
    seeing = {each.owner for each in endpoints if each.everybody}
    allowed = {owner.pk for owner in seeing if owner.has_perm(SEE_ALL)}
    found = []
    for start in range(0, len(ids), ROWS):
        ends = Event.objects.filter(id__in=ids[start : start + ROWS]).values_list("job_id", "target", "at")
        jobs = Job.objects.select_related("owner").defer("result", "sealed", "parameters", "preview")
        rows = jobs.whole().in_bulk([job for job, *_ in ends])
        for job_id, target, at in ends:
            job = rows[job_id]
            for each in endpoints:
                if target in each.states and _concerns(each, job, allowed):
                    found.append(Delivery(endpoint=each, job=job_id, event=f"job.{target}", data=_data(job), at=at))
    return found


def note(told: Sequence[Delivery]) -> None:
    """Write the notes, in the transaction of a caller that has advanced the cursor."""
    if told:
        with writing():
            Delivery.objects.bulk_create(told, ignore_conflicts=True, batch_size=ROWS)


def _concerns(endpoint: Endpoint, job: Job, allowed: set[int]) -> bool:
    """Whether the endpoint is to be told of this job's end."""
    if job.webhook == endpoint.pk:
        return True
    if endpoint.named_only or (endpoint.kinds and job.kind not in endpoint.kinds):
        return False
    return endpoint.owner_id == job.owner_id or (endpoint.everybody and endpoint.owner_id in allowed)


def _data(job: Job) -> dict[str, Any]:
    """What is told of a job: how it ended, and where to ask for more. Not its parameters, and not its result."""
    return {
        "id": str(job.id), "kind": job.kind, "queue": job.queue, "state": job.state, "tags": job.tags,
        "owner": job.owner.get_username() if job.owner else None, "attempt": job.attempt,
        "created_at": job.created_at.isoformat(),
        "started_at": job.started_at.isoformat() if job.started_at else None,
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
        "error": job.error[:1000] if job.status is State.FAILED else "", "error_type": job.error_type,
        "idempotency_key": job.idempotency_key,
        "links": {"job": f"/api/jobs/{job.id}", "result": f"/api/jobs/{job.id}/result"},
    }  # fmt: skip
