"""Draining a worker and resuming it does the same on every surface, for the same people, and is audited alike."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from jobs_app.core import presence, worker_control
from jobs_app.errors import WeirError
from jobs_app.models import AuditEntry
from tests.support.speaking import speak

pytestmark = pytest.mark.django_db

Act = Callable[[User, UUID, str, datetime], None]
"""One way for a user to drain a worker or to resume it; refusals are not raised."""


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def in_python(user: User, run: UUID, verb: str, now: datetime) -> None:
    act = {"drain": worker_control.drain, "resume": worker_control.resume}[verb]
    try:
        act(run, user, now)
    except WeirError:
        return


def over_http(user: User, run: UUID, verb: str, now: datetime) -> None:
    browser(user).post(f"/api/workers/{run}/{verb}")


def on_pages(user: User, run: UUID, verb: str, now: datetime) -> None:
    browser(user).post(reverse(f"worker-{verb}", args=[run]))


def on_the_command_line(user: User, run: UUID, verb: str, now: datetime) -> None:
    streams = {"stdout": io.StringIO(), "stderr": io.StringIO()}
    try:
        call_command("jobs", "worker", str(run), f"--{verb}", "--user", user.username, **streams)
    except CommandError:
        return


SURFACES: list[Act] = [in_python, over_http, on_pages, on_the_command_line]


@pytest.fixture
def controller(carol: User) -> User:
    carol.user_permissions.add(Permission.objects.get(codename="control_worker"))
    return User.objects.get(pk=carol.pk)


def told() -> list[tuple[str, str, str, bool]]:
    rows = AuditEntry.objects.order_by("id").values_list("actor", "action", "subject", "refused")
    return [(actor, action, subject, bool(refused)) for actor, action, subject, refused in rows]


@pytest.mark.parametrize("act", SURFACES)
def test_who_may_drains_and_resumes(act: Act, controller: User, now: datetime) -> None:
    run = speak("w@a", now)
    act(controller, run, "drain", now)
    assert presence.drain_asked(run)
    act(controller, run, "resume", now)
    assert not presence.drain_asked(run)
    assert told() == [
        ("carol", "worker.drain", "worker w@a", False),
        ("carol", "worker.resume", "worker w@a", False),
    ]


@pytest.mark.parametrize("act", SURFACES)
def test_who_sees_workers_and_may_not_control_them_is_refused(act: Act, carol: User, now: datetime) -> None:
    run = speak("w@a", now)
    act(carol, run, "drain", now)
    assert not presence.drain_asked(run)
    assert told() == [("carol", "worker.drain", "worker w@a", True)]


@pytest.mark.parametrize("act", SURFACES)
def test_strangers_change_nothing_even_with_the_permission_to_control(act: Act, bob: User, now: datetime) -> None:
    run = speak("w@a", now)
    bob.user_permissions.add(Permission.objects.get(codename="control_worker"))
    act(User.objects.get(pk=bob.pk), run, "drain", now)
    assert not presence.drain_asked(run)
