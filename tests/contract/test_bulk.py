"""A bulk action is the same job whichever surface it comes by, and acts with the same rights."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from jobs_app.core import clock
from jobs_app.core.bulk import planning
from jobs_app.core.bulk.orders import KIND, Order
from jobs_app.errors import WeirError
from jobs_app.lifecycle import State
from jobs_app.models import AuditEntry, Job
from tests.support.bulk import Run, counts
from tests.support.ledger import fresh, reaching, submitted

Surface = Callable[[User, dict[str, Any]], UUID | str]


def in_python(user: User, given: dict[str, Any]) -> UUID | str:
    try:
        return planning.submit(Order.of(given), actor=user, now=clock.database_now()).job.id
    except WeirError as refused:
        return str(refused)


def over_http(user: User, given: dict[str, Any]) -> UUID | str:
    body = {**given, "ids": [str(each) for each in given.get("ids", [])]}
    answer = _browser(user).post("/api/jobs/bulk-actions", json.dumps(body), content_type="application/json")
    return UUID(answer.json()["id"]) if answer.status_code == 202 else str(answer.json())


def on_pages(user: User, given: dict[str, Any]) -> UUID | str:
    """By the preview, sending what its form holds."""
    sent = {
        "action": given["action"], "q": given.get("query", ""), "job": given.get("ids", []),
        "priority": given.get("priority", ""), **({"all": "1"} if "query" in given else {}),
    }  # fmt: skip
    browser = _browser(user)
    shown = browser.post(reverse("bulk-preview"), sent)
    if shown.status_code != 200:
        return shown.content.decode()
    order = shown.context["order"]
    confirmed = {**sent, "as_of": order.as_of.isoformat(), "expected": order.expected}
    answer = browser.post(reverse("bulk-act"), confirmed)
    if answer.status_code != 302:
        return answer.content.decode()
    return UUID(answer["Location"].split("/")[-2])


def on_the_command_line(user: User, given: dict[str, Any]) -> UUID | str:
    words = [given["action"], *(str(each) for each in given.get("ids", [])), "--user", user.username]
    words += ["--search", given["query"]] if "query" in given else []
    words += ["--priority", str(given["priority"])] if "priority" in given else []
    out = io.StringIO()
    try:
        call_command("jobs", "bulk", *words, stdout=out, stderr=io.StringIO())
    except CommandError as refused:
        return str(refused)
    return UUID(out.getvalue().split()[0])


def _browser(user: User) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


SURFACES: list[Surface] = [in_python, over_http, on_pages, on_the_command_line]
VIAS = dict(zip(SURFACES, ["python", "api", "web", "cli"], strict=True))


def carried_out(made: UUID | str) -> dict[str, int]:
    assert isinstance(made, UUID), made
    row = Job.objects.get(id=made)
    assert row.kind == KIND
    return counts(Run(row, clock.database_now()).to_the_end())


@pytest.mark.parametrize("surface", SURFACES)
def test_a_search_is_acted_on(alice: User, bob: User, now: datetime, surface: Surface) -> None:
    mine = [reaching(State.FAILED, owner=alice, now=now) for _ in range(3)]
    theirs = reaching(State.FAILED, owner=bob, now=now)
    made = surface(alice, {"action": "retry", "query": "state:failed kind:probe.nothing"})
    assert carried_out(made) == {"run again as a new job": 3}
    assert [job.reruns.count() for job in (*mine, theirs)] == [1, 1, 1, 0]
    bulk = Job.objects.get(id=made)
    assert (bulk.owner, bulk.via) == (alice, VIAS[surface])
    assert {each.via for each in Job.objects.filter(rerun_of__isnull=False)} == {VIAS[surface]}
    entry = AuditEntry.objects.get(action="bulk.retry")
    assert (entry.actor, entry.subject) == ("alice", "jobs state:failed kind:probe.nothing")


@pytest.mark.parametrize("surface", SURFACES)
def test_chosen_jobs_are_acted_on(alice: User, bob: User, now: datetime, surface: Surface) -> None:
    jobs = [submitted(owner=alice, now=now, due_at=now + timedelta(hours=1)) for _ in range(3)]
    made = surface(alice, {"action": "reprioritise", "ids": [jobs[0].id, jobs[1].id], "priority": -3})
    assert carried_out(made) == {"given the new priority": 2}
    assert [fresh(job).priority for job in jobs] == [-3, -3, 0]
    made = surface(alice, {"action": "cancel", "ids": [jobs[2].id]})
    assert carried_out(made) == {"cancelled": 1}


@pytest.mark.parametrize("surface", [in_python, over_http, on_pages])
def test_anothers_jobs_are_as_if_not_there(alice: User, bob: User, now: datetime, surface: Surface) -> None:
    job = submitted(owner=alice, now=now)
    assert carried_out(surface(bob, {"action": "cancel", "ids": [job.id]})) == {}
    assert carried_out(surface(bob, {"action": "cancel", "query": "state:queued"})) == {}
    assert fresh(job).state == "queued"


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"action": "cancel", "query": "colour:red"}, "expected one of the qualifiers"),
        ({"action": "reprioritise", "query": "state:queued", "priority": 101}, "expected a priority from -100 to 100"),
        ({"action": "cancel"}, "expected "),
    ],
)
def test_what_cannot_be_carried_out_is_refused(
    alice: User, surface: Surface, given: dict[str, Any], words: str
) -> None:
    answer = surface(alice, given)
    assert isinstance(answer, str)
    assert words in answer
    assert not Job.objects.exists()
