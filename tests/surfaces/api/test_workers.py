"""Workers over the API: operators see them, those who may control them drain and resume one."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from jobs_app.core import presence
from tests.support.ledger import claimed, submitted
from tests.support.speaking import speak
from tests.surfaces.api.support import client_of, problem

pytestmark = pytest.mark.django_db

FIELDS = {
    "id", "name", "standing", "host", "pid", "release", "queues", "processes", "slots", "running", "memory",
    "began_at", "seen_at", "drain_asked_at",
}  # fmt: skip


@pytest.fixture
def controller(carol: User) -> Client:
    """Carol, who may control workers, by token."""
    carol.user_permissions.add(Permission.objects.get(codename="control_worker"))
    return client_of(carol)


def test_workers_are_listed_with_all_that_is_known(carol: User, now: datetime) -> None:
    run = speak("w@a", now)
    speak("w@gone", now - 2 * presence.SILENCE, main=20)
    job = claimed(submitted(now=now), now=now, holder="w@a/12/message")
    body = client_of(carol).get("/api/workers").json()
    (worker,) = body["workers"]
    assert set(worker) == FIELDS
    assert (worker["id"], worker["standing"], worker["slots"]) == (str(run), "taking jobs", 2)
    assert [each["job"] for each in worker["running"]] == [str(job.id)]
    assert [each["name"] for each in body["vanished"]] == ["w@gone"]
    assert body["unserved"] == []


def test_a_worker_is_drained_and_resumed(controller: Client, now: datetime) -> None:
    run = speak("w@a", now)
    drained = controller.post(f"/api/workers/{run}/drain").json()
    assert (drained["standing"], presence.drain_asked(run)) == ("draining", True)
    assert controller.post(f"/api/workers/{run}/drain").json() == drained, "twice is no error"
    assert controller.post(f"/api/workers/{run}/resume").json()["standing"] == "taking jobs"
    assert not presence.drain_asked(run)


def test_what_cannot_be_done_is_a_problem(controller: Client, now: datetime) -> None:
    problem(controller.post(f"/api/workers/{uuid4()}/drain"), 404, "not-found")
    problem(controller.post("/api/workers/w@a/drain"), 404, "not-found")
    gone = speak("w@a", now - 2 * presence.SILENCE)
    assert "was heard of last at" in problem(controller.post(f"/api/workers/{gone}/drain"), 409, "conflict")["detail"]


def test_strangers_and_onlookers_are_refused(alice: User, carol: User, now: datetime) -> None:
    run = speak("w@a", now)
    problem(client_of(alice).get("/api/workers"), 403, "not-allowed")
    for known in (run, uuid4()):
        problem(client_of(alice).post(f"/api/workers/{known}/drain"), 403, "not-allowed")
    problem(client_of(carol).post(f"/api/workers/{run}/drain"), 403, "not-allowed")
    problem(Client().get("/api/workers"), 401)
    assert not presence.drain_asked(run)
