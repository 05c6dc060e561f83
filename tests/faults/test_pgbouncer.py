"""Every process behind PgBouncer in transaction mode, with fewer connections to the server than there are clients."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import httpx
import pytest
from django.contrib.auth.models import Group, User
from django.db import connection

from jobs_app.models import Job
from tests.faults.stage import Stage, api_of
from tests.support.broker import Valkey
from tests.support.pgbouncer import PgBouncer
from tests.support.processes import eventually, finished

pytestmark = pytest.mark.slow

POOL = 4


@pytest.fixture(scope="module")
def _pooled(
    worker_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Stage, PgBouncer]]:
    if connection.vendor != "postgresql":
        pytest.skip("PgBouncer is for PostgreSQL")
    directory = tmp_path_factory.mktemp("pooled")
    bouncer = PgBouncer(directory / "pgbouncer", worker_environment["DATABASE_URL"], size=POOL)
    bouncer.start()
    made = Stage(directory, Valkey(directory / "broker"), {**worker_environment, "DATABASE_URL": bouncer.url})
    yield made, bouncer
    made.close()
    bouncer.close()


@pytest.fixture
def pooled(_pooled: tuple[Stage, PgBouncer], quiet: None, unpublished: None) -> Iterator[tuple[Stage, PgBouncer]]:
    """The stage, every process of which reaches the database through the pool."""
    made, bouncer = _pooled
    made.ensure("worker", "second", "upkeep", "beat")
    made.serves()
    yield made, bouncer
    made.heal()


def submit(api: httpx.Client, kind: str, **parameters: object) -> UUID:
    response = api.post("/api/jobs", json={"kind": kind, "parameters": parameters})
    assert response.status_code == 202, response.text
    return UUID(response.json()["id"])


def test_jobs_of_every_sort_settle_behind_a_small_pool(pooled: tuple[Stage, PgBouncer], alice: User) -> None:
    stage, bouncer = pooled
    with api_of(stage, alice) as api:
        quick = [submit(api, "system.echo", text=str(number)) for number in range(40)]
        atomic = [submit(api, "probe.atomic_writer", name=f"g{number}", fail_until=2) for number in range(8)]
        failing = [submit(api, "probe.fails") for _ in range(4)]
        flaky = [submit(api, "probe.flaky", succeeds_at=3) for _ in range(4)]
        killed = submit(api, "probe.killed")
        slow = [submit(api, "probe.slow", seconds=7) for _ in range(2)]
        cancelled = submit(api, "probe.waits_in_the_database", seconds=60)
        eventually(lambda: Job.objects.get(id=cancelled).state == "running", what="the job to run")
        response = api.post(f"/api/jobs/{cancelled}/cancel")
        assert response.status_code in {200, 202}, response.text
        assert bouncer.server_connections() <= POOL
        pages = [api.get("/api/jobs?limit=5").json() for _ in range(5)]
        assert all(pages)
    for job in [*quick, *atomic, *flaky, *slow]:
        row = finished(job)
        assert row.state == "succeeded", row.error
    for job in slow:
        assert Job.objects.get(id=job).attempts.count() == 1, "its lease was kept"
    assert {finished(job).state for job in failing} == {"failed"}
    assert finished(killed).kills == 3
    assert finished(cancelled).state == "cancelled"
    assert Group.objects.filter(name__startswith="g").count() == len(atomic)


def test_connections_that_the_pool_ends_cost_nothing(pooled: tuple[Stage, PgBouncer], alice: User) -> None:
    stage, bouncer = pooled
    with api_of(stage, alice) as api:
        running = submit(api, "probe.slow", seconds=4)
        eventually(lambda: Job.objects.get(id=running).state == "running", what="the job to run")
        bouncer.kill()
        bouncer.start()
        eventually(lambda: api.get("/api/jobs").status_code == 200, 30, what="the API to connect again")
        after = submit(api, "system.echo", text="after")
    assert finished(after).state == "succeeded"
    row = finished(running)
    assert row.state == "succeeded", row.error
