"""Schedules: each tick of one submits a job, keyed so that a tick sent twice is one job."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jobs_app import registry
from jobs_app.core import submission
from jobs_app.errors import InvalidRequest
from jobs_app.lifecycle import Via
from jobs_app.models import Job


def tick(schedule: str, kind: str, parameters: Mapping[str, Any], *, due_at: datetime, now: datetime) -> Job:
    """Submit the job of one tick, owned by the system. The same schedule and due time give the same job.

    Raises what ``submission.accept`` raises, and InvalidRequest for a kind that may not be scheduled.
    """
    if not registry.get(kind).schedulable:
        raise InvalidRequest(f"expected a kind that may be scheduled, got {kind}")
    options = submission.Options(via=Via.SCHEDULE, idempotency_key=f"{schedule[:200]}@{due_at.isoformat()}")
    return submission.accept(kind, parameters, owner=None, options=options, now=now).job
