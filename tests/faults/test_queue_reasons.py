"""Why a queue waits, asked of the web server while something is wrong: each time the sentence is the right one."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from django.contrib.auth.models import Permission, User

from jobs_app.core import clock, control, presence
from tests.faults.stage import Stage
from tests.support.ledger import submitted
from tests.support.processes import eventually, finished

pytestmark = pytest.mark.slow


def queue(api: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = api.get("/api/queues/default").raise_for_status().json()
    return found


def slots() -> int:
    """What workers have announced since the tables were emptied; the web process may remember what was before."""
    return presence.listeners("default", now=clock.database_now()).slots


def says(api: httpx.Client, beginning: str) -> dict[str, Any]:
    """The queue, once its sentence begins like this."""
    seen: list[str] = []

    def asked() -> dict[str, Any] | None:
        found = queue(api)
        seen[:] = [*seen[-4:], found["waits_because"]]
        return found if found["waits_because"].startswith(beginning) else None

    try:
        found = eventually(asked, what=f"the sentence to begin with {beginning!r}")
    except AssertionError:
        raise AssertionError(f"expected a sentence that begins with {beginning!r}, the last were {seen}") from None
    assert found is not None
    return found


def test_a_paused_queue_says_so_and_that_it_can_be_resumed(stage: Stage, api: httpx.Client, alice: User) -> None:
    alice.user_permissions.add(Permission.objects.get(codename="control_queue"))
    api.post("/api/queues/default/pause").raise_for_status()
    job = submitted()
    found = says(api, "It was paused ")
    assert (found["depth"], found["expected_wait"]) == (1, None)
    assert api.get(f"/api/jobs/{job.id}").status_code == 404, "it is the system's own"
    api.post("/api/queues/default/resume").raise_for_status()
    finished(job.id)
    says(api, "Nothing waits.")


def test_a_queue_whose_workers_were_stopped_says_that_none_listens(stage: Stage, api: httpx.Client) -> None:
    stage.stop("worker")
    job = submitted()
    found = says(api, "No worker listens to it; start one")
    assert (found["slots"], found["processes"], found["expected_wait"]) == (0, 0, None)
    stage.start("worker")
    finished(job.id)
    says(api, "Nothing waits.")
    eventually(lambda: slots() == 2, what="both slots to be announced")


def test_a_queue_whose_workers_were_killed_tells_when_the_last_was_heard_of(stage: Stage, api: httpx.Client) -> None:
    eventually(lambda: slots() == 2, what="both slots to be announced")
    stage.kill("worker")
    job = submitted()
    eventually(lambda: not slots(), what="the silence to be noted")
    found = says(api, "No worker listens to it; the last one was heard of ")
    assert found["slots"] == 0
    stage.start("worker")
    finished(job.id)


def test_a_queue_whose_broker_was_killed_says_that_it_seems_to_be_away(stage: Stage, api: httpx.Client) -> None:
    eventually(lambda: slots() == 2, what="both slots to be announced")
    stage.broker.kill()
    answer = api.post("/api/jobs", json={"kind": "system.echo", "parameters": {"text": "hello"}})
    assert answer.status_code == 202, "it is accepted all the same"
    found = says(api, "The broker")
    assert found["slots"] == 2, "workers are there"
    assert found["depth"] == 1
    stage.broker.start()
    finished(answer.json()["id"])
    says(api, "Nothing waits.")


def test_a_queue_that_is_only_busy_says_so(stage: Stage, api: httpx.Client) -> None:
    jobs = [submitted("probe.slow", {"seconds": 60}) for _ in range(5)]
    found = says(api, "All 2 slots are busy; 3 jobs wait")
    assert (found["running"], found["depth"]) == (2, 3)
    for job in jobs:
        control.cancel(job.id, actor=None, now=clock.database_now())
    says(api, "Nothing waits.")
