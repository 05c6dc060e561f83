"""Reading and binding helpers shared by the rooms above: locks that fit the database, and parameters of raw SQL."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection, connections, models, transaction

from jobs_app import registry
from jobs_app.lifecycle import State
from jobs_app.models import Job
from jobs_app.models.guard import writing

M = TypeVar("M", bound=models.Model)

ABANDON_SECONDS = 2.0

_columns: set[tuple[str, str]] = set()
"""Columns that were asked for and are there: they stay."""

IDLE_SECONDS = 10.0
"""How long a process may stand still within a brief transaction."""

LONGEST_IDLE = 2**31 - 1
"""Milliseconds: PostgreSQL knows no longer bound."""


@contextmanager
def brief() -> Iterator[None]:
    """A transaction of a few statements, or a savepoint within another one.

    Its locks must not outlive its process: PostgreSQL would keep those of one that is frozen, or of a machine that
    vanished without a word. So it ends the transaction when nothing has come for IDLE_SECONDS.
    """
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:
            bound_idle(IDLE_SECONDS)
        yield


def bound_idle(seconds: float) -> None:
    """Have PostgreSQL end this transaction when nothing comes for so long. Works behind PgBouncer too."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            milliseconds = min(round(seconds * 1000), LONGEST_IDLE)
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = %s", [milliseconds])


def locked(rows: models.QuerySet[M], *, skip_locked: bool = False) -> models.QuerySet[M]:
    """``SELECT … FOR UPDATE`` where the database has row locks; SQLite's IMMEDIATE transaction is one lock for all.

    No key is ever changed, so a row that refers to the locked one (a log line, a child) may be inserted meanwhile.
    """
    if connection.features.has_select_for_update:
        return rows.select_for_update(skip_locked=skip_locked, of=("self",), no_key=True)
    return rows


def locked_or_made(rows: models.QuerySet[M], **key: Any) -> M:
    """The row with this unique key, locked until the transaction ends; made first if there is none."""
    row = locked(rows.filter(**key)).first()
    if row is None:
        rows.model._default_manager.get_or_create(**key)
        row = locked(rows.filter(**key)).get()
    return row


def running(job_id: UUID, attempt: int, *, skip_locked: bool = False) -> Job | None:
    """The row of a job that still runs this attempt, locked until the transaction ends: what it says now, holds."""
    rows = Job.objects.filter(id=job_id, state=State.RUNNING, attempt=attempt)
    return locked(rows, skip_locked=skip_locked).first()


def running_here(job: Job) -> Job | None:
    """The same for a job whose handler runs in this process; the row of an atomic kind is not locked.

    There the transaction lasts as long as the handler, and a lock would keep its own heart from the row. If the job is
    lost meanwhile, the settlement is refused, and what was done for it is undone.
    """
    kind = registry.find(job.kind)
    if kind is None or not kind.atomic:
        return running(job.id, job.attempt)
    return Job.objects.filter(id=job.id, state=State.RUNNING, attempt=job.attempt).first()


def has_column(model: type[models.Model], name: str) -> bool:
    """Whether the table has a column that this release has added; while an upgrade is under way, it may not yet.

    Asked of the database until it has; after that it costs nothing.
    """
    table = model._meta.db_table
    if (table, name) not in _columns:
        with connection.cursor() as cursor:
            found = connection.introspection.get_table_description(cursor, table)
        _columns.update((table, each.name) for each in found)
    return (table, name) in _columns


def delete_any(rows: models.QuerySet[M]) -> int:
    """Delete rows, if there are any. Returns how many. What is asked often must not take SQLite's lock for nothing."""
    if not rows.exists():
        return 0
    with writing():
        deleted, _ = rows.delete()
    return deleted


def abandon() -> None:
    """Give up this thread's connection, which a signal may have cut short in the middle of a query.

    PostgreSQL would go on with that query for nobody: it is told to stop. The next query takes a new connection.
    """
    if connection.vendor == "postgresql" and connection.connection is not None:
        with suppress(Exception):  # the server is away, or has nothing to stop
            connection.connection.cancel_safe(timeout=ABANDON_SECONDS)
    connection.close()


def bind_ids(ids: Iterable[UUID]) -> Any:
    """Ids as the raw statements take them: an array, or JSON text of SQLite's 32-digit form."""
    return _array(ids) if connection.vendor == "postgresql" else json.dumps([each.hex for each in ids])


def bind_columns(**columns: Iterable[Any]) -> dict[str, Any]:
    """Rows as the raw statements take them, given column by column: an array each; in SQLite one JSON text, ``rows``.

    There a row is an array of its values in this order, with ids and times as SQLite stores them.
    """
    if connection.vendor == "postgresql":
        return {name: _array(values) for name, values in columns.items()}
    rows = zip(*([_stored(each) for each in values] for values in columns.values()), strict=True)
    return {"rows": json.dumps(list(rows))}


def _array(values: Iterable[Any]) -> str:
    """Values of one type as the text of an array of PostgreSQL: psycopg's own way takes several times as long."""
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: Any) -> str:
    if isinstance(value, (UUID, int)):
        return str(value)
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _stored(value: Any) -> Any:
    if isinstance(value, UUID):
        return value.hex
    return bind_time(value) if isinstance(value, datetime) else value


def bind_held(held: Sequence[tuple[UUID, int]]) -> dict[str, Any]:
    """``(id, attempt)`` pairs as the heartbeat statement takes them."""
    if connection.vendor == "postgresql":
        return {"ids": _array(each for each, _ in held), "attempts": _array(attempt for _, attempt in held)}
    return {"held": json.dumps([[each.hex, attempt] for each, attempt in held])}


def bind_time(moment: datetime) -> Any:
    """A time as the raw statements take it; SQLite stores UTC text."""
    return connection.ops.adapt_datetimefield_value(moment.astimezone(UTC))


def bind_numbers(numbers: Sequence[int]) -> Any:
    """Whole numbers as the raw statements take them: an array, or JSON text."""
    return _array(numbers) if connection.vendor == "postgresql" else json.dumps(list(numbers))


def bind_row(row: models.Model, columns: Iterable[str]) -> dict[str, Any]:
    """Columns of a row that is not saved yet, as its fields have them stored."""
    link = connections[DEFAULT_DB_ALIAS]
    fields = _fields_to_adapt(type(row), link.vendor)
    return {
        each: fields[each].get_db_prep_save(value, link) if each in fields and value is not None else value
        for each in columns
        for value in (getattr(row, each),)
    }


@cache
def _fields_to_adapt(model: type[models.Model], vendor: str) -> dict[str, models.Field[Any, Any]]:
    """The fields, by attribute, whose values a database does not take as Python has them: on PostgreSQL few."""
    return {
        field.attname: field
        for field in model._meta.concrete_fields
        if vendor != "postgresql" or isinstance(field, models.JSONField)
    }


def read_id(value: Any) -> UUID:
    """An id as a raw statement returns it."""
    return value if isinstance(value, UUID) else UUID(value)
