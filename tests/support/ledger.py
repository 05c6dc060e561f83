"""Jobs in any state, brought there by the core's own functions; and rows made older, so that no test has to wait."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User

from jobs_app.core import artifacts, claims, clock, control, execution, outcomes, submission
from jobs_app.lifecycle import State
from jobs_app.models import Job, LogLine
from jobs_app.models.guard import writing
from jobs_app.policies import NO_RETRY, Backoff

HOLDER = "worker@test/1/message"
AGAIN = Backoff(max_attempts=100)


def submitted(
    kind: str = "probe.nothing",
    parameters: Mapping[str, Any] | None = None,
    *,
    owner: User | None = None,
    now: datetime | None = None,
    **options: Any,
) -> Job:
    """A new job."""
    return submission.accept(
        kind, parameters or {}, owner=owner, options=submission.Options(**options), now=now or clock.database_now()
    ).job


def claimed(job: Job, *, now: datetime | None = None, holder: str = HOLDER) -> Job:
    """The row as the worker has it that claimed the job."""
    (row,) = claims.claim([job.id], holder=holder, now=now or clock.database_now())
    return row


def run(kind: str, parameters: dict[str, Any] | None = None, /, **columns: Any) -> Job:
    """Submit a job, run it as a worker would, and return its row."""
    job = submitted(kind, parameters)
    if columns:
        altered(job, **columns)
    assert execution.run([job.id], holder=HOLDER) == 1
    return fresh(job)


def succeeded_with_everything(owner: User, now: datetime) -> Job:
    """A job that has succeeded: with an input, two outputs, log lines, a rerun."""
    upload = artifacts.take_upload("input.csv", [b"x"], owner=owner, now=now)
    row = submitted("probe.files", {"first": str(upload.id), "others": []}, owner=owner, now=now)
    row = claimed(row, now=now)
    for name in ("b.txt", "a.txt"):
        artifacts.save_output(row, 1, name, name.encode(), now=now)
    log(row, "one", "two", "three")
    outcomes.succeed(row, {"done": True}, 13, now=now + timedelta(seconds=1))
    control.rerun(row.id, actor=owner, now=now)
    return Job.objects.get(id=row.id)


def log(job: Job, *texts: str) -> None:
    with writing():
        LogLine.objects.bulk_create(
            LogLine(job=job, attempt=job.attempt, at=job.created_at, level="info", text=text) for text in texts
        )


def reaching(state: State, *, now: datetime | None = None, owner: User | None = None, **options: Any) -> Job:
    """A job in that state, by the shortest way. ``blocked`` has none yet: such a row is written as it is."""
    now = now or clock.database_now()
    if state is State.SCHEDULED:
        return submitted(owner=owner, now=now, due_at=now + timedelta(hours=1), **options)
    job = submitted(owner=owner, now=now, **options)
    match state:
        case State.BLOCKED:
            return altered(job, state=State.BLOCKED)
        case State.QUEUED:
            return job
        case State.CANCELLED:
            return control.cancel(job.id, actor=None, now=now)
    job = claimed(job, now=now)
    match state:
        case State.SUCCEEDED:
            assert outcomes.succeed(job, None, 4, now=now)
        case State.FAILED:
            assert outcomes.fail(job, outcomes.Failure("broken"), ValueError("broken"), NO_RETRY, now=now)
        case State.RETRYING:
            altered(job, max_attempts=100)
            job.max_attempts = 100
            assert outcomes.fail(job, outcomes.Failure("broken"), ValueError("broken"), AGAIN, now=now)
    return fresh(job)


def altered(job: Job, **columns: Any) -> Job:
    """The job with columns written as given, as if that had happened."""
    with writing():
        assert Job.objects.filter(id=job.id).update(**columns) == 1
    return fresh(job)


def fresh(job: Job) -> Job:
    """The row as it is now."""
    return Job.objects.get(id=job.id)


def columns_of(job: Job) -> dict[str, Any]:
    """Every column of the row as it is now: two of these are equal if nothing was written between them."""
    return dict(Job.objects.filter(id=job.id).values().get())


def happened(job: Job) -> list[str]:
    """The names of the job's events, in order."""
    return list(job.events.order_by("id").values_list("name", flat=True))


def moves_of(job: Job) -> list[tuple[str, str]]:
    """The moves that the job's events record, in order."""
    return list(job.events.order_by("id").values_list("source", "target"))
