"""Schedules and reports as they are read: for whom, what is shown, and at what cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from jobs_app.core import access
from jobs_app.core.retention import pruning, rules
from jobs_app.core.rollups import rolling
from jobs_app.core.schedules import changes, ticks
from jobs_app.errors import InvalidRequest, NotAllowed, NotFound
from jobs_app.lifecycle import State
from jobs_app.models import Job, Tick
from jobs_app.models.guard import writing
from jobs_app.reads import report_results, reports, schedule_views, schedules
from jobs_app.reads.reports import Report
from jobs_app.reads.schedules import Only
from jobs_app.reads.staleness import Because
from jobs_app.ticking import Gap, TickOutcome
from tests.support.reports import HOUR, altered, member, operator, scheduled, ticked

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
BERLIN = "Europe/Berlin"
AT_HALF_PAST_TWO = {"minute": "30", "hour": "2", "timezone": BERLIN}
BEFORE_SPRING = datetime(2026, 3, 27, 12, 0, tzinfo=UTC)
BEFORE_AUTUMN = datetime(2026, 10, 23, 12, 0, tzinfo=UTC)


def names(page: schedules.SchedulePage) -> list[str]:
    return [each.name for each in page.schedules]


def read(key: Any, now: datetime) -> Report:
    return reports.report(None, key, now=now)


def test_schedules_are_listed_by_name_in_pages(now: datetime) -> None:
    for name in ("c", "a", "b"):
        scheduled(name, now=now)
    first = schedules.schedule_page(None, limit=2)
    assert (names(first), first.next_cursor) == (["a", "b"], "b")
    second = schedules.schedule_page(None, cursor="b", limit=2)
    assert (names(second), second.next_cursor) == (["c"], None)
    for limit in (0, 201):
        with pytest.raises(InvalidRequest, match="expected a limit from 1 to 200"):
            schedules.schedule_page(None, limit=limit)


def test_those_that_need_somebody_are_found(now: datetime) -> None:
    scheduled("well", now=now)
    scheduled("paused", now=now, enabled=False)
    altered(scheduled("broken", now=now), broken="its kind has vanished")
    assert names(schedules.schedule_page(None, Only.BROKEN)) == ["broken"]
    assert names(schedules.schedule_page(None, Only.PAUSED)) == ["paused"]
    assert schedules.counts(None) == {Only.ALL: 3, Only.BROKEN: 1, Only.PAUSED: 1}
    shown = {each.name: each for each in schedules.schedule_page(None).schedules}
    assert shown["broken"].broken == "its kind has vanished"
    assert (shown["paused"].paused, shown["paused"].next_due_at, shown["broken"].next_due_at) == (True, None, None)
    assert shown["well"].next_due_at is not None


def test_a_tick_tells_how_late_it_was_decided_and_begun(now: datetime) -> None:
    schedule = scheduled(now=now)
    ticked(schedule, now - 3 * HOUR, reason="one", out_of_turn=True)
    with writing():
        Tick.objects.update(decided_at=now - 3 * HOUR + 0.25 * SECOND)
    ticked(schedule, now - 2 * HOUR, state=None, outcome=TickOutcome.MISSED, reason="beat was away")
    newest, oldest = schedules.schedule(None, schedule.name, now=now).ticks
    assert (oldest.decided_late, oldest.started_late, oldest.state, oldest.out_of_turn) == (
        0.25, 0.5, State.SUCCEEDED, True,
    )  # fmt: skip
    assert (newest.outcome, newest.reason, newest.job, newest.started_late) == ("missed", "beat was away", None, None)
    assert schedules.schedule(None, schedule.pk, now=now).last == newest


def test_the_next_ten_fires_mark_the_hour_that_clocks_skip() -> None:
    scheduled("spring", now=BEFORE_SPRING, crontab=AT_HALF_PAST_TWO)
    fires = schedules.schedule(None, "spring", now=BEFORE_SPRING).fires
    assert len(fires) == 10
    assert [each.named for each in fires[:3]] == ["2026-03-28 02:30", "2026-03-29 02:30", "2026-03-30 02:30"]
    odd = fires[1]
    assert odd.odd == "this time is skipped: due when the clocks have changed"
    assert odd.local == datetime(2026, 3, 29, 3, 0, tzinfo=ZoneInfo(BERLIN))
    assert not any(each.odd for each in (fires[0], *fires[2:]))


def test_a_time_that_is_left_out_is_shown_among_the_fires_and_is_none_of_the_ten() -> None:
    scheduled("spring", now=BEFORE_SPRING, crontab=AT_HALF_PAST_TWO, gap=Gap.SKIP)
    fires = schedules.schedule(None, "spring", now=BEFORE_SPRING).fires
    assert [each.left_out for each in fires] == [False, True, *[False] * 9]
    assert (fires[1].named, fires[1].odd) == ("2026-03-29 02:30", "this time is skipped: left out")


def test_the_next_ten_fires_mark_the_hour_that_comes_twice() -> None:
    scheduled("autumn", now=BEFORE_AUTUMN, crontab={**AT_HALF_PAST_TWO, "hour": "*"})
    late = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
    fires = schedules.schedule(None, "autumn", now=late).fires
    assert [each.odd for each in fires[:3]] == [
        "this time comes twice: the first", "this time comes twice: the second", "",
    ]  # fmt: skip
    assert [each.local.utcoffset() for each in fires[:2]] == [timedelta(hours=2), timedelta(hours=1)]


def test_a_schedule_is_found_by_name_before_number(now: datetime) -> None:
    one = scheduled("one", now=now)
    other = scheduled(str(one.pk), now=now)
    assert schedules.find(None, str(one.pk)).pk == other.pk
    assert schedules.find(None, one.pk).pk == one.pk
    assert schedules.find(None, str(other.pk)).pk == other.pk
    for key in ("nobody's", "0", 0, 10**30, "9" * 30):
        with pytest.raises(NotFound):
            schedules.find(None, key)
    with pytest.raises(InvalidRequest):
        schedules.find(None, "a\0b")


def test_schedules_are_for_operators_only(alice: User, carol: User, now: datetime) -> None:
    scheduled(now=now, readers=[member(alice)])
    for reader in (alice, AnonymousUser()):
        for ask in (
            lambda: schedules.schedule_page(reader),  # noqa: B023
            lambda: schedules.counts(reader),  # noqa: B023
            lambda: schedules.schedule(reader, "hourly", now=now),  # noqa: B023
            lambda: schedules.schedule(reader, "nobody's", now=now),  # noqa: B023
        ):
            with pytest.raises(NotAllowed, match="the permission to see all jobs"):
                ask()
    assert names(schedules.schedule_page(carol)) == ["hourly"]
    assert not schedules.may_change(carol)
    assert schedules.may_change(operator(carol))


def test_a_report_is_the_latest_that_succeeded(now: datetime) -> None:
    schedule = scheduled(now=now - 10 * HOUR, value="/facts/rows")
    older = ticked(schedule, now - 3 * HOUR, {"facts": {"rows": 10}})
    latest = ticked(schedule, now - 2 * HOUR, {"facts": {"rows": 12}})
    altered(schedule, next_due_at=now + HOUR, decided_until=now)
    view = read("hourly", now).view
    assert (view.job, view.due_at, view.stale, view.because, view.why) == (
        latest.job_id,
        latest.due_at,
        False,
        None,
        "",
    )
    assert view.finished_at == latest.due_at + 2 * SECOND
    assert (view.next_due_at, view.missing_since) == (now + HOUR, None)
    assert [(run.due_at, run.value) for run in view.runs] == [(latest.due_at, 12.0), (older.due_at, 10.0)]
    assert report_results.result(view, most_bytes=1000) == {"facts": {"rows": 12}}
    assert report_results.result(view, most_bytes=10) is None


@pytest.mark.parametrize(
    ("state", "outcome", "because"),
    [
        (State.FAILED, TickOutcome.SUBMITTED, Because.FAILED),
        (State.RUNNING, TickOutcome.SUBMITTED, Because.ON_ITS_WAY),
        (None, TickOutcome.MISSED, Because.MISSED),
        (None, TickOutcome.WAITING, Because.HELD),
    ],
)
def test_a_later_tick_without_a_result_makes_it_stale(
    now: datetime, state: State | None, outcome: TickOutcome, because: Because
) -> None:
    schedule = scheduled(now=now - 10 * HOUR)
    good = ticked(schedule, now - 4 * HOUR, 5)
    ticked(schedule, now - 3 * HOUR, state=State.FAILED)
    ticked(schedule, now - 2 * HOUR, state=state, outcome=outcome)
    altered(schedule, next_due_at=now + HOUR)
    view = read("hourly", now).view
    assert (view.job, view.stale, view.because, view.why) == (good.job_id, True, because, because.meaning)
    assert view.missing_since == now - 3 * HOUR
    assert "secret" not in view.model_dump_json(), "a job's error is for those who may see the job"


def test_beat_away_pause_and_break_make_it_stale(now: datetime) -> None:
    schedule = scheduled(now=now - 10 * HOUR)
    ticked(schedule, now - 2 * HOUR, 5)
    altered(schedule, next_due_at=now - HOUR)
    view = read("hourly", now).view
    assert (view.because, view.missing_since) == (Because.BEAT_AWAY, now - HOUR)
    changes.pause(schedule, actor=None, now=now)
    view = read("hourly", now).view
    assert (view.because, view.next_due_at) == (Because.PAUSED, None)
    assert view.missing_since == now - HOUR, "the first time after its latest tick"
    assert read("hourly", now - 2 * HOUR + SECOND).view.because is None
    altered(schedule, broken="its kind has vanished")
    report = read("hourly", now)
    assert (report.view.because, report.changed_at) == (Because.BROKEN, None)
    assert "vanished" not in report.view.model_dump_json()


def test_a_report_without_a_result_says_so(now: datetime) -> None:
    schedule = scheduled(now=now)
    report = read("hourly", now).view
    assert (report.job, report.stale, report.because, report.runs) == (None, True, Because.NEVER, [])
    assert report_results.artifacts(report) == []
    with pytest.raises(NotFound, match="this one has none yet"):
        report_results.latest(None, schedule.name)


def test_a_report_changes_with_what_it_shows(now: datetime) -> None:
    schedule = scheduled(now=now - 10 * HOUR)
    ticked(schedule, now - 2 * HOUR, 5)
    altered(schedule, next_due_at=now + HOUR)
    assert read("hourly", now).changed_at == now - 2 * HOUR + 2 * SECOND
    assert read("hourly", now + HOUR).changed_at == now + HOUR, "it became stale by itself"
    assert read("hourly", now + 2 * HOUR).changed_at == now + HOUR + 15 * SECOND, "beat is said to be away"
    changes.pause(schedule, actor=None, now=now + 2 * HOUR)
    assert read("hourly", now + 2 * HOUR).changed_at == now + 2 * HOUR


@pytest.mark.parametrize(
    ("pointer", "result", "value"),
    [
        ("", 7.5, 7.5), ("", {"a": 1}, None), ("/a", {"a": 1}, 1.0), ("/a/1", {"a": [1, 2]}, 2.0),
        ("/a", {"b": 1}, None), ("/a__b/c d", {"a__b": {"c d": 3}}, 3.0), ("/a~1b", {"a/b": "2.50"}, 2.5),
        ("/a", {"a": True}, None), ("/it's", {"it's": 4}, 4.0), ("/a", [1], None),
    ],
)  # fmt: skip
def test_the_value_is_picked_out_of_each_result(now: datetime, pointer: str, result: Any, value: float | None) -> None:
    ticked(scheduled(now=now - 10 * HOUR, value=pointer), now - HOUR, result)
    assert read("hourly", now).view.runs[0].value == value


def test_history_is_bounded_and_an_old_result_is_found_all_the_same(now: datetime) -> None:
    schedule = scheduled(now=now - 90 * HOUR)
    good = ticked(schedule, now - 80 * HOUR, 5)
    for hour in range(60):
        ticked(schedule, now - (hour + 1) * HOUR, state=None, outcome=TickOutcome.MISSED)
    altered(schedule, next_due_at=now + HOUR)
    view = read("hourly", now).view
    assert len(view.runs) == 50
    assert (view.job, view.because) == (good.job_id, Because.MISSED)


def test_reports_are_for_readers_and_for_those_who_see_all(alice: User, bob: User, carol: User, now: datetime) -> None:
    group = member(alice)
    ticked(scheduled("open", now=now - 9 * HOUR, readers=[group, member(alice, "another")]), now - HOUR, 1)
    ticked(scheduled("closed", now=now - 9 * HOUR), now - HOUR, 2)
    for user, shown in ((alice, ["open"]), (bob, []), (carol, ["closed", "open"]), (AnonymousUser(), [])):
        assert [each.name for each in reports.report_page(user, now=now).reports] == shown
        for name in ("open", "closed", "nobody's"):
            if name in shown:
                assert reports.report(user, name, now=now).view.name == name
                assert report_results.latest(user, name) in {1, 2}
                continue
            for ask in (reports.find, report_results.latest):
                with pytest.raises(NotFound, match="whose report you may read"):
                    ask(user, name)
    alice.groups.clear()
    assert reports.report_page(alice, now=now).reports == []


def test_reading_makes_no_job_and_costs_the_same_however_many_there_are(
    alice: User, now: datetime, unhurried: None, django_assert_num_queries: Any
) -> None:
    group = member(alice)
    for each in range(12):
        schedule = scheduled(f"{each}", now=now - 90 * HOUR, readers=[group], enabled=each % 2 == 0, value="/a")
        ticked(schedule, now - 30 * HOUR, {"a": each})
        for hour in range(4):
            ticked(schedule, now - (hour + 1) * HOUR, state=State.FAILED)
    before = (Job.objects.count(), PeriodicTask.objects.count())
    access.rules.all()
    with django_assert_num_queries(2):  # schedules with their timings; ticks with their jobs
        assert len(schedules.schedule_page(None).schedules) == 12
    with django_assert_num_queries(3):  # the schedule, its ticks; the timing again, for its next times
        schedules.schedule(None, "3", now=now)
    with django_assert_num_queries(4):  # two of rights; the schedules; their latest ticks and results
        assert len(reports.report_page(alice, now=now).reports) == 12
    with django_assert_num_queries(2):  # the schedule, its ticks
        view = reports.report(alice, "3", now=now).view
    with django_assert_num_queries(3):  # the result; the job again, its files
        assert report_results.result(view, most_bytes=1000) == {"a": 3}
        report_results.artifacts(view)
    assert (Job.objects.count(), PeriodicTask.objects.count()) == before


def test_a_run_out_of_turn_is_in_the_report(now: datetime) -> None:
    schedule = scheduled(now=now)
    tick = ticks.run_now(schedule, actor=None, now=now)
    view = read("hourly", now).view
    assert (view.because, view.missing_since) == (Because.ON_ITS_WAY, tick.due_at)


def test_the_latest_result_is_kept_however_old_and_those_before_go(now: datetime, configured: Any) -> None:
    configured(keep_succeeded_days=1, keep_failed_days=1)
    old = now - 99 * HOUR
    yearly, another = scheduled("yearly", now=old), scheduled("another", now=old)
    ticked(yearly, old, 1)
    good = ticked(yearly, old + HOUR, 2)
    ticked(yearly, old + 2 * HOUR, state=State.FAILED)
    others = ticked(another, old + 3 * HOUR, 3)
    for state, count in ((State.SUCCEEDED, 1), (State.FAILED, 1)):
        assert rules.due(state, "system.echo", now=now).count() == count
    rolling.roll(now=now)
    assert pruning.run(now=now)["jobs"] == 2
    assert set(Job.objects.values_list("id", flat=True)) == {good.job_id, others.job_id}
    assert report_results.latest(None, "yearly") == 2
    newer = ticked(yearly, now - HOUR, 4)
    rolling.roll(now=now)
    assert pruning.run(now=now)["jobs"] == 1
    assert set(Job.objects.values_list("id", flat=True)) == {newer.job_id, others.job_id}


@pytest.mark.parametrize(
    ("timing", "said"),
    [
        (CrontabSchedule(minute="15", hour="3"), "At 03:15 UTC"),
        (CrontabSchedule(minute="5", hour="0"), "At 00:05 UTC"),
        (CrontabSchedule(minute="30", hour="12,18"), "At 12:30 and 18:30 UTC"),
        (IntervalSchedule(every=3600, period="seconds"), "every hour"),
        (IntervalSchedule(every=5400, period="seconds"), "every 90 minutes"),
        (IntervalSchedule(every=61, period="seconds"), "every 61 seconds"),
        (IntervalSchedule(every=2, period="days"), "every 2 days"),
        (None, ""),
    ],
)
def test_timings_are_said_by_the_clock_of_24_hours_and_in_the_largest_unit(timing: Any, said: str) -> None:
    assert schedule_views.timing_in_words(timing) == said
