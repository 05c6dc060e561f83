"""What people do to schedules: nothing of it fires by surprise, and it is noticed whichever way it was written."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule

from jobs_app import wire
from jobs_app.core.schedules import changes, ticks
from jobs_app.core.schedules.changes import Choices
from jobs_app.models import Schedule, Tick
from jobs_app.ticking import Gap, Missed, Repeat
from tests.support.schedules import became, run, scheduled, submitted

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def now() -> datetime:
    """The beginning of an hour."""
    return datetime(2026, 6, 10, 12, 0, tzinfo=UTC)


def plain(name: str = "greeting", **columns: Any) -> PeriodicTask:
    """A periodic task as a program of the team's makes it, past all of Weir's functions."""
    if not columns.keys() & {"crontab", "solar"}:
        columns.setdefault("interval", IntervalSchedule.objects.get_or_create(every=60, period="seconds")[0])
    given = {"kwargs": json.dumps({"kind": "probe.nothing"}), **columns}
    return PeriodicTask.objects.create(name=name, task=wire.SUBMIT, **given)


def test_a_schedule_that_a_program_made_ticks_from_when_it_is_noticed(now: datetime) -> None:
    task = plain()
    assert changes.reconcile(now=now + 10 * SECOND) == 2  # a row, and where it stands
    assert changes.reconcile(now=now + 15 * SECOND) == 0
    schedule = Schedule.objects.get(pk=task.pk)
    assert (schedule.decided_until, schedule.next_due_at) == (now + 10 * SECOND, now + MINUTE)
    run(now + 2 * MINUTE)
    assert became(schedule)[-1] == ("12:02:00", "submitted")


def slow_down(task: PeriodicTask) -> None:
    IntervalSchedule.objects.filter(pk=task.interval_id).update(every=120)


def change_over(task: PeriodicTask) -> None:
    crontab = CrontabSchedule.objects.create(minute="30")
    PeriodicTask.objects.filter(pk=task.pk).update(interval=None, crontab=crontab)


def begin_later(task: PeriodicTask) -> None:
    PeriodicTask.objects.filter(pk=task.pk).update(start_time=datetime(2026, 6, 10, 12, 20, tzinfo=UTC))


EDITS = [(slow_down, "12:12"), (change_over, "12:30"), (begin_later, "12:20")]


@pytest.mark.parametrize(("edit", "following"), EDITS)
@pytest.mark.parametrize("noticed_by", ["reconcile", "run_due"])
def test_an_edit_that_sends_no_signal_is_noticed_and_fires_nothing_that_is_past(
    now: datetime, edit: Callable[[PeriodicTask], None], following: str, noticed_by: str
) -> None:
    """After ten minutes without beat: what was due by the old timing or by the new one is past."""
    schedule = scheduled(every=60, missed=Missed.ALL, now=now)
    edit(schedule.periodic_task)
    later = now + 10 * MINUTE + SECOND
    if noticed_by == "reconcile":
        assert changes.reconcile(now=later) == 1
    run(later)
    schedule.refresh_from_db()
    assert became(schedule) == []
    assert schedule.decided_until == later
    assert f"{schedule.next_due_at:%H:%M}" == following


def test_what_was_off_and_is_on_again_counts_from_then(now: datetime) -> None:
    schedule = scheduled(every=60, missed=Missed.ALL, now=now)
    PeriodicTask.objects.update(enabled=False)
    assert changes.reconcile(now=now + 5 * SECOND) == 1
    assert run(now + 5 * MINUTE) == 0
    PeriodicTask.objects.update(enabled=True)
    assert changes.reconcile(now=now + 10 * MINUTE) == 1
    run(now + 11 * MINUTE)
    assert became(schedule) == [("12:11:00", "submitted")]


def test_pause_and_resume(now: datetime) -> None:
    schedule = scheduled(every=60, missed=Missed.ALL, now=now)
    for _ in range(2):
        changes.pause(schedule, actor=None, now=now + 90 * SECOND)
    assert run(now + 10 * MINUTE) == 0
    for moment in (10 * MINUTE, 10 * MINUTE + 5 * SECOND):
        changes.resume(schedule, actor=None, now=now + moment)
    run(now + 11 * MINUTE)
    assert became(schedule) == [("12:11:00", "submitted")]
    assert changes.reconcile(now=now + 11 * MINUTE) == 0


def test_new_parameters_or_policies_lose_no_tick_that_is_due(now: datetime) -> None:
    schedule = scheduled(every=60, kind="system.echo", parameters={"text": "a"}, now=now)
    PeriodicTask.objects.update(kwargs=json.dumps({"kind": "system.echo", "parameters": {"text": "b"}}))
    assert changes.reconcile(now=now + MINUTE + SECOND) == 1
    changes.choose(schedule.periodic_task, Choices(missed=Missed.ALL, missed_cap=5), now=now + MINUTE + SECOND)
    run(now + MINUTE + SECOND)
    assert submitted(schedule) == ["12:01:00"]
    assert Tick.objects.get().job.parameters == {"text": "b"}


def test_choices_are_kept_and_readers_replaced(now: datetime) -> None:
    first, second = (Group.objects.create(name=name) for name in ("first", "second"))
    schedule = scheduled(crontab="30 2 * * *", zone="Europe/Berlin", readers=(first,), value="/rows", now=now)
    assert list(schedule.readers.all()) == [first]
    chosen = Choices(gap=Gap.SKIP, repeat=Repeat.BOTH, value="/a", readers=(second,))
    row = changes.choose(schedule.periodic_task, chosen, now=now)
    assert (row.gap, row.repeat, row.value, list(row.readers.all())) == ("skip", "both", "/a", [second])


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"kwargs": "[1"}, "expected one of the registered kinds"),
    ({"kwargs": '{"kind": 5}'}, "expected one of the registered kinds"),
    ({"kwargs": '{"kind": "no.such"}'}, "expected one of the registered kinds"),
    ({"kwargs": '{"kind": "probe.not_schedulable"}'}, "expected a kind that may be scheduled"),
    ({"kwargs": '{"kind": "system.echo", "parameters": {"text": 5}}'}, "text: "),
    ({"queue": "nowhere"}, "expected one of the queues"),
    ({"interval": "0 seconds"}, "expected an interval from a second"),
    ({"crontab": "30 2"}, "never does"),
    ({"crontab": "x 1"}, "expected a crontab"),
    ({"solar": True}, "got a solar event"),
    ({"expires": datetime(2026, 6, 1, tzinfo=UTC)}, "last one is past"),
]


def test_what_cannot_tick_says_why_and_is_looked_at_again(now: datetime) -> None:
    for number, (columns, _) in enumerate(BROKEN):
        given = dict(columns)
        if "interval" in given:
            given["interval"] = IntervalSchedule.objects.create(every=0, period="seconds")
        if "crontab" in given:
            day, month = given["crontab"].split()
            given["crontab"] = CrontabSchedule.objects.create(minute="0", day_of_month=day, month_of_year=month)
        if "solar" in given:
            given["solar"] = SolarSchedule.objects.create(event="sunset", latitude=53, longitude=8)
        plain(f"{number:02}", **given)
    healthy = plain("healthy")
    changes.reconcile(now=now)
    for row, (columns, words) in zip(Schedule.objects.order_by("periodic_task__name"), BROKEN, strict=False):
        assert words in row.broken, columns
        assert row.next_due_at is None
        assert row.look_at == now + MINUTE
        assert changes.upcoming(row, count=3, now=now) == [] or "kwargs" in columns or "queue" in columns
    run(now + 2 * MINUTE)
    assert set(Tick.objects.values_list("schedule", flat=True)) == {healthy.pk}
    assert Schedule.objects.exclude(broken="").count() == len(BROKEN)


def test_the_next_times_with_what_is_odd_about_them(now: datetime) -> None:
    start = datetime(2026, 3, 6, 12, 0, tzinfo=UTC)
    night = scheduled(crontab="30 2 * * *", zone="America/New_York", now=start)
    fires = changes.upcoming(night, count=3, now=start)
    assert [f"{each.at:%d %H:%M}" for each in fires] == ["07 07:30", "08 07:00", "09 06:30"]
    assert ["skipped" in each.odd for each in fires] == [False, True, False]
    interval = scheduled("interval", every=3600, enabled=False, expires=now + timedelta(hours=3), now=now)
    assert [f"{each.at:%H:%M}" for each in changes.upcoming(interval, count=10, now=now)] == ["13:00", "14:00"]
    once = scheduled("once", every=3600, one_off=True, now=now)
    assert len(changes.upcoming(once, count=10, now=now)) == 1
    moment = scheduled("moment", at=now + MINUTE, now=now)
    assert [each.at for each in changes.upcoming(moment, count=10, now=now)] == [now + MINUTE]


def test_a_schedule_that_is_given_another_task_ticks_no_more(now: datetime) -> None:
    schedule = scheduled(every=60, now=now)
    PeriodicTask.objects.update(task="team.own.task")
    assert run(now + MINUTE) == 0
    assert became(schedule) == []


def test_looking_for_changes_costs_three_queries_however_many_there_are(
    now: datetime, django_assert_num_queries: Callable[..., object]
) -> None:
    for number in range(5):
        scheduled(f"number {number}", every=60, now=now)
    with django_assert_num_queries(3):  # ended jobs, new rows, changed ones
        assert changes.reconcile(now=now) == 0
    with django_assert_num_queries(2):
        ticks.run_due(now=now)


def test_looking_for_changes_ends_in_time_and_goes_on(now: datetime) -> None:
    for number in range(5):
        plain(f"number {number}")
    assert changes.reconcile(now=now, seconds=0) == 5
    assert Schedule.objects.exclude(look_at=None).count() == 0
    began = time.monotonic()
    while changes.reconcile(now=now):
        assert time.monotonic() < began + 60
    assert Schedule.objects.exclude(look_at=None).count() == 5
