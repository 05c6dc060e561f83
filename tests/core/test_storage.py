"""How the ledger's tables are stored: no heartbeat touches an index, and what is hot is tidied often."""

from __future__ import annotations

import pytest
from django.db import connection

from jobs_app.core import claims, clock, liveness
from jobs_app.migrations import _storage
from tests.support.ledger import HOLDER, submitted

BEATS = 10
JOBS = 40

on_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="about how PostgreSQL stores rows")


def updates() -> tuple[int, int]:
    """Rows of jobs that were updated, and those of them whose new version stayed on its page, with no index told."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'jobs_app_job'")
        return cursor.fetchone()


def indexed_columns() -> dict[str, str]:
    """The definitions of the indexes of jobs, by name."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'jobs_app_job'")
        else:
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'jobs_app_job'")
        return {name: text or "" for name, text in cursor.fetchall()}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "column", ["lease_until", "deadline_at", "progress", "progress_message", "cancel_requested_at", "holder"]
)
def test_nothing_that_changes_while_a_job_runs_is_in_an_index(column: str) -> None:
    assert not [name for name, text in indexed_columns().items() if column in text]


@on_postgresql
@pytest.mark.usefixtures("quiet", "nudged")
def test_heartbeats_stay_on_their_pages() -> None:
    now = clock.database_now()
    taken = claims.claim([submitted(now=now).id for _ in range(JOBS)], holder=HOLDER, now=now)
    held = [(job.id, job.attempt) for job in taken]
    liveness.extend(held, now=now)  # of rows that were just written the page is full: some move once
    before = updates()
    for _ in range(BEATS):
        assert len(liveness.extend(held, now=now)) == JOBS
    moved, stayed = (after - earlier for earlier, after in zip(before, updates(), strict=True))
    assert moved == BEATS * JOBS
    assert stayed >= 0.7 * moved, "with the lease in an index none would"


@on_postgresql
@pytest.mark.django_db
@pytest.mark.parametrize("table", sorted(_storage.TABLES))
def test_hot_tables_are_tidied_by_settings_of_their_own(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT reloptions FROM pg_class WHERE oid = %s::regclass", [table])
        (found,) = cursor.fetchone()
    assert set(found or ()) == {f"{name}={value}" for name, value in _storage.TABLES[table].items()}
