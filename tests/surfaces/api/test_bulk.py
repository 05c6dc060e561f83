"""The route of bulk actions: previews, replays, and inputs from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs_app.core.bulk.orders import KIND
from jobs_app.lifecycle import State
from jobs_app.models import Job
from tests.support.ledger import reaching

PATH = "/api/jobs/bulk-actions"


def send(api: Client, body: dict[str, Any], **headers: str) -> Any:
    return api.post(PATH, body, content_type="application/json", headers=headers)


def test_a_dry_run_tells_what_would_be_done(api: Client, alice: User, now: datetime) -> None:
    for state in State:
        reaching(state, owner=alice, now=now)
    answer = send(api, {"action": "rerun", "query": "kind:probe.nothing", "dry_run": True})
    told = answer.json()
    assert (answer.status_code, told["counted"], told["acting"], told["more"]) == (200, 8, 3, False)
    assert told["states"] == {str(state): 1 for state in State}
    assert told["what_would_be_done"] == {"run again as a new job": 3}
    assert sum(told["left_alone"].values()) == 5
    assert len(told["newest"]) == 8
    assert not Job.objects.filter(kind=KIND).exists()
    more = {"as_of": told["as_of"], "expected": told["counted"]}
    made = send(api, {"action": "rerun", "query": "kind:probe.nothing", **more}).json()
    assert (made["kind"], made["preview"]["jobs"], made["parameters"]["as_of"]) == (KIND, 8, told["as_of"])


def test_a_replay_gives_the_same_job(api: Client) -> None:
    body = {"action": "cancel", "query": "state:queued"}
    first, second = (send(api, body, **{"Idempotency-Key": "k"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json()["id"] == second.json()["id"]
    assert second["Idempotency-Replayed"] == "true"
    assert send(api, {**body, "action": "retry"}, **{"Idempotency-Key": "k"}).status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        {"action": "burn", "query": "state:failed"},
        {"action": "cancel", "query": "x" * 1001},
        {"action": "cancel", "ids": ["x"]},
        {"action": "cancel", "query": "state:failed", "as_of": "2026-01-01T00:00:00"},
        {"action": "cancel", "query": "state:failed", "surprise": 1},
        {"action": "reprioritise", "query": "state:failed"},
        {"action": "cancel", "query": "kind:\0"},
    ],
)
def test_what_does_not_fit_is_a_problem(api: Client, body: dict[str, Any]) -> None:
    answer = send(api, body)
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")
    assert not Job.objects.exists()
