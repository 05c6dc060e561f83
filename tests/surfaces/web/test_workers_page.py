"""The page of workers: who is there, what each runs, and the buttons for those who may."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from jobs_app.core import presence, worker_control
from tests.support.ledger import claimed, submitted
from tests.support.speaking import speak
from tests.surfaces.web.conftest import logged_in

SECOND = timedelta(seconds=1)


@pytest.fixture
def controllers(carol: User) -> Client:
    """A browser of carol's, who may control workers."""
    carol.user_permissions.add(Permission.objects.get(codename="control_worker"))
    return logged_in(carol)


def look(client: Client) -> str:
    answer = client.get(reverse("workers"))
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_worker_is_shown_with_what_it_runs(carol: User, now: datetime) -> None:
    run = speak("w@a", now)
    job = claimed(submitted(now=now), now=now, holder="w@a/12/message")
    drawn = look(logged_in(carol))
    for words in ("w@a", "node-1", "process 10", "release v7", "takes default", "1 of 2 slots", "133.5\u00a0MB"):
        assert words in drawn, words
    assert reverse("job", args=[job.id]) in drawn
    assert "1 worker, 1 of 2 slots busy" in drawn
    assert reverse("worker-drain", args=[run]) not in drawn, "she may look only"
    assert "No worker takes the jobs" not in drawn


def test_strangers_see_no_workers_and_no_way_to_them(alices: Client, now: datetime) -> None:
    speak("w@a", now)
    for known in (reverse("workers"),):
        answer = alices.get(known)
        assert answer.status_code == 403
        assert "w@a" not in answer.content.decode()
    assert reverse("workers") not in alices.get(reverse("queues")).content.decode()


def test_a_worker_is_drained_and_resumed(controllers: Client, now: datetime) -> None:
    run = speak("w@a", now)
    assert reverse("worker-drain", args=[run]) in look(controllers)
    answer = controllers.post(reverse("worker-drain", args=[run]), follow=True)
    drawn = answer.content.decode()
    assert "takes no more jobs within a few seconds" in drawn
    assert "draining" in drawn
    assert reverse("worker-resume", args=[run]) in drawn
    speak("w@a", now + SECOND, run=run, draining=True)
    drawn = look(controllers)
    assert "</svg>drained</span>" in drawn
    assert "No worker takes the jobs of" in drawn
    controllers.post(reverse("worker-resume", args=[run]))
    assert not presence.drain_asked(run)


def test_a_worker_that_vanished_is_listed_and_cannot_be_drained(controllers: Client, now: datetime) -> None:
    run = speak("w@a", now - presence.SILENCE - SECOND)
    drawn = look(controllers)
    assert "Vanished in the last day" in drawn
    assert "No worker is there" in drawn
    assert reverse("worker-drain", args=[run]) not in drawn
    answer = controllers.post(reverse("worker-drain", args=[run]), follow=True)
    assert "w@a was heard of last at" in answer.content.decode()


def test_there_is_no_such_worker(controllers: Client, carol: User, alices: Client) -> None:
    for verb in ("worker-drain", "worker-resume"):
        url = reverse(verb, args=[uuid4()])
        assert controllers.post(url).status_code == 404
        assert controllers.get(url).status_code == 405
        assert alices.post(url).status_code == 403


def test_the_page_takes_as_many_queries_however_many_workers_there_are(
    controllers: Client, now: datetime, django_assert_max_num_queries: Any
) -> None:
    for number in range(6):
        run = speak(f"w@{number}", now, main=100 * number)
        claimed(submitted(now=now), now=now, holder=f"w@{number}/{100 * number + 1}/message")
        if number % 2:
            worker_control.drain(run, None, now)
    look(controllers)
    # The session, the user and her permissions take four, the clock of PostgreSQL one.
    with django_assert_max_num_queries(11):
        assert look(controllers).count("worker-small") == 12
