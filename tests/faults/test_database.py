"""A PostgreSQL that drops connections, hangs or restarts: 503 until it is back, and nothing accepted is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from django.db import DatabaseError, InterfaceError, connection

from jobs_app.models import Job
from tests.faults.jobs import BODY, accepted, all_succeed, refused, slow_job
from tests.faults.stage import USUAL, Stage
from tests.support.broker import Valkey
from tests.support.ledger import fresh, submitted
from tests.support.processes import eventually, finished
from tests.support.relays import Relay
from tests.surfaces.api.support import processes_below
from tests.surfaces.processes import celery

pytestmark = pytest.mark.slow


def way(stage: Stage) -> Relay:
    assert stage.way_to_database is not None
    return stage.way_to_database


def again(seconds: float = 30) -> None:
    """Take a new connection of this process's own, once the server gives one."""

    def asked() -> bool:
        connection.close()
        try:
            return Job.objects.exists() in {True, False}
        except (DatabaseError, InterfaceError):
            return False

    eventually(asked, seconds, what="the database to answer")


def first_server_process() -> tuple[int, int]:
    """The ids of the database server's first process, and of the one that serves this connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        serving = int(cursor.fetchone()[0])
    lines = Path(f"/proc/{serving}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("PPid:")).split()[1]), serving


def lapsed(job: Job) -> None:
    """Wait until the lease that a row shows is over, by a clock that is the database's too; it may not be asked."""
    lease = job.lease_until
    assert lease is not None
    eventually(lambda: datetime.now(UTC) > lease + timedelta(seconds=1), what="the lease to run out")


def test_f15_connections_that_the_server_ends_cost_nothing(postgresql: None, stage: Stage, api: httpx.Client) -> None:
    before = stage.pids()
    running = slow_job()
    idle = accepted(api.post("/api/jobs", json=BODY))
    finished(idle)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchone()[0] > 2
    eventually(lambda: api.get("/api/jobs").status_code == 200, 10, what="the API to connect again")
    row = finished(accepted(api.post("/api/jobs", json=BODY)))
    assert (row.state, row.attempts.count()) == ("succeeded", 1), "the first job after it"
    row = finished(running.id)
    assert (row.state, row.attempts.count()) == ("succeeded", 1), row.error
    assert stage.pids() == before


def test_f15_a_server_that_crashes_and_recovers_costs_nothing(
    postgresql: None, stage: Stage, api: httpx.Client
) -> None:
    before = stage.pids()
    running = slow_job()
    waiting = accepted(api.post("/api/jobs", json=BODY))
    # One of its processes killed: the server ends all others, recovers from its log and starts anew.
    os.kill(first_server_process()[1], signal.SIGKILL)
    again()
    stage.serves()
    all_succeed([waiting, running.id])
    eventually(lambda: api.get("/api/jobs").status_code == 200, 10, what="the API to connect again")
    all_succeed([accepted(api.post("/api/jobs", json=BODY))])
    assert stage.pids() == before


def test_f15_while_the_server_is_down_submissions_are_refused_and_afterwards_all_is_well(
    postgresql: None, stage: Stage, api: httpx.Client
) -> None:
    before = stage.pids()
    running = slow_job(12)
    kept = [accepted(api.post("/api/jobs", json=BODY)), running.id]
    way(stage).refuse()
    for _ in range(3):
        refused(api.post("/api/jobs", json=BODY))
    lapsed(fresh(running))
    way(stage).mend()
    eventually(lambda: api.get("/api/jobs").status_code == 200, 10, what="the API to connect again")
    kept.append(accepted(api.post("/api/jobs", json=BODY)))
    all_succeed(kept)
    assert Job.objects.filter(parameters=BODY["parameters"]).count() == 2, "a refused submission left nothing"
    assert stage.pids() == before


def test_f15_a_server_that_is_frozen_for_longer_than_a_lease_loses_nothing(
    postgresql: None, stage: Stage, api: httpx.Client
) -> None:
    kept = [accepted(api.post("/api/jobs", json=BODY))]
    running = slow_job(4)
    kept.append(running.id)
    held = fresh(running)
    postmaster, _ = first_server_process()
    with ThreadPoolExecutor(2) as pool:
        with frozen(postmaster):
            posts = [pool.submit(api.post, "/api/jobs", json=BODY) for _ in range(2)]
            lapsed(held)
        for post in posts:
            response = post.result(60)
            if response.status_code == 202:
                kept.append(accepted(response))
            else:
                refused(response)
    again()
    eventually(lambda: api.get("/api/jobs").status_code == 200, 10, what="the API to answer")
    kept.append(accepted(api.post("/api/jobs", json=BODY)))
    all_succeed(kept)
    stage.serves()


@contextmanager
def frozen(postmaster: int) -> Iterator[None]:
    """Every process of a server, stopped in its tracks: the first one first, since it starts others."""
    os.kill(postmaster, signal.SIGSTOP)
    stopped = processes_below(postmaster)
    try:
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in reversed(stopped):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def test_f08_workers_recover_from_half_open_connections_to_the_database(postgresql: None, stage: Stage) -> None:
    before = stage.pids()
    jobs = [slow_job(6).id]
    way(stage).half_open()
    jobs += [submitted().id for _ in range(3)]
    all_succeed(jobs)
    stage.serves()
    assert stage.pids() == before


def test_f08_the_web_server_recovers_from_half_open_connections_to_the_database(
    postgresql: None, stage: Stage, api: httpx.Client
) -> None:
    finished(accepted(api.post("/api/jobs", json=BODY)))
    way(stage).half_open()

    def answered() -> bool:
        try:
            return api.post("/api/jobs", json=BODY, timeout=10).status_code == 202
        except httpx.TimeoutException:
            return False

    eventually(answered, 60, what="the API to accept a job")


def test_f08_beat_recovers_from_a_half_open_connection_to_the_database(
    postgresql: None, stage: Stage, tmp_path: Path
) -> None:
    assert isinstance(stage.broker, Valkey)
    stage.stop(*USUAL)
    with stage.broker.client() as client, celery("beat", environment=stage.environment, log=tmp_path / "beat"):
        client.delete("system")
        eventually(lambda: client.llen("system"), what="ticks")
        way(stage).half_open()
        eventually(lambda: way(stage).swallowed, what="beat to ask the database")
        client.delete("system")  # it stands still now
        eventually(lambda: client.llen("system"), 60, what="ticks")
