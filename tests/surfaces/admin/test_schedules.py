"""Schedules in the admin: tasks are chosen, a job's parameters are checked before they are saved, upkeep is safe."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from celery import shared_task
from django.contrib.auth.models import Group, User
from django.contrib.messages import get_messages
from django.core.management import call_command
from django.utils import timezone
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    PeriodicTasks,
    SolarSchedule,
)

from jobs_app import registry, wire
from jobs_app.core import provisioning
from jobs_app.core.schedules import changes
from jobs_app.models import Job, Schedule, Tick
from tests.surfaces.admin.conftest import client_of

LIST = "/admin/django_celery_beat/periodictask/"


@shared_task(name="team.own.task")
def own() -> None:
    """A task of the team's own, beside Weir's."""


@pytest.fixture
def hourly(db: None) -> IntervalSchedule:
    return IntervalSchedule.objects.create(every=1, period="hours")


@pytest.fixture
def upkeep(hourly: IntervalSchedule) -> PeriodicTask:
    """As beat writes it from the settings."""
    return PeriodicTask.objects.create(name=wire.REFILL, task=wire.REFILL, interval=hourly)


def form(timing: IntervalSchedule, **changes: Any) -> dict[str, Any]:
    filled = {
        "name": "hello every hour", "enabled": "on", "task": wire.SUBMIT, "kind": "system.echo",
        "parameters": '{"text": "hello"}', "interval": str(timing.pk), "args": "[]", "kwargs": "{}", "queue": "",
    }  # fmt: skip
    return {name: value for name, value in {**filled, **changes}.items() if value is not None}


def save(user: User, filled: dict[str, Any], schedule: PeriodicTask | None = None) -> dict[str, list[str]]:
    """Post the form; returns the faults at their fields, none if it was saved."""
    answer = client_of(user).post(f"{LIST}{schedule.pk}/change/" if schedule else f"{LIST}add/", filled)
    return {} if answer.status_code == 302 else dict(answer.context["adminform"].form.errors)


def act(user: User, action: str, *rows: PeriodicTask) -> list[str]:
    answer = client_of(user).post(LIST, {"action": action, "_selected_action": [row.pk for row in rows]})
    return [str(each) for each in get_messages(answer.wsgi_request)]


def test_a_schedule_for_a_job_is_saved_as_the_message_that_submits_it(operator: User, hourly: IntervalSchedule) -> None:
    assert save(operator, form(hourly)) == {}
    row = PeriodicTask.objects.get(name="hello every hour")
    assert (row.task, row.args, row.queue) == (wire.SUBMIT, "[]", None)
    assert json.loads(row.kwargs) == {
        "schedule": "hello every hour", "kind": "system.echo", "parameters": {"text": "hello"},
    }  # fmt: skip
    page = client_of(operator).get(f"{LIST}{row.pk}/change/").content.decode()
    assert "&quot;text&quot;: &quot;hello&quot;" in page
    assert save(operator, form(hourly, name="renamed", parameters='{"text": "bye"}'), row) == {}
    row.refresh_from_db()
    assert json.loads(row.kwargs) == {"schedule": "renamed", "kind": "system.echo", "parameters": {"text": "bye"}}


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"parameters": '{"text": 5}'}, "parameters", "text: "),
        ({"parameters": "{}"}, "parameters", "text: expected a value, got none"),
        ({"parameters": '{"text": "a", "more": 1}'}, "parameters", "more: there is no such parameter"),
        ({"parameters": "not json"}, "parameters", "expected JSON"),
        ({"parameters": "[1]"}, "parameters", "expected an object"),
        ({"parameters": "x" * 100_001}, "parameters", "100000"),
        ({"kind": "datasets.profile", "parameters": '{"dataset": "x"}'}, "parameters", "dataset: expected the id"),
        (
            {"kind": "datasets.profile", "parameters": '{"dataset": "0190a0a0-0000-7000-8000-000000000000"}'},
            "parameters",
            "dataset: there is no uploaded file",
        ),
        (
            {"kind": "probe.signs_in", "parameters": '{"login": {"name": "a", "password": "b"}}'},
            "parameters",
            "no secret",
        ),
        ({"kind": ""}, "kind", "expected a kind"),
        ({"kind": "no.such"}, "kind", "no.such"),
        ({"task": "system.echo"}, "task", "system.echo"),
        ({"task": "celery.backend_cleanup"}, "task", "celery.backend_cleanup"),
        ({"task": "os.system"}, "task", "os.system"),
        ({"task": wire.RESCUE, "kwargs": '{"now": 1}'}, "kwargs", "upkeep takes none"),
        ({"task": "team.own.task", "args": '{"a": 1}'}, "args", "expected a list"),
        ({"task": "team.own.task", "queue": "nowhere"}, "queue", "nowhere"),
        ({"interval": None}, "__all__", "One of clocked, interval, crontab, or solar must be set"),
        ({"name": ""}, "name", "required"),
        ({"queue": "system"}, "queue", "expected one of the queues"),
        ({"missed": "some"}, "missed", "some"),
        ({"missed_cap": "0"}, "missed_cap", "1"),
        ({"missed_cap": "1001"}, "missed_cap", "1000"),
        ({"overlap": "never"}, "overlap", "never"),
        ({"gap": "both"}, "gap", "both"),
        ({"repeat": "skip"}, "repeat", "skip"),
        ({"value": "rows/0"}, "value", "expected a JSON pointer"),
        ({"value": "/a~2"}, "value", "expected a JSON pointer"),
        ({"readers": ["0"]}, "readers", "0"),
        ({"expires_0": "2020-01-01", "expires_1": "00:00:00"}, "expires", "yet to come"),
    ],
)
def test_what_its_ticks_could_not_do_cannot_be_saved(
    operator: User, hourly: IntervalSchedule, changes: dict[str, Any], field: str, words: str
) -> None:
    faults = save(operator, form(hourly, **changes))
    assert list(faults) == [field]
    assert words in " ".join(faults[field])
    assert not PeriodicTask.objects.exclude(name=provisioning.SCHEDULE).exists()


def test_a_task_of_the_teams_own_is_offered_and_saved(operator: User, hourly: IntervalSchedule) -> None:
    page = client_of(operator).get(f"{LIST}add/").content.decode()
    offered = set(re.findall(r'<option value="([^"]+)"', page.split('name="task"')[1].split("</select>")[0]))
    assert {wire.SUBMIT, wire.REFILL, wire.RESCUE, "team.own.task"} <= offered
    assert not [name for name in offered if name.startswith(("celery.", "system.", "datasets."))]
    assert save(operator, form(hourly, task="team.own.task", kind="", parameters="", kwargs='{"a": 1}')) == {}
    row = PeriodicTask.objects.get(name="hello every hour")
    assert (row.task, json.loads(row.kwargs)) == ("team.own.task", {"a": 1})


def test_upkeep_is_shown_and_left_alone(operator: User, chief: User, upkeep: PeriodicTask) -> None:
    for user in (operator, chief):
        client = client_of(user)
        assert client.get(f"{LIST}{upkeep.pk}/change/").status_code == 200
        assert client.post(f"{LIST}{upkeep.pk}/change/", form(upkeep.interval)).status_code == 403
        assert client.post(f"{LIST}{upkeep.pk}/delete/", {"post": "yes"}).status_code == 403
        (message,) = act(user, "disable_selected", upkeep)
        assert "Weir's own upkeep" in message
        act(user, "delete_selected", upkeep)
        timing = f"/admin/django_celery_beat/intervalschedule/{upkeep.interval.pk}"
        assert client.post(f"{timing}/change/", {"every": "9", "period": "days"}).status_code == 403
        assert client.post(f"{timing}/delete/", {"post": "yes"}).status_code == 403
    assert PeriodicTask.objects.get(pk=upkeep.pk).enabled
    assert IntervalSchedule.objects.get(pk=upkeep.interval.pk).every == 1


def test_a_schedule_that_is_enabled_counts_from_then_on(operator: User, now: datetime) -> None:
    row = PeriodicTask.objects.get(name=provisioning.SCHEDULE)
    for action, enabled, word in (("enable_selected", True, "enabled"), ("disable_selected", False, "disabled")):
        assert act(operator, action, row) == [f"1 schedule {word}."]
        assert PeriodicTask.objects.get(pk=row.pk).enabled is enabled
        schedule = Schedule.objects.get(pk=row.pk)
        assert (schedule.next_due_at is not None) == enabled
        assert schedule.decided_until >= now


def test_enabling_a_task_of_the_teams_own_tells_beat(operator: User, hourly: IntervalSchedule) -> None:
    row = PeriodicTask.objects.create(name="own", task="team.own.task", interval=hourly, enabled=False)
    before = PeriodicTasks.last_change()
    assert act(operator, "enable_selected", row) == ["1 schedule enabled."]
    assert PeriodicTask.objects.get(pk=row.pk).enabled
    assert PeriodicTasks.last_change() > before


def test_a_schedules_job_is_submitted_out_of_turn(operator: User, upkeep: PeriodicTask) -> None:
    row = PeriodicTask.objects.get(name=provisioning.SCHEDULE)
    messages = act(operator, "submit_selected", row, upkeep)
    assert messages[0] == "1 job submitted."
    assert "expected a schedule that submits a job" in messages[1]
    job = Job.objects.get()
    assert (job.kind, job.owner, job.via) == ("datasets.profile", None, "schedule")


def test_a_broken_row_is_shown_and_said(operator: User, hourly: IntervalSchedule) -> None:
    row = PeriodicTask.objects.create(name="broken", task=wire.SUBMIT, interval=hourly, kwargs="[1")
    assert "of no kind" in client_of(operator).get(LIST).content.decode()
    assert client_of(operator).get(f"{LIST}{row.pk}/change/").status_code == 200
    (message,) = act(operator, "submit_selected", row)
    assert "expected one of the registered kinds" in message


def test_editing_schedules_needs_the_permission_to_act_on_all_jobs(
    member: Callable[..., User], hourly: IntervalSchedule
) -> None:
    verbs = [f"django_celery_beat.{verb}_periodictask" for verb in ("view", "add", "change", "delete")]
    staff = member("", *verbs)
    row = PeriodicTask.objects.get(name=provisioning.SCHEDULE)
    client = client_of(staff)
    page = client.get(f"{LIST}{row.pk}/change/")
    assert page.status_code == 200
    assert "submit a job: datasets.profile" in page.content.decode()
    assert client.post(f"{LIST}add/", form(hourly)).status_code == 403
    assert client.post(f"{LIST}{row.pk}/change/", form(hourly)).status_code == 403
    assert client.post(f"{LIST}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    act(staff, "enable_selected", row)
    act(staff, "submit_selected", row)
    assert not PeriodicTask.objects.get(pk=row.pk).enabled
    assert not Job.objects.exists()


@pytest.mark.parametrize("model", [IntervalSchedule, CrontabSchedule, SolarSchedule, ClockedSchedule])
def test_timings_are_kept_too(operator: User, model: type[Any]) -> None:
    client = client_of(operator)
    base = f"/admin/django_celery_beat/{model._meta.model_name}/"
    assert client.get(f"{base}add/").status_code == 200
    soon = timezone.now() + timedelta(days=1)
    filled = {
        "every": "5", "period": "minutes", "minute": "*/5", "hour": "*", "day_of_week": "*", "day_of_month": "*",
        "month_of_year": "*", "timezone": "UTC", "event": "sunset", "latitude": "53.1", "longitude": "8.2",
        "clocked_time_0": f"{soon:%Y-%m-%d}", "clocked_time_1": "12:00:00",
        "periodictask_set-TOTAL_FORMS": "0", "periodictask_set-INITIAL_FORMS": "0",
    }  # fmt: skip
    before = model.objects.count()
    answer = client.post(f"{base}add/", filled)
    assert answer.status_code == 302, answer.context["errors"]
    assert model.objects.count() == before + 1
    assert client.get(base).status_code == 200
    row = model.objects.latest("pk")
    assert client.get(f"{base}{row.pk}/change/").status_code == 200
    assert client.post(f"{base}{row.pk}/delete/", {"post": "yes"}).status_code == 302
    assert model.objects.count() == before


CRONTAB = {
    "minute": "0", "hour": "0", "day_of_week": "*", "day_of_month": "*", "month_of_year": "*", "timezone": "UTC",
    "periodictask_set-TOTAL_FORMS": "0", "periodictask_set-INITIAL_FORMS": "0",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"day_of_month": "30", "month_of_year": "2"}, "day_of_month", "got one that never does"),
        ({"day_of_month": "31", "month_of_year": "4,6"}, "day_of_month", "got one that never does"),
        ({"day_of_month": "32"}, "day_of_month", "32"),
        ({"hour": "25"}, "hour", "25"),
        ({"timezone": "Mars/Olympus"}, "timezone", "Mars/Olympus"),
    ],
)
def test_a_crontab_that_never_fires_cannot_be_saved(
    operator: User, changes: dict[str, str], field: str, words: str
) -> None:
    before = CrontabSchedule.objects.count()
    answer = client_of(operator).post("/admin/django_celery_beat/crontabschedule/add/", {**CRONTAB, **changes})
    faults = answer.context["adminform"].form.errors
    assert list(faults) == [field]
    assert words in " ".join(faults[field])
    assert CrontabSchedule.objects.count() == before


def test_29_february_can_be_saved(operator: User) -> None:
    leap = {**CRONTAB, "day_of_month": "29", "month_of_year": "2"}
    assert client_of(operator).post("/admin/django_celery_beat/crontabschedule/add/", leap).status_code == 302


def test_a_schedule_cannot_choose_a_crontab_that_never_fires(operator: User, hourly: IntervalSchedule) -> None:
    never = CrontabSchedule.objects.create(day_of_month="30", month_of_year="2")
    faults = save(operator, form(hourly, interval=None, crontab=str(never.pk)))
    assert "never does" in faults["crontab"][0]
    assert not PeriodicTask.objects.filter(crontab=never).exists()


@pytest.mark.parametrize(
    ("made", "field", "words"),
    [
        ({"every": 0, "period": "seconds"}, "interval", "expected an interval from a second to ten years"),
        ({"every": -5, "period": "days"}, "interval", "expected an interval from a second"),
        ({"every": 500_000, "period": "microseconds"}, "interval", "expected an interval from a second"),
        ({"every": 2_000_000_000, "period": "days"}, "interval", "to ten years"),
        ({"event": "sunset", "latitude": 53, "longitude": 8}, "solar", "got a solar event"),
        ({"clocked_time": datetime(2020, 1, 1, tzinfo=UTC)}, "clocked", "yet to come"),
    ],
)
def test_a_timing_that_cannot_be_kept_is_an_error_at_its_field(
    operator: User, hourly: IntervalSchedule, made: dict[str, Any], field: str, words: str
) -> None:
    model = {"interval": IntervalSchedule, "solar": SolarSchedule, "clocked": ClockedSchedule}[field]
    timing = model.objects.create(**made)
    filled = form(hourly, **{"interval": None, field: str(timing.pk), "one_off": "on" if field == "clocked" else None})
    faults = save(operator, filled)
    assert list(faults) == [field]
    assert words in faults[field][0]
    assert not PeriodicTask.objects.exclude(name=provisioning.SCHEDULE).exists()


def test_a_second_is_the_shortest_interval(operator: User, db: None) -> None:
    second = IntervalSchedule.objects.create(every=1, period="seconds")
    assert save(operator, form(second)) == {}


def test_policies_are_kept_shown_and_changed(operator: User, hourly: IntervalSchedule) -> None:
    group = Group.objects.create(name="readers of weather")
    chosen = {
        "missed": "all", "missed_cap": "7", "overlap": "queue_one", "gap": "skip", "repeat": "both", "value": "/rows/0",
        "readers": [str(group.pk)], "queue": "default",
    }  # fmt: skip
    assert save(operator, form(hourly, **chosen)) == {}
    row = Schedule.objects.get(periodic_task__name="hello every hour")
    kept = (row.missed, row.missed_cap, row.overlap, row.gap, row.repeat, row.value)
    assert kept == ("all", 7, "queue_one", "skip", "both", "/rows/0")
    assert list(row.readers.all()) == [group]
    assert row.periodic_task.queue == "default"
    page = client_of(operator).get(f"{LIST}{row.pk}/change/").content.decode()
    for words in ("let one tick wait until it has ended", "tick both times"):
        assert re.search(rf"<option[^>]*selected[^>]*>\s*{words}", page)
    assert save(operator, form(hourly, missed="skip"), row.periodic_task) == {}
    row.refresh_from_db()
    assert (row.missed, row.overlap, row.value, row.readers.count()) == ("skip", "allow", "", 0)


def test_an_edit_keeps_what_beat_wrote_meanwhile_and_fires_nothing(operator: User, hourly: IntervalSchedule) -> None:
    assert save(operator, form(hourly)) == {}
    row = Schedule.objects.get(periodic_task__name="hello every hour")
    before = row.next_due_at
    PeriodicTask.objects.filter(pk=row.pk).update(total_run_count=41)
    minute = IntervalSchedule.objects.create(every=1, period="minutes")
    assert save(operator, form(minute, description="edited"), row.periodic_task) == {}
    task = PeriodicTask.objects.get(pk=row.pk)
    assert (task.total_run_count, task.description) == (41, "edited")
    row.refresh_from_db()
    assert before is not None
    assert row.next_due_at is not None
    assert row.next_due_at <= before
    assert row.next_due_at > row.decided_until
    assert changes.reconcile(now=row.decided_until) == 0  # settled at once


def test_a_schedule_goes_with_its_ticks_and_leaves_their_jobs(operator: User, hourly: IntervalSchedule) -> None:
    assert save(operator, form(hourly)) == {}
    row = PeriodicTask.objects.get(name="hello every hour")
    act(operator, "submit_selected", row)
    page = client_of(operator).get(f"{LIST}{row.pk}/delete/").content.decode()
    assert "hello every hour" in page
    assert client_of(operator).post(f"{LIST}{row.pk}/delete/", {"post": "yes"}).status_code == 302
    assert (Tick.objects.count(), Job.objects.count()) == (0, 1)


def test_a_schedule_whose_kind_vanished_is_shown_as_broken(
    operator: User, hourly: IntervalSchedule, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert save(operator, form(hourly, kind="probe.nothing", parameters="{}")) == {}
    with monkeypatch.context() as patch:
        patch.delitem(registry._kinds, "probe.nothing")
        changes.reconcile(now=now)
        assert "broken: expected one of the registered kinds" in client_of(operator).get(LIST).content.decode()


def test_an_interval_of_0_cannot_be_saved(operator: User, db: None) -> None:
    filled = {**CRONTAB, "every": "0", "period": "seconds"}
    answer = client_of(operator).post("/admin/django_celery_beat/intervalschedule/add/", filled)
    assert list(answer.context["adminform"].form.errors) == ["every"]
    assert not IntervalSchedule.objects.filter(every=0).exists()


def test_a_timing_in_use_is_not_deleted_with_its_schedules(operator: User) -> None:
    row = PeriodicTask.objects.get(name=provisioning.SCHEDULE)
    address = f"/admin/django_celery_beat/crontabschedule/{row.crontab.pk}/delete/"
    assert client_of(operator).post(address, {"post": "yes"}).status_code == 403
    assert PeriodicTask.objects.filter(pk=row.pk).exists()


def test_people_read_of_schedules_not_of_tasks_and_migrations_stay_still(operator: User) -> None:
    page = client_of(operator).get(LIST).content.decode()
    assert "eriodic task" not in page
    assert "Periodic Task" not in page
    call_command("makemigrations", check=True, dry_run=True, stdout=StringIO())
