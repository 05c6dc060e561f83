"""The page before a bulk action: what would happen, to how many, and that nothing has."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from jobs_app.core.bulk import planning
from jobs_app.core.bulk.orders import KIND
from jobs_app.lifecycle import State
from jobs_app.models import Job
from jobs_app.web import bulk
from tests.support.ledger import reaching, submitted
from tests.surfaces.web.conftest import logged_in

PREVIEW, ACT, COUNT = (reverse(name) for name in ("bulk-preview", "bulk-act", "bulk-count"))


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def test_it_tells_what_will_happen_and_does_nothing(alices: Client, alice: User, now: datetime) -> None:
    for state in State:
        reaching(state, owner=alice, now=now)
    before = list(Job.objects.values())
    answer = alices.get(PREVIEW, {"action": "retry", "all": "1", "q": "kind:probe.nothing"})
    text = text_of(answer)
    assert "<h1>Retry 8 jobs?</h1>" in text
    assert "<strong>2</strong> will be run again, each as a new job" in text
    assert "it has succeeded; that can be run again, but not retried" in text
    assert "kind:probe.nothing</code>" in text
    assert "Yes, I mean all" not in text
    assert list(Job.objects.values()) == before


def test_ticked_jobs_are_sent_by_post_or_in_the_address(alices: Client, alice: User, now: datetime) -> None:
    jobs = [submitted(owner=alice, now=now) for _ in range(3)]
    sent = {"action": "cancel", "job": [str(job.id) for job in jobs[:2]], "q": "state:queued"}
    for answer in (alices.post(PREVIEW, sent), alices.get(PREVIEW, sent)):
        text = text_of(answer)
        assert "<h1>Cancel 2 jobs?</h1>" in text
        assert str(jobs[0].id) in text
        assert str(jobs[2].id) not in text


def test_sending_it_twice_makes_one_job(alices: Client, alice: User, now: datetime) -> None:
    submitted(owner=alice, now=now)
    form = {"action": "cancel", "all": "1", "q": "state:queued", "_key": "once", "expected": "1"}
    form["as_of"] = now.isoformat()
    first, second = alices.post(ACT, form), alices.post(ACT, form)
    job = Job.objects.get(kind=KIND)
    assert first["Location"] == second["Location"] == reverse("job", args=[job.id])
    shown = text_of(alices.get(first["Location"]))
    assert "state:queued" in shown


def test_more_than_a_hundred_are_asked_for_twice(
    alices: Client, alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MANY", 2)
    for _ in range(3):
        submitted(owner=alice, now=now)
    given = {"action": "cancel", "all": "1", "q": "state:queued"}
    assert "Yes, I mean all 3 jobs" in text_of(alices.get(PREVIEW, given))
    answer = alices.post(ACT, {**given, "expected": "3"})
    assert answer.status_code == 422
    assert "Say that you mean so many jobs." in text_of(answer)
    assert not Job.objects.filter(kind=KIND).exists()
    assert alices.post(ACT, {**given, "expected": "3", "sure": "yes"}).status_code == 302


def test_it_says_so_when_there_is_nothing_to_do(alices: Client, alice: User, now: datetime) -> None:
    reaching(State.SUCCEEDED, owner=alice, now=now)
    text = text_of(alices.get(PREVIEW, {"action": "cancel", "all": "1", "q": "kind:probe.nothing"}))
    assert "Nothing: none of it can be acted on." in text
    assert "it has ended already: succeeded" in text
    assert "Cancel 0 jobs" not in text
    text = text_of(alices.get(PREVIEW, {"action": "cancel", "all": "1", "q": "state:failed"}))
    assert "There is no such job." in text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"action": "cancel"}, "expected some jobs to be ticked"),
        ({"action": "cancel", "job": ["x"]}, "expected the ids of jobs"),
        ({"action": "burn", "all": "1", "q": "state:failed"}, "expected an action"),
        ({"action": "cancel", "all": "1", "q": "colour:red"}, "expected one of the qualifiers"),
        ({"action": "reprioritise", "all": "1", "q": "state:queued", "priority": "high"}, "expected a whole number"),
        ({"action": "reprioritise", "all": "1", "q": "state:queued", "priority": "--"}, "expected a whole number"),
        ({"action": "cancel", "all": "1", "q": "state:queued", "as_of": "2026-99-99T00:00"}, "expected a time"),
    ],
)
def test_what_makes_no_sense_is_a_sentence(alices: Client, given: dict[str, Any], words: str) -> None:
    for answer in (alices.get(PREVIEW, given), alices.post(ACT, given)):
        assert answer.status_code == 422
        assert words in text_of(answer)


def test_without_the_token_of_the_form_nothing_is_made(alice: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    assert browser.post(ACT, {"action": "cancel", "all": "1", "q": "state:queued"}).status_code == 403


def test_strangers_see_none_of_anothers_jobs(bob: User, alice: User, now: datetime) -> None:
    job = submitted("system.echo", {"text": "private"}, owner=alice, now=now)
    browser = logged_in(bob)
    text = text_of(browser.post(PREVIEW, {"action": "cancel", "job": [str(job.id)]}))
    assert "private" not in text
    assert "there is no such job, or it is not yours" in text
    assert "private" not in text_of(browser.get(PREVIEW, {"action": "cancel", "all": "1", "q": "state:queued"}))
    assert browser.get(COUNT, {"q": "state:queued"}).content == b"0"


def test_the_count_is_bounded(alices: Client, alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        submitted(owner=alice, now=now)
    assert alices.get(COUNT, {"q": "state:queued"}).content == b"3"
    assert alices.get(COUNT).content == b"3"
    monkeypatch.setattr(planning, "COUNTED", 2)
    assert alices.get(COUNT, {"q": "state:queued"}).content == b"2+"


def test_it_asks_as_much_however_many_jobs_there_are(alices: Client, alice: User, now: datetime) -> None:
    asked = []
    for count in (1, 30):
        for _ in range(count):
            submitted(owner=alice, now=now, due_at=now + timedelta(hours=1))
        with CaptureQueriesContext(connection) as queries:
            alices.get(PREVIEW, {"action": "cancel", "all": "1", "q": "state:scheduled"})
        asked.append(len(queries))
    assert asked[0] == asked[1] <= 12, asked
