"""Copying: many rows into a table in one go, COPY on PostgreSQL and one prepared INSERT on SQLite.

For rows of which there are so many that a model instance for each would be most of the work. A model instance still
says what they are, once for all that are alike; what differs from row to row stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db import connection, models

from jobs_app.core.patience import watch

Row = Any
"""A row as the database in use takes it: a line of COPY's text format, or a tuple."""

NULL = "\\N"


class Table:
    """Where rows go. ``varying``: names of the columns that differ from row to row."""

    def __init__(self, model: type[models.Model], varying: Sequence[str]) -> None:
        self._model, self._varying = model, tuple(varying)

    def mould(self, like: models.Model) -> Callable[[Sequence[Any]], Row]:
        """What makes rows of the varying columns' values: UUID, str, int, bytes or None, a JSON column's as its text.
        The other columns are those of ``like``."""
        fields = self._fields[len(self._varying) :]
        fixed = [field.get_db_prep_save(getattr(like, field.attname), connection) for field in fields]
        if connection.vendor != "postgresql":
            rest = tuple(fixed)
            return lambda values: (*map(_bound, values), *rest)
        tail = "".join(f"\t{each}" for each in _dumped(fixed)) + "\n"
        return lambda values: "\t".join(map(_text, values)) + tail

    def insert(self, rows: Sequence[Row]) -> None:
        """Write rows, in the caller's transaction. Raises IntegrityError."""
        if not rows:
            return
        names = ", ".join(connection.ops.quote_name(field.column) for field in self._fields)
        table = connection.ops.quote_name(self._model._meta.db_table)
        with connection.cursor() as cursor:
            if connection.vendor != "postgresql":
                places = ", ".join(["%s"] * len(self._fields))
                cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", rows)  # noqa: S608 - our names
                return
            # Neither the wrapper of errors nor that of time sees a COPY.
            with (
                connection.wrap_database_errors,
                watch.call(),
                cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy,
            ):
                copy.write("".join(rows))

    @cached_property
    def _fields(self) -> list[Any]:
        """The varying columns, then the others; a number that the database gives out is none of them."""
        known = {field.attname: field for field in self._model._meta.local_concrete_fields}
        rest = [
            field for name, field in known.items()
            if name not in self._varying and not isinstance(field, models.AutoField)
        ]  # fmt: skip
        return [known[name] for name in self._varying] + rest


def _bound(value: Any) -> Any:
    """As SQLite keeps it."""
    return value.hex if isinstance(value, UUID) else value


def _text(value: Any) -> str:
    """As COPY's text format has it."""
    if value is None:
        return NULL
    if isinstance(value, bytes):
        return f"\\\\x{value.hex()}"
    text = str(value)
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    return text if text.isprintable() else text.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _dumped(values: Sequence[Any]) -> list[str]:
    """Values of any type as text, by psycopg's own rules."""
    from psycopg.adapt import PyFormat, Transformer

    connection.ensure_connection()
    rules = Transformer(connection.connection)
    dumped = (None if each is None else rules.get_dumper(each, PyFormat.TEXT).dump(each) for each in values)
    return [NULL if each is None else _text(bytes(each).decode()) for each in dumped]
