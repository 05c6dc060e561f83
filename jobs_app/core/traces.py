"""The spans of a job's way: it is made, sent to the broker, and worked on. The job keeps the trace it was made in."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from uuid import UUID

from django.db import Error, connection, transaction

from jobs_app import tracing
from jobs_app.context import Cancelled
from jobs_app.core.patience import watch
from jobs_app.models import Job
from jobs_app.policies import Verdict

logger = logging.getLogger(__name__)


def made(kind: str, queue: str) -> AbstractContextManager[None]:
    """Around a submission. ``tracing.here()`` within it is what the job keeps."""
    return tracing.span(f"create {queue}", "PRODUCER", weir__kind=kind, **_operation("create", queue))


def made_many(count: int) -> AbstractContextManager[None]:
    """Around the submission of a batch, of which each job keeps the same trace."""
    return tracing.span(
        "create", "PRODUCER", messaging__system=tracing.SYSTEM, messaging__operation__name="create",
        messaging__operation__type="create", messaging__batch__message_count=count,
    )  # fmt: skip


def sent(queue: str, ids: list[UUID]) -> AbstractContextManager[None]:
    """Around the sending of messages, long after their submissions perhaps: linked to each, and a child of none."""
    links = list(kept(ids).values()) if tracing.on() else []
    return tracing.span(
        f"send {queue}", "PRODUCER", links=links, messaging__batch__message_count=len(ids), **_operation("send", queue)
    )


def attempt(job: Job) -> AbstractContextManager[None]:
    """Around an attempt, from its start until it is settled, or waits for that with others."""
    if not tracing.on():
        return nullcontext()
    return tracing.span(
        f"process {job.queue}", "CONSUMER", parent=kept([job.id]).get(job.id),
        messaging__message__id=str(job.id), weir__kind=job.kind, weir__attempt=job.attempt,
        **_operation("process", job.queue),
    )  # fmt: skip


def handler(job: Job) -> AbstractContextManager[None]:
    """Around the handler itself. A verdict is an answer, and a cancel is no fault of its."""
    if not tracing.on():
        return nullcontext()
    return tracing.span(f"run {job.kind}", "INTERNAL", expected=(Verdict, Cancelled), weir__kind=job.kind)


def kept(ids: Iterable[UUID]) -> dict[UUID, str]:
    """The traceparents of those jobs that have one. None while the column is not there yet, in an upgrade."""
    rows = Job.objects.filter(id__in=list(ids), trace__isnull=False).values_list("id", "trace")
    try:
        # A transaction of its own would, on SQLite, wait for the lock of whoever writes.
        with watch.call(), transaction.atomic() if connection.in_atomic_block else nullcontext():
            return {job_id: trace for job_id, trace in rows if trace}
    except Error as error:
        logger.debug("The traces of jobs could not be read: %s", error)
        return {}


def _operation(name: str, queue: str) -> dict[str, Any]:
    """By OpenTelemetry's conventions for messaging."""
    return {
        "messaging__system": tracing.SYSTEM,
        "messaging__operation__name": name,
        "messaging__operation__type": name,
        "messaging__destination__name": queue,
    }
