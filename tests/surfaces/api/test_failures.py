"""Failures over the API: everybody reads of their own jobs', operators of all, and these say what becomes of them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.support.failing import failed, rolled
from tests.surfaces.api.support import JSON, client_of, problem

pytestmark = pytest.mark.django_db

HERE = "/api/failures"


@pytest.fixture
def operators(carol: User) -> Client:
    """Carol, by token."""
    return client_of(carol)


def test_failures_are_listed_and_shown(api: Client, alice: User, bob: User, now: datetime) -> None:
    job = failed(alice, now=now)
    failed(bob, now=now, error="of bob")
    rolled(now)
    (listed,) = api.get(HERE).json()["failures"]
    assert (listed["fingerprint"], listed["times"], listed["still_failed"]) == (job.fingerprint, 1, 1)
    assert (listed["kind"], listed["error_type"], listed["message"]) == ("probe.nothing", "ValueError", "it broke")
    assert (len(listed["hours"]), listed["hours"][-1]["times"]) == (24, 1)
    shown = api.get(f"{HERE}/{job.fingerprint}").json()
    assert {name: shown[name] for name in listed} == listed
    assert [each["id"] for each in shown["latest"]] == [str(job.id)]
    assert api.get(f"/api/jobs/{job.id}").json()["fingerprint"] == job.fingerprint
    for wanted in ("0" * 16, "odd", "%00"):
        problem(api.get(f"{HERE}/{wanted}"), 404, "not-found")


def test_the_list_goes_by_pages_and_tells_what_it_takes(operators: Client, now: datetime) -> None:
    for word in "abc":
        failed(now=now, error=word)
    rolled(now)
    page = operators.get(f"{HERE}?limit=2").json()
    following = operators.get(HERE, {"limit": 2, "cursor": page["next_cursor"]}).json()
    assert len({each["fingerprint"] for each in (*page["failures"], *following["failures"])}) == 3
    assert following["next_cursor"] is None
    assert operators.get(f"{HERE}?tab=resolved").json()["failures"] == []
    for wrong in ("limit=0", "limit=101", "tab=odd", "sort=odd", "kind=%00", "cursor=x", f"cursor={'x' * 101}"):
        problem(operators.get(f"{HERE}?{wrong}"), 422)


def test_operators_say_what_becomes_of_a_group(operators: Client, api: Client, alice: User, now: datetime) -> None:
    fingerprint = failed(alice, now=now).fingerprint
    rolled(now)
    here = f"{HERE}/{fingerprint}"
    said = operators.post(f"{here}/resolve", {"note": "mended"}, content_type=JSON).json()
    assert (said["status"], said["status_by"], said["note"]) == ("resolved", "carol", "mended")
    until = (now + timedelta(days=2)).isoformat()
    said = operators.post(f"{here}/ignore", {"until": until}, content_type=JSON).json()
    assert (said["status"], datetime.fromisoformat(said["ignored_until"])) == ("ignored", datetime.fromisoformat(until))
    assert (api.get(here).json()["status_by"], api.get(here).json()["status"]) == (None, "ignored")
    assert operators.post(f"{here}/reopen", content_type=JSON).json()["status"] == "open"
    for body in ({"note": "x" * 1001}, {"odd": 1}, {"note": 1}, {"until": "2026-01-01T00:00:00"}, {"until": 5}):
        problem(operators.post(f"{here}/ignore", body, content_type=JSON), 422)
    past = {"until": (now - timedelta(days=1)).isoformat()}
    problem(operators.post(f"{here}/ignore", past, content_type=JSON), 422)
    for verb in ("resolve", "ignore", "reopen"):
        problem(api.post(f"{here}/{verb}", content_type=JSON), 403, "not-allowed")
        problem(operators.post(f"{HERE}/{'0' * 16}/{verb}", content_type=JSON), 404, "not-found")
    assert operators.get(here).json()["status"] == "open"
