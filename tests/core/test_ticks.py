"""Ticks are decided in the ledger: each that is due has one job, or what its schedule's policies say. Time is given."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django_celery_beat.models import PeriodicTask

from jobs_app import registry
from jobs_app.core import control
from jobs_app.core.schedules import changes, submitting, ticks, waiting
from jobs_app.errors import InvalidParameters, NotAllowed, QueueFull
from jobs_app.models import Job, Schedule, Tick
from jobs_app.models.guard import writing
from jobs_app.ticking import Gap, Missed, Overlap, Repeat
from tests.support.ledger import fresh
from tests.support.ledger import submitted as a_job
from tests.support.schedules import became, run, scheduled, submitted

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def now() -> datetime:
    """The beginning of an hour, far from any that is odd. Everything here is given the time."""
    return datetime(2026, 6, 10, 12, 0, tzinfo=UTC)


def settled(job: Job) -> Job:
    """The job, ended."""
    control.cancel(job.id, actor=None, now=job.created_at)
    return fresh(job)


def test_each_tick_has_one_job_of_the_systems(now: datetime) -> None:
    schedule = scheduled(every=60, kind="system.echo", parameters={"text": "hello"}, now=now)
    for minute in (1, 2, 3):
        assert ticks.run_due(now=now + minute * MINUTE) == {"submitted": 1}
        assert ticks.run_due(now=now + minute * MINUTE) == {}
    assert submitted(schedule) == ["12:01:00", "12:02:00", "12:03:00"]
    for tick in Tick.objects.order_by("due_at").select_related("job"):
        job = tick.job
        assert (job.kind, job.parameters, job.owner, job.via, job.state) == (
            "system.echo", {"text": "hello"}, None, "schedule", "queued",
        )  # fmt: skip
        assert job.idempotency_key == f"schedule {schedule.pk} at {tick.due_at.isoformat()}"
        assert tick.lateness == timedelta(0)
    row = PeriodicTask.objects.get()
    assert (row.total_run_count, row.last_run_at) == (3, now + 3 * MINUTE)


def test_nothing_due_costs_two_queries(now: datetime, django_assert_num_queries: Callable[..., object]) -> None:
    for number in range(5):
        scheduled(f"number {number}", every=60, now=now)
    with django_assert_num_queries(2):
        assert ticks.run_due(now=now + SECOND) == {}


def test_a_tick_that_was_decided_before_but_not_noted_is_still_one_job(now: datetime) -> None:
    schedule = scheduled(every=60, now=now)
    ticks.run_due(now=now + MINUTE)
    Tick.objects.all()._raw_delete("default")
    Schedule.objects.all()._raw_delete("default")
    changes.reconcile(now=now)
    changes.reconcile(now=now)
    assert run(now + MINUTE) == 1
    assert submitted(schedule) == ["12:01:00"]
    assert Job.objects.count() == 1


DOWN = 6 * HOUR + 30 * SECOND
"""Until 18:00:30."""


@pytest.mark.parametrize(
    ("crontab", "missed", "cap", "expected"),
    [
        ("0 * * * *", Missed.SKIP, 100, []),
        ("0 * * * *", Missed.LATEST, 100, ["18:00:00"]),
        ("0 * * * *", Missed.ALL, 100, ["13:00:00", "14:00:00", "15:00:00", "16:00:00", "17:00:00", "18:00:00"]),
        ("0 * * * *", Missed.ALL, 2, ["17:00:00", "18:00:00"]),
        ("30 13 * * *", Missed.LATEST, 100, ["13:30:00"]),
        ("30 13 * * *", Missed.SKIP, 100, []),
    ],
)
def test_after_six_hours_the_policy_says_what_was_missed(
    now: datetime, crontab: str, missed: Missed, cap: int, expected: list[str]
) -> None:
    schedule = scheduled(crontab=crontab, missed=missed, missed_cap=cap, now=now)
    run(now + DOWN)
    assert submitted(schedule) == expected
    due = 6 if crontab.startswith("0") else 1
    assert len(became(schedule)) == due
    assert {outcome for _, outcome in became(schedule)} <= {"submitted", "missed"}
    schedule.refresh_from_db()
    assert schedule.decided_until == now + DOWN
    run(now + 7 * HOUR)
    assert submitted(schedule) == expected + (["19:00:00"] if due == 6 else [])


def test_all_of_many_missed_ticks_are_made_up_for_in_short_transactions(now: datetime) -> None:
    schedule = scheduled(every=60, missed=Missed.ALL, missed_cap=50, now=now)
    assert run(now + DOWN) == 3  # 20 jobs each, and the last 10
    assert len(submitted(schedule)) == 50
    assert submitted(schedule)[-1] == "18:00:00"
    missed = Tick.objects.filter(outcome="missed").order_by("due_at")
    assert missed.count() == 100
    assert "those before it were left out too" in missed[0].reason


def test_a_month_away_from_a_schedule_of_each_second_is_bounded_work(now: datetime) -> None:
    schedule = scheduled(every=1, now=now)
    assert run(now + timedelta(days=30)) == 1
    assert len(submitted(schedule)) == 11  # all that are on time
    assert Tick.objects.count() == 11 + 100


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        (Overlap.ALLOW, ["submitted", "submitted", "submitted"]),
        (Overlap.SKIP, ["submitted", "overlapped", "overlapped"]),
        (Overlap.QUEUE_ONE, ["submitted", "waiting", "overlapped"]),
    ],
)
def test_while_a_job_of_before_runs_the_policy_says_what_a_tick_does(
    now: datetime, overlap: Overlap, expected: list[str]
) -> None:
    schedule = scheduled(every=60, overlap=overlap, now=now)
    for minute in (1, 2, 3):
        run(now + minute * MINUTE)
    assert [outcome for _, outcome in became(schedule)] == expected
    assert Job.objects.count() == expected.count("submitted")
    settled(Job.objects.earliest("created_at"))
    run(now + 3 * MINUTE + SECOND)
    if overlap is Overlap.QUEUE_ONE:
        assert [outcome for _, outcome in became(schedule)] == ["submitted", "submitted", "overlapped"]
        assert Tick.objects.filter(due_at=now + 2 * MINUTE, reason__contains="waited 1 min 1 s").exists()
    run(now + 4 * MINUTE)
    last = {Overlap.QUEUE_ONE: "waiting"}.get(overlap, "submitted")
    assert became(schedule)[-1] == ("12:04:00", last)


def test_a_job_that_runs_on_is_told_from_one_that_ended_also_when_that_was_noted(now: datetime) -> None:
    schedule = scheduled(every=60, overlap=Overlap.SKIP, now=now)
    run(now + MINUTE)
    assert waiting.close() == 0
    settled(Job.objects.get())
    assert (waiting.close(), waiting.close()) == (1, 0)
    run(now + 2 * MINUTE)
    assert submitted(schedule) == ["12:01:00", "12:02:00"]
    run(now + 3 * MINUTE)
    assert became(schedule)[-1] == ("12:03:00", "overlapped")


def test_a_paused_schedule_drops_the_tick_that_waited(now: datetime) -> None:
    schedule = scheduled(every=60, overlap=Overlap.QUEUE_ONE, now=now)
    for minute in (1, 2):
        run(now + minute * MINUTE)
    changes.pause(schedule, actor=None, now=now + 2 * MINUTE)
    settled(Job.objects.get())
    run(now + 10 * MINUTE)
    assert became(schedule) == [("12:01:00", "submitted"), ("12:02:00", "missed")]


NIGHTS = [
    # New York, 8 March 2026: 02:00 EST becomes 03:00 EDT at 07:00 UTC; 1 November: 02:00 EDT, 01:00 EST at 06:00 UTC.
    ("30 2 * * *", "America/New_York", "2026-03-08T05:00", {}, ["07:00:00"]),
    ("30 2 * * *", "America/New_York", "2026-03-08T05:00", {"gap": Gap.SKIP}, []),
    ("30 1 * * *", "America/New_York", "2026-11-01T04:00", {}, ["05:30:00"]),
    ("30 1 * * *", "America/New_York", "2026-11-01T04:00", {"repeat": Repeat.BOTH}, ["05:30:00", "06:30:00"]),
    ("0 * * * *", "America/New_York", "2026-11-01T04:30", {}, ["05:00:00", "06:00:00", "07:00:00"]),
    ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T15:00", {}, ["15:30:00"]),
    ("30 2 * * *", "Africa/Casablanca", "2026-02-15T00:30", {"repeat": Repeat.BOTH}, ["01:30:00", "02:30:00"]),
]


@pytest.mark.parametrize(("crontab", "zone", "begin", "choices", "expected"), NIGHTS)
@pytest.mark.parametrize("step", [timedelta(minutes=15), timedelta(hours=3)], ids=["awake", "away"])
def test_nights_when_clocks_change(
    crontab: str, zone: str, begin: str, choices: dict[str, object], expected: list[str], step: timedelta
) -> None:
    """Whether beat looks all night, or wakes when it is over."""
    start = datetime.fromisoformat(begin).replace(tzinfo=UTC)
    schedule = scheduled(crontab=crontab, zone=zone, missed=Missed.ALL, now=start, **choices)
    for number in range(1, int(timedelta(hours=3) / step) + 1):
        run(start + number * step)
    assert submitted(schedule) == expected


def test_a_clock_that_is_set_back_ticks_nothing_twice(now: datetime) -> None:
    schedule = scheduled(every=60, now=now)
    run(now + 5 * MINUTE)
    for minute in (2, 3, 4, 5):
        run(now + minute * MINUTE)
    run(now + 6 * MINUTE)
    assert submitted(schedule) == ["12:05:00", "12:06:00"]


def test_a_full_queue_puts_a_tick_off_and_loses_none(now: datetime, configured: Callable[..., None]) -> None:
    configured(queue_limit=1, queue_headroom=0)
    first = a_job(now=now)
    every = scheduled("all", every=60, missed=Missed.ALL, now=now)
    latest = scheduled("latest", every=60, now=now)
    run(now + MINUTE)
    for schedule in (every, latest):
        schedule.refresh_from_db()
        assert became(schedule) == []
        assert "jobs wait" in schedule.held_up or "job waits" in schedule.held_up
        assert schedule.next_due_at == now + MINUTE
        assert schedule.look_at is not None
        assert now + MINUTE < schedule.look_at <= now + MINUTE + submitting.LONGEST_PUT_OFF
    run(now + 3 * MINUTE)
    settled(first)
    configured(queue_limit=100)
    run(now + 4 * MINUTE + 5 * SECOND)
    assert submitted(every) == ["12:01:00", "12:02:00", "12:03:00", "12:04:00"]
    assert submitted(latest) == ["12:04:00"]
    every.refresh_from_db()
    assert every.held_up == ""


def test_room_for_some_of_the_missed_ticks_is_used(now: datetime, configured: Callable[..., None]) -> None:
    configured(queue_limit=2, queue_headroom=0)
    schedule = scheduled(every=60, missed=Missed.ALL, now=now)
    run(now + 5 * MINUTE)
    assert submitted(schedule) == ["12:01:00", "12:02:00"]
    configured(queue_limit=100)
    run(now + 5 * MINUTE + 10 * SECOND)
    assert submitted(schedule) == ["12:01:00", "12:02:00", "12:03:00", "12:04:00", "12:05:00"]


def test_a_schedule_whose_kind_vanished_is_broken_and_goes_on_by_its_policy_when_it_is_back(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = scheduled(every=60, missed=Missed.ALL, now=now)
    with monkeypatch.context() as patch:
        patch.delitem(registry._kinds, "probe.nothing")
        assert changes.reconcile(now=now + SECOND) == 1
        schedule.refresh_from_db()
        assert "expected one of the registered kinds" in schedule.broken
        run(now + 3 * MINUTE)
        assert became(schedule) == []
    assert changes.reconcile(now=now + 3 * MINUTE) == 1
    run(now + 3 * MINUTE)
    schedule.refresh_from_db()
    assert schedule.broken == ""
    assert submitted(schedule) == ["12:01:00", "12:02:00", "12:03:00"]


def test_parameters_that_no_longer_fit_break_a_schedule_until_they_are_mended(now: datetime) -> None:
    schedule = scheduled(every=60, kind="system.echo", parameters={"text": "a"}, now=now)
    PeriodicTask.objects.update(kwargs='{"kind": "system.echo", "parameters": {"text": 5}}')
    run(now + 2 * MINUTE)
    schedule.refresh_from_db()
    assert schedule.broken.startswith("text: ")
    assert became(schedule) == []
    PeriodicTask.objects.update(kwargs='{"kind": "system.echo", "parameters": {"text": "b"}}')
    changes.reconcile(now=now + 10 * MINUTE)
    run(now + 10 * MINUTE + SECOND)
    assert became(schedule) == []  # mended by an edit: what is past does not fire
    run(now + 11 * MINUTE)
    assert [tick.job.parameters for tick in Tick.objects.all()] == [{"text": "b"}]


def test_one_schedule_that_goes_wrong_keeps_back_no_other(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    first, poison, last = (scheduled(name, every=60, now=now) for name in ("first", "poison", "last"))
    carry_out = submitting.carry_out

    def fail(task: PeriodicTask, *given: object, **named: object) -> object:
        if task.name == "poison":
            raise ZeroDivisionError
        return carry_out(task, *given, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(submitting, "carry_out", fail)
        assert ticks.run_due(now=now + MINUTE) == {"submitted": 2}
    poison.refresh_from_db()
    assert "unexpected" in poison.held_up
    run(now + 2 * MINUTE)
    assert submitted(first) == submitted(last) == ["12:01:00", "12:02:00"]
    assert submitted(poison) == ["12:02:00"]


def test_a_beat_that_was_overtaken_takes_back_what_it_did(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = scheduled(every=60, now=now)
    keep = submitting.keep

    def keep_late(task: PeriodicTask, made: list[Tick], **named: Any) -> None:
        keep(task, made, **named)
        with writing():  # as if another had decided them meanwhile
            Schedule.objects.update(decided_until=now + MINUTE)

    with monkeypatch.context() as patch:
        patch.setattr(submitting, "keep", keep_late)
        assert ticks.run_due(now=now + MINUTE) == {}
    assert (Job.objects.count(), Tick.objects.count()) == (0, 0)
    run(now + MINUTE)
    assert submitted(schedule) == ["12:01:00"]


def test_a_turn_ends_in_time_and_the_next_goes_on(now: datetime) -> None:
    for number in range(5):
        scheduled(f"number {number}", every=60, now=now)
    assert ticks.run_due(now=now + MINUTE, seconds=0) == {}
    assert run(now + MINUTE) == 1
    assert Job.objects.count() == 5


def test_a_job_that_may_be_one_only_is_not_doubled_by_a_tick(now: datetime) -> None:
    schedule = scheduled(every=60, kind="probe.unique", parameters={"customer": 1}, now=now)
    run(now + MINUTE)
    run(now + 2 * MINUTE)
    assert became(schedule) == [("12:01:00", "submitted"), ("12:02:00", "overlapped")]
    job = Job.objects.get()
    assert str(job.id) in Tick.objects.latest("due_at").reason


def test_one_moment_a_beginning_and_an_end(now: datetime) -> None:
    moment = scheduled("moment", at=now + 5 * MINUTE, now=now)
    between = scheduled("between", every=60, start_time=now + 2 * MINUTE, expires=now + 4 * MINUTE, now=now)
    once = scheduled("once", every=60, one_off=True, missed=Missed.ALL, now=now)
    shifted = scheduled("shifted", every=90, start_time=now + 7 * SECOND, now=now)
    for minute in range(1, 8):
        run(now + minute * MINUTE)
    assert submitted(moment) == ["12:05:00"]
    assert submitted(between) == ["12:02:00", "12:03:00"]
    assert submitted(once) == ["12:01:00"]
    assert submitted(shifted)[0] == "12:00:07"
    enabled = set(PeriodicTask.objects.filter(enabled=True).values_list("name", flat=True))
    assert enabled == {"shifted"}
    assert Schedule.objects.exclude(look_at=None).count() == 1


def test_a_tick_may_wait_for_a_worker_for_so_long(now: datetime) -> None:
    scheduled(every=60, expire_seconds=30, queue="default", now=now)
    run(now + MINUTE)
    job = Job.objects.get()
    assert job.expires_at == now + MINUTE + 30 * SECOND


def test_run_now_is_a_job_out_of_turn_also_while_paused(now: datetime, alice: User, carol: User) -> None:
    schedule = scheduled(every=60, enabled=False, overlap=Overlap.SKIP, now=now)
    carol.user_permissions.add(Permission.objects.get(codename="change_periodictask"))
    carol = User.objects.get(pk=carol.pk)
    first, second = (ticks.run_now(schedule, actor=carol, now=now) for _ in range(2))
    assert first.job_id != second.job_id
    assert (first.out_of_turn, first.outcome, first.reason) == (True, "submitted", "asked for by carol")
    assert PeriodicTask.objects.get().total_run_count == 2
    run(now + 5 * MINUTE)
    assert Tick.objects.count() == 2
    for act in (ticks.run_now, changes.pause, changes.resume):
        with pytest.raises(NotAllowed):
            act(schedule, actor=alice, now=now)
    changes.resume(schedule, actor=carol, now=now + 5 * MINUTE)
    run(now + 6 * MINUTE)
    assert became(schedule)[-1] == ("12:06:00", "overlapped")  # those that were asked for still run


def test_run_now_tells_why_it_cannot(now: datetime, configured: Callable[..., None]) -> None:
    schedule = scheduled(every=60, now=now)
    configured(queue_limit=1, queue_headroom=0)
    a_job(now=now)
    with pytest.raises(QueueFull):
        ticks.run_now(schedule, actor=None, now=now)
    PeriodicTask.objects.update(kwargs='{"kind": "system.echo", "parameters": {}}')
    with pytest.raises(InvalidParameters, match="text: expected a value"):
        ticks.run_now(schedule, actor=None, now=now)
    assert became(schedule) == []


def test_deciding_touches_no_column_that_people_edit(now: datetime) -> None:
    schedule = scheduled(every=60, now=now)
    seen = PeriodicTask.objects.get(pk=schedule.pk)
    PeriodicTask.objects.update(description="edited meanwhile")
    run(now + MINUTE)
    row = PeriodicTask.objects.get(pk=seen.pk)
    assert (row.description, row.total_run_count, row.date_changed) == ("edited meanwhile", 1, seen.date_changed)
