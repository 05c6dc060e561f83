"""Queues over the API: who may pauses one, lets it go on, and changes its bounds."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from jobs_app.core import dispatch, lanes
from jobs_app.models import Queue
from tests.support.ledger import submitted
from tests.surfaces.api.support import JSON, client_of, problem

pytestmark = pytest.mark.django_db

HERE = "/api/queues/default"


@pytest.fixture
def controller(bob: User) -> Client:
    """Bob, who may control queues, by token."""
    bob.user_permissions.add(Permission.objects.get(codename="control_queue"))
    return client_of(bob)


def change(client: Client, **bounds: Any) -> Any:
    return client.patch(HERE, bounds, content_type=JSON)


def test_a_queue_is_paused_and_goes_on(controller: Client, now: Any) -> None:
    answer = controller.post(f"{HERE}/pause")
    assert answer.status_code == 200
    assert answer.json()["paused_at"] is not None
    submitted(now=now)
    assert dispatch.refill("default", now=now) == 0
    assert controller.post(f"{HERE}/pause").json() == answer.json(), "twice is no error"
    assert controller.post(f"{HERE}/resume").json()["paused_at"] is None
    assert dispatch.refill("default", now=now) == 1


def test_bounds_are_changed_left_and_put_back(controller: Client) -> None:
    body = change(controller, limit=2000, user_share=0.3).json()
    assert (body["limit"], body["user_share"], body["hard_limit"]) == (2000, 0.3, None)
    assert body["in_force"] == {
        "limit": 2000, "hard_limit": 2200, "low_water": 1800, "user_limit": 600, "token_limit": 1000, "window": 100,
    }  # fmt: skip
    assert change(controller, window=7).json()["limit"] == 2000, "what is left out stays"
    body = change(controller, limit=None, user_share=None, window=None).json()
    assert {name: body[name] for name in ("limit", "user_share", "window")} == dict.fromkeys(
        ("limit", "user_share", "window")
    )
    assert lanes.policy("default").limit == 10_000


def test_bounds_that_do_not_fit_are_refused(controller: Client) -> None:
    answer = problem(change(controller, limit=10, low_water=10), 422, "invalid-request")
    assert answer["detail"].startswith("low_water: expected less than limit, which is 10, got 10")
    for wrong in ({"limit": "10"}, {"limit": 1.5}, {"limit": True}, {"user_share": 2}, {"paused_at": None}, {"x": 1}):
        problem(change(controller, **wrong), 422, "invalid-request")
    problem(controller.patch(HERE, "limit=5", content_type="text/plain"), 415)
    assert not Queue.objects.filter(limit__isnull=False).exists()


def test_there_is_no_such_queue(controller: Client) -> None:
    problem(controller.post("/api/queues/nowhere/pause"), 404, "not-found")
    problem(controller.post("/api/queues/system/resume"), 404, "not-found")
    problem(controller.patch("/api/queues/nowhere", {"limit": 5}, content_type=JSON), 404, "not-found")


def test_who_may_not_control_queues_is_refused(api: Client) -> None:
    for answer in (api.post(f"{HERE}/pause"), api.post(f"{HERE}/resume"), change(api, limit=5)):
        assert "the permission to control queues" in problem(answer, 403, "not-allowed")["detail"]
    assert lanes.policy("default").paused_at is None
    assert lanes.policy("default").limit == 10_000


def test_a_session_needs_the_csrf_token(bob: User, controller: Client) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(bob)
    problem(client.post(f"{HERE}/pause"), 403, "not-allowed")
    assert lanes.policy("default").paused_at is None
