"""Webhooks over the API."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs_app.core.rollups import rolling
from jobs_app.core.webhooks import sending
from tests.surfaces.api.support import JSON, client_of, problem, run, submit

pytestmark = pytest.mark.django_db
WANTED = {"name": "billing", "url": "https://example.org/hook", "named_only": True}


def made(api: Client, **changes: Any) -> dict[str, Any]:
    answer = api.post("/api/webhooks", {**WANTED, **changes}, content_type=JSON)
    assert answer.status_code == 201, answer.content
    found: dict[str, Any] = answer.json()
    return found


def test_from_making_it_to_sending_again(api: Client, now: datetime) -> None:
    endpoint = made(api)
    assert endpoint["secret"].startswith("whsec_")
    assert "secret" not in api.get(f"/api/webhooks/{endpoint['id']}").json()
    job = submit(api, webhook="billing").json()
    run(job["id"])
    rolling.roll(now=now)
    sending.send(now=now)
    address = f"/api/webhooks/{endpoint['id']}/deliveries"
    (delivery,) = api.get(address).json()["deliveries"]
    assert (delivery["job"], delivery["event"], delivery["state"]) == (job["id"], "job.succeeded", "queued")
    assert api.post(f"/api/webhooks/deliveries/{delivery['id']}/replay").status_code == 202
    assert api.get(address).json()["deliveries"][0]["sent"] == 2


def test_changed_renewed_removed(api: Client) -> None:
    endpoint = made(api)
    address = f"/api/webhooks/{endpoint['id']}"
    changed = api.put(address, {**WANTED, "states": ["failed"], "enabled": False}, content_type=JSON).json()
    assert (changed["states"], changed["enabled"]) == (["failed"], False)
    assert api.post(f"{address}/secret").json()["secret"] != endpoint["secret"]
    assert api.delete(address).status_code == 204
    problem(api.get(address), 404)


def test_pages_of_a_log(api: Client, now: datetime) -> None:
    endpoint = made(api)
    for _ in range(3):
        run(submit(api, webhook="billing").json()["id"])
    rolling.roll(now=now)
    address = f"/api/webhooks/{endpoint['id']}/deliveries"
    first = api.get(address, {"limit": 2}).json()
    rest = api.get(address, {"limit": 2, "cursor": first["next_cursor"]}).json()
    assert (len(first["deliveries"]), len(rest["deliveries"]), rest["next_cursor"]) == (2, 1, None)
    problem(api.get(address, {"limit": 0}), 422)


def test_nobody_elses(api: Client, bob: User) -> None:
    address = f"/api/webhooks/{made(api)['id']}"
    stranger = client_of(bob)
    problem(stranger.get(address), 404)
    problem(stranger.put(address, WANTED, content_type=JSON), 404)
    problem(stranger.post(f"{address}/secret"), 404)
    problem(stranger.delete(address), 404)
    assert stranger.get("/api/webhooks").json() == {"webhooks": []}
    problem(submit(stranger, webhook="billing"), 422)
    problem(stranger.post("/api/webhooks", {**WANTED, "everybody": True}, content_type=JSON), 403)
    problem(api.post("/api/webhooks", WANTED, content_type=JSON), 409)
