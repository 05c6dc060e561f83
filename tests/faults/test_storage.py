"""F18: a ledger without room, or locked by somebody: 503 until that is over, and nothing accepted is lost."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from django.contrib.auth.models import User
from django.db import connection

from jobs_app.core import clock
from jobs_app.models import Job
from tests.faults.jobs import BODY, accepted, all_succeed, refused, slow_job
from tests.faults.stage import Stage
from tests.support.ledger import fresh
from tests.surfaces.api.support import Servers, token_of

pytestmark = pytest.mark.slow


def test_f18_a_full_disk_of_the_database_is_503_and_leaves_nothing(
    postgresql: None, stage: Stage, api: httpx.Client
) -> None:
    # What the server says when a table cannot grow; filling a real disk would hurt the machine.
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END$$"
        )
        cursor.execute("CREATE TRIGGER full_disk BEFORE INSERT ON jobs_app_job EXECUTE FUNCTION full_disk()")
        try:
            for _ in range(3):
                refused(api.post("/api/jobs", json=BODY))
        finally:
            cursor.execute("DROP TRIGGER full_disk ON jobs_app_job")
            cursor.execute("DROP FUNCTION full_disk()")
    assert not Job.objects.filter(parameters=BODY["parameters"]).exists()
    all_succeed([accepted(api.post("/api/jobs", json=BODY))])


def test_f18_a_disk_without_room_for_the_ledgers_file_is_503_and_leaves_nothing(
    sqlite: Path, stage: Stage, api: httpx.Client
) -> None:
    all_succeed([accepted(api.post("/api/jobs", json=BODY))])
    workers = stage.web_processes
    try:
        for pid in workers:  # a limit on the size of files fails a write in the middle as a full disk does
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        for _ in range(3):
            refused(api.post("/api/jobs", json=BODY))
    finally:
        for pid in workers:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert Job.objects.filter(parameters=BODY["parameters"]).count() == 1
    all_succeed([accepted(api.post("/api/jobs", json=BODY))])
    with closing(sqlite3.connect(sqlite)) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_f18_a_ledger_that_somebody_keeps_locked_is_503_and_nothing_is_lost(
    sqlite: Path, stage: Stage, alice: User, tmp_path: Path
) -> None:
    before = stage.pids()
    # A web server that waits 1 s for a lock instead of 20.
    web = Servers({**stage.environment, "DATABASE_URL": f"sqlite:///{sqlite}?timeout=1"}, tmp_path)
    web.start_web()
    headers = {"Authorization": f"Bearer {token_of(alice)}"}
    with httpx.Client(base_url=web.web, headers=headers, timeout=60) as api:
        running = slow_job(4)
        kept = [running.id, accepted(api.post("/api/jobs", json=BODY))]
        with locked(sqlite):
            lease = fresh(running).lease_until  # nobody can extend it now
            assert lease is not None
            while clock.database_now() <= lease + timedelta(seconds=1):
                refused(api.post("/api/jobs", json=BODY))
        kept.append(accepted(api.post("/api/jobs", json=BODY)))
    web.stop()
    all_succeed(kept)
    assert Job.objects.filter(parameters=BODY["parameters"]).count() == 2
    stage.serves()
    assert stage.pids() == before


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the write lock of a file."""
    with closing(sqlite3.connect(file, timeout=20, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")
