"""``jobs schedules`` and ``jobs schedule``: schedules seen and handled from the command line."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.contrib.auth.models import User

from jobs_app.lifecycle import State
from jobs_app.models import Job
from tests.support.reports import HOUR, altered, row, scheduled, ticked
from tests.surfaces.cli.support import jobs

pytestmark = pytest.mark.django_db


def test_schedules_are_listed_with_how_they_stand(now: datetime) -> None:
    ticked(scheduled(now=now - 9 * HOUR), now - HOUR, state=State.FAILED)
    altered(scheduled("old", now=now), broken="its kind has vanished")
    scheduled("resting", now=now, enabled=False)
    heading, *rows = jobs("schedules").out.splitlines()
    assert " ".join(heading.split()) == "NAME STANDS DUE NEXT KIND WHEN LAST TICK"
    assert [" ".join(each.split())[:12] for each in rows] == ["hourly ticki", "old broken: ", "resting paus"]
    assert "every hour  failed " in rows[0]
    assert [each["name"] for each in jobs("schedules", "--only", "broken", "--json").document] == ["old"]


def test_a_schedule_is_shown_with_its_next_times_and_last_ticks(now: datetime) -> None:
    schedule = scheduled(now=now - 9 * HOUR)
    ticked(schedule, now - HOUR, 5)
    first, second, *lines = jobs("schedule", "hourly").out.splitlines()
    assert (first, second) == ("hourly  ticking", "system.echo, every hour")
    assert [each.split()[0] for each in lines] == ["due"] * 10 + ["tick"]
    assert lines[-1].endswith(", 0.5 s late")
    assert jobs("schedule", str(schedule.pk), "--json").document["name"] == "hourly"


def test_a_schedule_is_run_paused_and_goes_on(now: datetime) -> None:
    scheduled(now=now)
    assert jobs("schedule", "hourly", "--pause").out.startswith("hourly  paused")
    ran = jobs("schedule", "hourly", "--run")
    assert ran.out == f"{Job.objects.get().id}\n"
    assert not row("hourly").periodic_task.enabled
    assert not jobs("schedule", "hourly", "--resume", "--json").document["paused"]
    assert jobs("schedule", "hourly", "--run", "--json").document["out_of_turn"]


def test_refusals_have_their_exit_codes(alice: User, now: datetime) -> None:
    scheduled(now=now)
    assert jobs("schedule", "nobody's").code == 3
    assert jobs("schedules", "--user", "alice").code == 4
    assert jobs("schedule", "hourly", "--pause", "--user", "alice").code == 4
    assert jobs("schedule", "hourly", "--pause", "--run").code == 2
    assert row("hourly").periodic_task.enabled
