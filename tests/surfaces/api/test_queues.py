"""Queues over the API: how each stands, for whoever is known; and the estimates of a job."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from jobs_app.core import estimates
from jobs_app.models import Job
from tests.support.ledger import altered, claimed, reaching, submitted
from tests.support.measures import SECOND, flowed, listening, paced
from tests.surfaces.api.support import client_of, problem, submit

pytestmark = pytest.mark.django_db

FIELDS = {
    "name", "depth", "limit", "hard_limit", "low_water", "window", "on_broker", "running", "oldest_age", "arrival_rate",
    "drain_rate", "expected_wait", "processes", "slots", "paused_at", "waits_because", "cause", "score",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _pictures() -> Iterator[None]:
    estimates.forget()
    yield
    estimates.forget()


def test_every_queue_is_listed_with_all_that_is_known_of_it(api: Client, now: datetime) -> None:
    listening("default", now)
    flowed("default", now, 5, arrived=2, left=1, ended=1, busy_seconds=1.0, depth=3)
    submitted(now=now)
    (default,) = api.get("/api/queues").json()["queues"]
    assert set(default) == FIELDS
    assert (default["name"], default["slots"], default["arrival_rate"]) == ("default", 2, 1.0)
    assert default == api.get("/api/queues/default").json()


def test_other_peoples_jobs_are_counted_and_nothing_of_them_is_shown(api: Client, bob: User, now: datetime) -> None:
    submitted("system.echo", {"text": "bob's secret"}, owner=bob, now=now)
    estimates.forget()
    answer = api.get("/api/queues/default")
    assert answer.json()["depth"] == 1
    assert "secret" not in answer.content.decode()
    assert "bob" not in answer.content.decode()


def test_an_unknown_queue_is_not_found_and_a_stranger_sees_none(api: Client) -> None:
    assert "expected a queue, such as default" in problem(api.get("/api/queues/nobody"), 404)["detail"]
    assert Client().get("/api/queues").status_code == 401
    assert Client().get("/api/queues/default").status_code == 401


def test_the_path_of_a_queue_knows_its_other_methods(api: Client) -> None:
    assert api.patch("/api/queues/default", {}, content_type="application/json").status_code == 403
    assert api.delete("/api/queues/default").status_code == 405


def test_a_waiting_job_shows_its_live_estimate_beside_what_was_promised(
    api: Client, alice: User, now: datetime
) -> None:
    listening("default", now)
    paced("probe.nothing", 10.0, 10.0, now=now)
    jobs = [submitted(owner=alice, now=now) for _ in range(8)]
    told = {"start_from": now, "start_until": now + 5 * SECOND, "finish_from": now, "finish_until": now + 15 * SECOND}
    altered(jobs[-1], **told)
    estimates.forget()
    body = api.get(f"/api/jobs/{jobs[-1].id}").json()
    assert set(body["estimate"]) == set(body["promised"]) == set(told)
    assert datetime.fromisoformat(body["promised"]["start_until"]) == told["start_until"]
    assert datetime.fromisoformat(body["estimate"]["start_until"]) > now + 30 * SECOND, "seven jobs are before it"


def test_a_running_job_has_an_end_to_expect_and_an_ended_one_none(api: Client, alice: User, now: datetime) -> None:
    paced("probe.nothing", 10.0, 20.0, now=now)
    job = claimed(submitted(owner=alice, now=now), now=now)
    body = api.get(f"/api/jobs/{job.id}").json()
    assert datetime.fromisoformat(body["estimate"]["finish_from"]) >= now + 9 * SECOND
    ended = reaching("succeeded", owner=alice)  # type: ignore[arg-type]
    assert api.get(f"/api/jobs/{ended.id}").json()["estimate"] is None


def test_an_accepted_job_carries_what_it_was_promised(api: Client, now: datetime) -> None:
    listening("default", now)
    paced("system.echo", 1.0, now=now)
    body = submit(api).json()
    row = Job.objects.get(id=body["id"])
    assert row.start_from is not None
    assert body["estimate"] == body["promised"]
    assert datetime.fromisoformat(body["estimate"]["start_until"]) == row.start_until


def test_without_a_worker_nothing_is_promised(api: Client) -> None:
    body = submit(api).json()
    assert (body["estimate"], body["promised"]) == (None, None)


@pytest.mark.parametrize("count", [1, 20])
def test_a_list_asks_nothing_more_for_estimates(
    alice: User, now: datetime, count: int, django_assert_max_num_queries: Any
) -> None:
    client = client_of(alice)
    client.get("/api/jobs")
    for _ in range(count):
        altered(submitted(owner=alice, now=now), start_from=now, start_until=now + timedelta(seconds=1))
    clock = int(connection.vendor == "postgresql")
    # The page; once a second the token, two of rights, and on PostgreSQL the time.
    with django_assert_max_num_queries(4 + clock):
        found = client.get("/api/jobs").json()["jobs"]
    assert len(found) == count
    assert all(each["promised"] and each["estimate"] is None for each in found)
