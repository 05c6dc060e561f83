"""Two beats at once: a tick is one job."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import pytest
from django.db import connection
from django_celery_beat.models import PeriodicTask

from jobs_app.core import clock
from jobs_app.core.schedules import changes, standing, ticks
from jobs_app.models import Job, Schedule, Tick
from jobs_app.ticking import Missed
from tests.support.schedules import scheduled
from tests.support.together import HELD_SECONDS, against, at_once

pytestmark = pytest.mark.usefixtures("quiet", "nudged")

MINUTE = timedelta(minutes=1)


@pytest.fixture
def now(transactional_db: None) -> datetime:
    """The beginning of this hour."""
    return clock.database_now().replace(minute=0, second=0, microsecond=0)


def test_a_beat_that_meets_another_at_the_same_tick_leaves_it_to_that_one(now: datetime) -> None:
    scheduled(every=60, now=now)
    waits = connection.vendor == "sqlite"
    decide = partial(ticks.run_due, now=now + MINUTE)
    with against(decide, seconds=HELD_SECONDS if waits else 2) as rival:
        assert decide() == {}
        # PostgreSQL's beats pass each other by: the second turns to other schedules rather than waiting.
        assert waits or not rival.committed.is_set()
    assert rival.waited >= HELD_SECONDS or not waits
    assert (Job.objects.count(), Tick.objects.count()) == (1, 1)


def test_beats_that_no_lock_keeps_apart_are_kept_apart_by_the_guards(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite's one lock cannot be taken away")
    schedule = scheduled(every=60, now=now)
    monkeypatch.setattr(standing.queries, "locked", lambda rows, **_: rows)
    decide = partial(ticks.run_due, now=now + MINUTE)
    with against(decide) as rival:
        assert decide() == {}
    assert rival.waited >= HELD_SECONDS
    assert (Job.objects.count(), Tick.objects.count()) == (1, 1)
    schedule.refresh_from_db()
    assert schedule.held_up == ""  # overtaken is no failure
    assert PeriodicTask.objects.get().total_run_count == 1


def test_many_beats_at_once_share_the_ticks(now: datetime) -> None:
    rows = [scheduled(f"number {number}", every=60, missed=Missed.ALL, now=now) for number in range(12)]
    told = at_once(*(partial(ticks.run_due, now=now + 3 * MINUTE + each * timedelta(seconds=1)) for each in range(6)))
    while left := ticks.run_due(now=now + 3 * MINUTE + timedelta(seconds=9)):
        told.append(left)
    assert sum(each["submitted"] for each in told) == Job.objects.count() == 3 * len(rows)
    assert Tick.objects.values("schedule", "due_at").distinct().count() == 3 * len(rows)
    assert set(PeriodicTask.objects.values_list("total_run_count", flat=True)) == {3}


def test_run_now_twice_at_once_is_two_jobs_and_a_tick_that_is_due_is_a_third(now: datetime) -> None:
    schedule = scheduled(every=60, now=now)
    ask = partial(ticks.run_now, schedule, actor=None, now=now + MINUTE)
    at_once(ask, ask, partial(ticks.run_due, now=now + MINUTE))
    ticks.run_due(now=now + MINUTE)
    assert Tick.objects.filter(out_of_turn=True).count() == 2
    assert Tick.objects.filter(out_of_turn=False, due_at=now + MINUTE).count() == 1
    assert Job.objects.count() == 3


def test_new_rows_are_made_once_by_beats_that_start_together(now: datetime) -> None:
    scheduled(every=60, now=now)
    Schedule.objects.all()._raw_delete("default")
    at_once(*(partial(changes.reconcile, now=now) for _ in range(4)))
    changes.reconcile(now=now)
    row = Schedule.objects.get()
    assert row.look_at == now + MINUTE


def test_a_form_that_is_saved_while_beat_decides_loses_nothing_and_blocks_nobody(now: datetime) -> None:
    schedule = scheduled(every=60, now=now)

    def edit() -> None:
        task = PeriodicTask.objects.get(pk=schedule.pk)
        task.description = "edited"
        task.save(update_fields=["description", "date_changed"])
        changes.choose(task, changes.Choices(missed_cap=7), now=now)

    with against(partial(ticks.run_due, now=now + MINUTE)):
        edit()
    with against(edit, seconds=2):
        ticks.run_due(now=now + 2 * MINUTE)
    ticks.run_due(now=now + 2 * MINUTE)
    task = PeriodicTask.objects.select_related("weir_schedule").get()
    assert (task.description, task.total_run_count, task.weir_schedule.missed_cap) == ("edited", 2, 7)
    assert list(Tick.objects.order_by("due_at").values_list("due_at", flat=True)) == [now + MINUTE, now + 2 * MINUTE]
