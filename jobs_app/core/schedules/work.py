"""What a schedule submits: a kind, parameters and a queue, as its periodic task names them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django_celery_beat.models import PeriodicTask

from jobs_app import registry
from jobs_app.core import admission, submission
from jobs_app.core.submission import Accepted
from jobs_app.errors import FieldProblem, InvalidParameters, InvalidRequest
from jobs_app.lifecycle import Via
from jobs_app.parameters import MASK
from jobs_app.registry import Kind


@dataclass(frozen=True)
class Work:
    """The job of each tick. expires: how long it may wait for a worker, for ever if None."""

    kind: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    queue: str | None = None
    expires: timedelta | None = None


def of(task: PeriodicTask) -> Work:
    """What a periodic task says; a kind of no name where it says nothing that can be read."""
    given = read_object(task.kwargs)
    kind, parameters = given.get("kind"), given.get("parameters", {})
    return Work(
        kind if isinstance(kind, str) else "",
        parameters if isinstance(parameters, dict) else {},
        task.queue or None,
        timedelta(seconds=task.expire_seconds) if task.expire_seconds else None,
    )


def read_object(text: str | None) -> dict[str, Any]:
    """JSON text as an object; an empty one if it is something else."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def submit(schedule: int, work: Work, *, due_at: datetime, now: datetime) -> Accepted:
    """Submit the job of one tick, owned by the system. The same schedule and due time give the same job.

    Raises what ``submission.accept`` raises, and InvalidRequest for a kind that may not be scheduled.
    """
    _check_kind(work.kind)
    options = submission.Options(
        queue=work.queue, via=Via.SCHEDULE, idempotency_key=key(schedule, due_at),
        expires_at=now + work.expires if work.expires else None,
        overflow=True,  # nobody is there to be told to come back later, so it may use the headroom
    )  # fmt: skip
    return submission.accept(work.kind, work.parameters, owner=None, options=options, now=now)


def key(schedule: int, due_at: datetime) -> str:
    """What makes a tick one job."""
    return f"schedule {schedule} at {due_at.isoformat()}"


def check(work: Work) -> None:
    """Refuse, before a schedule is saved, what its ticks could not submit. Raises what ``submit`` raises.

    A schedule's parameters lie in clear in its row, so they may hold no secret.
    """
    definition = _check_kind(work.kind)
    if work.queue:
        admission.check_queue(work.queue)
    shown = submission.check(definition, work.parameters, None).shown
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
