"""Schedules: each tick of one submits a job, keyed so that a tick sent twice is one job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jobs_app import registry
from jobs_app.core import submission
from jobs_app.errors import FieldProblem, InvalidParameters, InvalidRequest
from jobs_app.lifecycle import Via
from jobs_app.models import Job
from jobs_app.parameters import MASK
from jobs_app.registry import Kind


def tick(schedule: str, kind: str, parameters: Mapping[str, Any], *, due_at: datetime, now: datetime) -> Job:
    """Submit the job of one tick, owned by the system. The same schedule and due time give the same job.

    Raises what ``submission.accept`` raises, and InvalidRequest for a kind that may not be scheduled.
    """
    _check_kind(kind)
    # A tick cannot come back later: it may use the headroom.
    key = f"{schedule[:200]}@{due_at.isoformat()}"
    options = submission.Options(via=Via.SCHEDULE, idempotency_key=key, overflow=True)
    return submission.accept(kind, parameters, owner=None, options=options, now=now).job


def check(kind: str, parameters: Mapping[str, Any]) -> None:
    """Refuse, before a schedule is saved, what its ticks could not submit. Raises what ``tick`` raises.

    A schedule's parameters lie in clear in its row and in messages, so they may hold no secret.
    """
    definition = _check_kind(kind)
    shown = submission.check(definition, parameters, None).shown
    if definition.has_secrets:
        secrets = [name for name, value in shown.items() if MASK in json.dumps(value)]
        if secrets:
            raise InvalidParameters(
                [FieldProblem((name,), "expected no secret: a schedule would keep it in clear") for name in secrets]
            )


def _check_kind(name: str) -> Kind:
    kind = registry.get(name)
    if not kind.schedulable:
        raise InvalidRequest(f"expected a kind that may be scheduled, got {name}")
    return kind
