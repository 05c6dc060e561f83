"""The only writer of ``Job.state``.

Every write is guarded by ``(id, state, attempt)`` and acts on the row count; every move leaves an event in the same
transaction. A caller whose move returns False has lost the job to someone else, and must not act as if it had it.
What people change of a job that stays in its state (``amend``) is guarded and recorded alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet

from jobs_app.core import copying, ends, events, queries, sql
from jobs_app.lifecycle import INITIAL, EventName, State, legal
from jobs_app.models import Event, Job
from jobs_app.models.guard import writing

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SUBMITTED = (
    "id", "kind", "queue", "state", "priority", "owner_id", "token_id", "via", "parameters", "sealed",
    "request_digest", "idempotency_key", "rerun_of_id", "trace", "max_attempts", "timeout", "hard_timeout", "tags",
    "created_at", "due_at", "expires_at", "start_from", "start_until", "finish_from", "finish_until", "webhook",
)  # fmt: skip
"""What a submission sets of a job; the statement knows the rest."""


def create(job: Job, *, now: datetime, actor: User | None, terms: Sequence[int] = ()) -> None:
    """Insert a new job in its initial state, its first event and its terms: on PostgreSQL in one statement.

    Without a transaction of the caller's it is committed at once. Raises IntegrityError for a key that is taken; within
    a transaction that is broken then, up to the caller's last savepoint.
    """
    if job.state not in INITIAL:
        raise ValueError(f"expected a new job in one of {sorted(INITIAL)}, got {job.state}")
    statements = sql.statements("submit")
    values = queries.bind_row(job, SUBMITTED) | {
        "now": queries.bind_time(now), "event": EventName.SUBMITTED.value, "actor": actor.pk if actor else None,
        "terms": queries.bind_numbers(terms),
    }  # fmt: skip
    whole = transaction.atomic(savepoint=False) if len(statements) > 1 else nullcontext()
    with whole, connection.cursor() as cursor:
        for each in statements:
            cursor.execute(each, values)
    job._state.adding, job._state.db = False, connection.alias


class New(NamedTuple):
    """What a new job has of its own, when many are made that are alike in all else. parameters: as JSON text."""

    id: UUID
    parameters: str
    sealed: bytes | None
    request_digest: str
    idempotency_key: str | None


JOBS = copying.Table(Job, New._fields)
EVENTS = copying.Table(Event, ("job_id",))


def create_many(alike: Sequence[tuple[Job, Sequence[New]]], *, now: datetime, actor: User | None) -> None:
    """Insert many new jobs with their events, in the caller's transaction: of each ``Job``, which is not inserted
    itself, as many as there are ``New`` beside it. Raises IntegrityError for a key that is taken.

    In the order of their keys: so of two that insert the same keys at once, one waits for the other, and never both.
    """
    jobs: list[tuple[str, copying.Row]] = []
    moves: list[copying.Row] = []
    for like, news in alike:
        if like.state not in INITIAL:
            raise ValueError(f"expected new jobs in one of {sorted(INITIAL)}, got {like.state}")
        event = events.build(
            like.id, EventName.SUBMITTED, attempt=0, now=now, source=None, target=like.status, actor=actor,
            reason=like.via,
        )  # fmt: skip
        job_row, event_row = JOBS.mould(like), EVENTS.mould(event)
        jobs += [(each.idempotency_key or "", job_row(each)) for each in news]
        moves += [event_row((each.id,)) for each in news]
    jobs.sort(key=lambda pair: (len(pair[0]), pair[0]))
    JOBS.insert([row for _, row in jobs])
    EVENTS.insert(moves)


def move(
    job_id: UUID,
    source: State,
    target: State,
    *,
    attempt: int,
    now: datetime,
    event: EventName,
    actor: User | None = None,
    reason: str = "",
    fingerprint: str = "",
    **changes: Any,
) -> bool:
    """Move one job, if it is still in ``source`` at this attempt; ``changes`` are other columns to set with it.

    fingerprint: of the failure that moves it, if one does.

    Returns whether it moved. Raises ValueError for a move that the lifecycle does not know.
    """
    if not legal(source, target):
        raise ValueError(f"expected a legal move, got {source} to {target}")
    if fingerprint and queries.has_column(Job, "fingerprint"):
        changes["fingerprint"] = fingerprint
    with transaction.atomic(savepoint=False), writing():
        moved = Job.objects.filter(id=job_id, state=source, attempt=attempt).update(
            state=target, **_consequences(target, now), **changes
        )
        if moved:
            events.record(
                job_id, event, attempt=attempt, now=now, source=source, target=target, actor=actor, reason=reason
            )
            ends.teller.note([job_id], target)
    return bool(moved)


def make_due(ids: Sequence[UUID], source: State, *, now: datetime) -> int:
    """Move jobs whose time has come from ``source`` (scheduled or retrying) to queued. Returns how many."""
    return len(move_many(ids, source, State.QUEUED, now=now, event=EventName.DUE))


def move_many(
    ids: Sequence[UUID],
    source: State,
    target: State,
    *,
    now: datetime,
    event: EventName,
    attempt: int | None = None,
    actor: User | None = None,
    reason: str = "",
    **changes: Any,
) -> list[Job]:
    """Move those of the jobs that are still in ``source`` (and at this attempt); another's lock on a row is passed by.

    Returns the rows that moved: id, kind and attempt of each. Raises ValueError for a move that is not legal.
    """
    if not ids:
        return []
    with queries.brief(), writing():
        rows = Job.objects.filter(id__in=ids, state=source)
        rows = rows if attempt is None else rows.filter(attempt=attempt)
        found = list(queries.locked(rows.only("id", "attempt", "kind"), skip_locked=True))
        if found and not legal(source, target):
            raise ValueError(f"expected a legal move, got {source} to {target}")
        Job.objects.filter(id__in=[job.id for job in found], state=source).update(
            state=target, **_consequences(target, now), **changes
        )
        events.record_many(
            events.build(
                job.id, event, attempt=job.attempt, now=now, source=source, target=target, actor=actor, reason=reason
            )
            for job in found
        )
        ends.teller.note([job.id for job in found], target)
    return found


def amend(
    job: Job, *, now: datetime, event: EventName, actor: User | None = None, reason: str = "", **changes: Any
) -> bool:
    """Change columns of a job that stays as it was read: in its state, at its attempt. Returns whether it was so."""
    with transaction.atomic(savepoint=False), writing():
        changed = Job.objects.filter(id=job.id, state=job.state, attempt=job.attempt).update(**changes)
        if changed:
            events.record(
                job.id, event, attempt=job.attempt, now=now, source=job.status, target=job.status, actor=actor,
                reason=reason,
            )  # fmt: skip
    return bool(changed)


def amend_many(
    rows: QuerySet[Job],
    *,
    now: datetime,
    event: EventName,
    actor: User | None = None,
    reason: str = "",
    **changes: Any,
) -> list[UUID]:
    """The same for those of ``rows``, a query that names ids, that are still as it says; another's lock is passed by.

    Returns the ids of those that were changed.
    """
    with queries.brief(), writing():
        found = list(queries.locked(rows.only("id", "state", "attempt"), skip_locked=True))
        ids = [job.id for job in found]
        if found:
            Job.objects.filter(id__in=ids).update(**changes)
            events.record_many(
                events.build(
                    job.id, event, attempt=job.attempt, now=now, source=job.status, target=job.status, actor=actor,
                    reason=reason,
                )
                for job in found
            )  # fmt: skip
    return ids


def claim(ids: Iterable[UUID], *, holder: str, now: datetime, lease_until: datetime) -> list[Job]:
    """Take the still claimable jobs among ``ids`` for one attempt each, which is opened and recorded with it.

    One statement on PostgreSQL. The rows have what a worker needs of them; another column is read when it is asked for.
    """
    at = queries.bind_time(now)
    bound = {"ids": queries.bind_ids(ids), "holder": holder, "now": at, "lease_until": queries.bind_time(lease_until)}
    if connection.vendor == "postgresql":
        return [_timed(job, now) for job in Job.objects.raw(sql.statement("claim"), bound)]
    with queries.brief():
        taken = list(Job.objects.raw(sql.statement("claim"), bound))
        rows = queries.bind_columns(id=(job.id for job in taken), attempt=(job.attempt for job in taken))
        with connection.cursor() as cursor:
            for name in ("open_attempts", "record_claims") if taken else ():
                cursor.execute(sql.statement(name), {**rows, "holder": holder, "now": at})
    return taken


def _timed(job: Job, now: datetime) -> Job:
    """A row of the claim, with its times made of numbers: psycopg reads a time or an interval in Python."""
    told: Any = job
    job.timeout, job.hard_timeout = timedelta(seconds=told.soft_seconds), timedelta(seconds=told.hard_seconds)
    job.deadline_at = now + job.hard_timeout
    return job


@dataclass(frozen=True)
class Success:
    """An attempt whose handler has returned. result: JSON text. began, ended: of the handler, by the ledger's clock."""

    job: Job
    result: str
    size: int
    began: datetime
    ended: datetime


def succeed(done: Sequence[Success]) -> set[UUID]:
    """Move jobs from running to succeeded, those that still run the attempt; their attempts end and are recorded too.

    Returns the ids of those that moved. One statement on PostgreSQL.
    """
    with queries.brief() if connection.vendor != "postgresql" else nullcontext(), connection.cursor() as cursor:
        cursor.execute(sql.statement("succeed"), _columns(done))
        moved = {queries.read_id(row[0]) for row in cursor.fetchall()}
        if connection.vendor != "postgresql" and moved:
            ended = _columns([each for each in done if each.job.id in moved])
            for name in ("end_attempts", "record_successes"):
                cursor.execute(sql.statement(name), ended)
        ends.teller.note(list(moved), State.SUCCEEDED)
    return moved


def _columns(done: Sequence[Success]) -> dict[str, Any]:
    return queries.bind_columns(
        id=(each.job.id for each in done), attempt=(each.job.attempt for each in done),
        result=(each.result for each in done), size=(each.size for each in done),
        began=(each.began for each in done), ended=(each.ended for each in done),
    )  # fmt: skip


def _consequences(target: State, now: datetime) -> dict[str, Any]:
    """The columns that a state fixes, so that the CHECK constraints hold after any move."""
    if target is State.RUNNING:
        raise ValueError("expected claim() for the move to running: it also takes the lease")
    changes: dict[str, Any] = {"lease_until": None, "deadline_at": None, "holder": "", "dispatched_at": None}
    if target.final:
        changes["finished_at"] = now
    return changes
