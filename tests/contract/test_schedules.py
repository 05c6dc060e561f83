"""Run now, pause and resume do the same on every surface, to the same people."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from jobs_app.core.schedules import changes, ticks
from jobs_app.errors import WeirError
from jobs_app.models import Job, Schedule, Tick
from tests.support.reports import HOUR, altered, row, scheduled

Act = Callable[[User, Schedule, str], None]
"""One way for a user to do one of run, pause and resume; refusals are not raised."""


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def in_python(user: User, schedule: Schedule, verb: str) -> None:
    act = {"run": ticks.run_now, "pause": changes.pause, "resume": changes.resume}[verb]
    try:
        act(schedule, actor=user, now=schedule.decided_until)
    except WeirError:
        return


def over_http(user: User, schedule: Schedule, verb: str) -> None:
    browser(user).post(f"/api/schedules/{schedule.name}/{verb}")


def on_pages(user: User, schedule: Schedule, verb: str) -> None:
    browser(user).post(reverse(f"schedule-{verb}", args=[schedule.pk]))


def in_the_admin(user: User, schedule: Schedule, verb: str) -> None:
    action = {"run": "submit_selected", "pause": "disable_selected", "resume": "enable_selected"}[verb]
    form = {"action": action, "_selected_action": [str(schedule.pk)]}
    browser(user).post(reverse("admin:django_celery_beat_periodictask_changelist"), form)


def on_the_command_line(user: User, schedule: Schedule, verb: str) -> None:
    streams = {"stdout": io.StringIO(), "stderr": io.StringIO()}
    try:
        call_command("jobs", "schedule", schedule.name, f"--{verb}", "--user", user.username, **streams)
    except CommandError:
        return


SURFACES: list[Act] = [in_python, over_http, on_pages, in_the_admin, on_the_command_line]


@pytest.fixture
def chief(db: None) -> User:
    return User.objects.create_superuser("chief", password="chief's password")


@pytest.mark.parametrize("act", SURFACES)
@pytest.mark.parametrize("enabled", [True, False])
def test_run_now_is_one_tick_out_of_turn_and_its_job(chief: User, now: datetime, act: Act, enabled: bool) -> None:
    schedule = scheduled(now=now, enabled=enabled)
    due = schedule.next_due_at
    act(chief, schedule, "run")
    (tick,) = Tick.objects.select_related("job__owner")
    assert (tick.outcome, tick.out_of_turn, tick.reason) == ("submitted", True, "asked for by chief")
    assert tick.job is not None
    assert (tick.job.owner, tick.job.via, tick.job.kind, tick.job.parameters) == (
        None, "schedule", "system.echo", {"text": "hello"},
    )  # fmt: skip
    assert (row("hourly").next_due_at, row("hourly").periodic_task.enabled) == (due, enabled)


@pytest.mark.parametrize("act", SURFACES)
def test_a_pause_lasts_until_it_is_resumed_and_nothing_fires_by_surprise(chief: User, now: datetime, act: Act) -> None:
    schedule = scheduled(now=now)
    for _ in range(2):  # twice is no error
        act(chief, schedule, "pause")
        paused = row("hourly")
        assert (paused.periodic_task.enabled, paused.next_due_at, paused.look_at) == (False, None, None)
    altered(schedule, decided_until=now - 9 * HOUR)  # as if it had been paused for long
    for _ in range(2):
        act(chief, schedule, "resume")
        resumed = row("hourly")
        assert resumed.periodic_task.enabled
        assert resumed.next_due_at is not None
        assert now < resumed.next_due_at
    ticks.run_due(now=now)
    assert not Job.objects.exists()


@pytest.mark.parametrize("act", SURFACES)
@pytest.mark.parametrize("verb", ["run", "pause", "resume"])
def test_who_may_not_changes_nothing(alice: User, carol: User, now: datetime, act: Act, verb: str) -> None:
    """Alice sees none; carol sees all and acts on all jobs, and still may not change schedules."""
    schedule = scheduled(now=now, enabled=verb != "resume")
    for user in (alice, carol):
        act(user, schedule, verb)
    assert row("hourly").periodic_task.enabled == (verb != "resume")
    assert not Tick.objects.exists()
    assert not Job.objects.exists()
