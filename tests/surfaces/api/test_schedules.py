"""Schedules over the API: operators look, run, pause and resume; everybody else is refused."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from jobs_app.models import Job, Tick
from tests.support.reports import HOUR, altered, member, operator, row, scheduled, ticked
from tests.surfaces.api.support import client_of, problem

pytestmark = pytest.mark.django_db

HERE = "/api/schedules/hourly"


@pytest.fixture
def operators(carol: User) -> Client:
    """Carol, with all that operators may, by token."""
    return client_of(operator(carol))


def test_schedules_are_listed_and_shown_with_their_fires_and_ticks(operators: Client, now: datetime) -> None:
    schedule = scheduled(now=now - 10 * HOUR, description="says hello")
    tick = ticked(schedule, now - HOUR, 5)
    altered(schedule, next_due_at=now + HOUR)
    answer = operators.get("/api/schedules").json()
    (listed,) = answer["schedules"]
    assert answer["next_cursor"] is None
    shown = operators.get(HERE).json()
    assert {name: shown[name] for name in listed} == listed
    assert (shown["id"], shown["kind"], shown["parameters"]) == (schedule.pk, "system.echo", {"text": "hello"})
    assert (shown["timing"], shown["paused"], shown["broken"]) == ("every hour", False, "")
    assert shown["policy"] == {
        "missed": "latest", "missed_cap": 100, "overlap": "allow", "gap": "after", "repeat": "usual",
    }  # fmt: skip
    assert len(shown["fires"]) == 10
    assert shown["ticks"] == [shown["last"]]
    assert (shown["last"]["job"], shown["last"]["state"], shown["last"]["started_late"]) == (
        str(tick.job_id), "succeeded", 0.5,
    )  # fmt: skip


def test_a_name_with_a_slash_is_reached_by_number_and_other_names_as_they_are(operators: Client, now: datetime) -> None:
    slashed, odd = scheduled("a/b", now=now), scheduled("täglich um 3 ? #1 %", now=now)
    assert operators.get(f"/api/schedules/{slashed.pk}").json()["name"] == "a/b"
    address = "/api/schedules/t%C3%A4glich%20um%203%20%3F%20%231%20%25"
    assert operators.get(address).json()["id"] == odd.pk
    problem(operators.get("/api/schedules/nobody's"), 404, "not-found")
    problem(operators.get(f"/api/schedules/{10**30}"), 404, "not-found")


def test_the_list_goes_by_pages_and_tells_what_it_takes(operators: Client, now: datetime) -> None:
    for name in "abc":
        scheduled(name, now=now, enabled=name != "b")
    page = operators.get("/api/schedules?limit=2").json()
    assert [each["name"] for each in page["schedules"]] == ["a", "b"]
    following = operators.get(f"/api/schedules?limit=2&cursor={page['next_cursor']}").json()
    assert ([each["name"] for each in following["schedules"]], following["next_cursor"]) == (["c"], None)
    assert [each["name"] for each in operators.get("/api/schedules?only=paused").json()["schedules"]] == ["b"]
    for wrong in ("limit=0", "limit=201", "only=odd", "cursor=%00", f"cursor={'x' * 201}"):
        problem(operators.get(f"/api/schedules?{wrong}"), 422)


def test_run_now_submits_one_job_also_of_a_paused_schedule(operators: Client, now: datetime) -> None:
    scheduled(now=now, enabled=False)
    answer = operators.post(f"{HERE}/run")
    assert answer.status_code == 202
    body = answer.json()
    job = Job.objects.get()
    assert (body["job"], body["links"]["job"], body["out_of_turn"]) == (str(job.id), f"/api/jobs/{job.id}", True)
    assert (job.owner, job.via, job.parameters) == (None, "schedule", {"text": "hello"})
    assert operators.get(body["links"]["job"]).status_code == 200


def test_a_schedule_is_paused_and_goes_on(operators: Client, now: datetime) -> None:
    scheduled(now=now)
    paused = operators.post(f"{HERE}/pause").json()
    assert (paused["paused"], paused["next_due_at"]) == (True, None)
    assert len(paused["fires"]) == 10
    assert operators.post(f"{HERE}/pause").json()["paused"], "twice is no error"
    resumed = operators.post(f"{HERE}/resume").json()
    assert not resumed["paused"]
    assert datetime.fromisoformat(resumed["next_due_at"]) > now
    assert not Job.objects.exists()


def test_a_schedule_that_cannot_run_says_why(operators: Client, now: datetime) -> None:
    schedule = scheduled(now=now)
    task = schedule.periodic_task
    task.kwargs = '{"kind": "system.echo", "parameters": {"text": 5}}'
    task.save()
    assert "text: " in problem(operators.post(f"{HERE}/run"), 422, "invalid-parameters")["detail"]
    assert not Tick.objects.exists()


@pytest.mark.parametrize("who", ["reader", "viewer"])
def test_who_may_not_is_refused_and_nothing_happens(alice: User, carol: User, now: datetime, who: str) -> None:
    scheduled(now=now, readers=[member(alice)])
    client = client_of(alice if who == "reader" else carol)
    for verb in ("run", "pause", "resume"):
        problem(client.post(f"{HERE}/{verb}"), 403, "not-allowed")
    for address in ("/api/schedules", HERE, "/api/schedules/nobody's"):
        if who == "reader":
            problem(client.get(address), 403, "not-allowed")
    if who == "viewer":
        assert client.get(HERE).status_code == 200
    assert not Job.objects.exists()
    assert row("hourly").periodic_task.enabled


def test_a_session_needs_the_csrf_token(carol: User, now: datetime) -> None:
    scheduled(now=now)
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator(carol))
    problem(client.post(f"{HERE}/run"), 403, "not-allowed")
    assert not Job.objects.exists()


@pytest.mark.parametrize("count", [1, 20])
def test_a_list_costs_the_same_however_many_there_are(
    operators: Client, now: datetime, count: int, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        ticked(scheduled(str(number), now=now - 9 * HOUR), now - HOUR, 1)
    operators.get("/api/schedules")
    clock = int(connection.vendor == "postgresql")
    # Schedules and their last ticks; once a second the token, two of rights, and on PostgreSQL the time.
    with django_assert_max_num_queries(5 + clock):
        assert len(operators.get("/api/schedules").json()["schedules"]) == count
