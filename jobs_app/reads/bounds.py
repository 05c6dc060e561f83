"""Bounds: what is asked for while somebody waits may take only so long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import OperationalError, connection, transaction

LEAST = timedelta(milliseconds=1)
QUERY_CANCELED = "57014"


class TookTooLong(Exception):
    """The time was up. What was asked for may be there all the same."""


@contextmanager
def within(limit: timedelta) -> Iterator[None]:
    """Bound what each statement of the block may take, on PostgreSQL: SQLite has no such limit.

    Raises TookTooLong, at once if there is no time.
    """
    if connection.vendor != "postgresql":
        yield
        return
    if limit < LEAST:
        raise TookTooLong
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {int(limit / LEAST)}")
            yield
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != QUERY_CANCELED:
            raise
        raise TookTooLong from None
