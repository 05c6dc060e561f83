"""Patience with the database: the thread that cuts connections off outlives whatever it meets."""

from __future__ import annotations

from types import SimpleNamespace

import psycopg
import pytest
from django.db import connection

from jobs_app.core.failures import LEDGER_ERRORS
from jobs_app.core.patience import Watch, _Call

pytestmark = [
    pytest.mark.usefixtures("quiet"),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite needs no watching"),
]


class GoneMeanwhile:
    """A connection that ends between the look whether it is closed and the question for its socket."""

    closed = False

    def fileno(self) -> int:
        raise psycopg.OperationalError("the connection is lost")


def test_a_connection_that_ends_while_it_is_cut_leaves_the_others_watched() -> None:
    watch = Watch()
    watch._calls.append(_Call(SimpleNamespace(connection=GoneMeanwhile()), 3600.0, 0.0))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone()
    with pytest.raises(LEDGER_ERRORS), watch.call(0.5), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(60)")
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [backend])  # it would go on sleeping for nobody
