"""The pages of schedules and of reports: what is said, what can be done, and by whom."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from jobs_app.core import artifacts
from jobs_app.lifecycle import State
from jobs_app.models import Job
from jobs_app.ticking import Gap, TickOutcome
from jobs_app.web import sparklines
from tests.support.reports import HOUR, altered, member, operator, row, scheduled, ticked
from tests.surfaces.web.conftest import logged_in

pytestmark = pytest.mark.django_db

NIGHTS_IN_SPRING = {
    "minute": "30", "hour": "2,5", "day_of_week": "0", "day_of_month": "25-31", "month_of_year": "3",
    "timezone": "Europe/Berlin",
}  # fmt: skip
"""On the last Sunday of March, when clocks are put forward: whatever day it is, its next times are odd."""


@pytest.fixture
def operators(carol: User) -> Client:
    """Carol's browser, with all that operators may."""
    return logged_in(operator(carol))


def look(client: Client, name: str, *args: Any) -> str:
    answer = client.get(reverse(name, args=args))
    assert answer.status_code == 200
    return answer.content.decode()


def plain(drawn: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", drawn).split())


def press(client: Client, verb: str, schedule: Any) -> Any:
    return client.post(reverse(f"schedule-{verb}", args=[schedule.pk]))


def test_schedules_are_listed_and_those_that_need_somebody_stand_out(operators: Client, now: datetime) -> None:
    well = scheduled("well", now=now - 9 * HOUR)
    ticked(well, now - HOUR, 1)
    scheduled("resting", now=now, enabled=False)
    altered(scheduled("ill", now=now), broken="expected a kind, got one that has vanished")
    drawn = look(operators, "schedules")
    assert re.findall(r'<tr class="schedule-(\w+)">', drawn) == ["broken", "paused", "ticking"]
    said = plain(drawn)
    assert "All (3) Broken (1) Paused (1)" in said
    assert "Broken: expected a kind, got one that has vanished" in said
    assert "every hour" in said
    assert "state-succeeded" in drawn
    only = operators.get(reverse("schedules"), {"only": "paused"}).content.decode()
    assert "resting" in only
    assert "well" not in only


def test_the_list_goes_on_where_a_page_ends(operators: Client, now: datetime) -> None:
    for number in range(51):
        scheduled(f"{number:03}", now=now)
    drawn = look(operators, "schedules")
    assert "050" not in drawn
    (more,) = re.findall(r'href="(\?[^"]+cursor[^"]+)"', drawn)
    assert "050" in operators.get(reverse("schedules") + more.replace("&amp;", "&")).content.decode()


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        (Gap.AFTER, r"03:00 CEST named \d{4}-03-\d\d 02:30: this time is skipped: due when the clocks have changed "),
        (Gap.SKIP, r"Sun \d+ Mar \d{4} \d{4}-03-\d\d 02:30 this time is skipped: left out left out"),
    ],
)
def test_a_schedule_tells_its_next_times_and_marks_those_that_clocks_skip(
    operators: Client, now: datetime, gap: Gap, words: str
) -> None:
    schedule = scheduled(now=now, crontab=NIGHTS_IN_SPRING, gap=gap)
    drawn = look(operators, "schedule", schedule.pk)
    assert "Local times of Europe/Berlin." in drawn
    assert len(re.findall(words, plain(drawn))) == drawn.count('<tr class="fire-odd">') >= 5
    assert drawn.count("<strong>05:30</strong>") >= 5


def test_a_schedule_tells_what_became_of_its_last_ticks(operators: Client, now: datetime) -> None:
    schedule = scheduled(now=now - 9 * HOUR, description="says hello", missed_cap=1)
    ticked(schedule, now - 4 * HOUR, 1)
    ticked(schedule, now - 3 * HOUR, state=State.FAILED, out_of_turn=True, reason="asked for by carol")
    ticked(schedule, now - 2 * HOUR, state=None, outcome=TickOutcome.MISSED, reason="beat was away")
    ticked(schedule, now - HOUR, state=None, reason="")
    said = plain(look(operators, "schedule", schedule.pk))
    for words in (
        "says hello", "every hour", "beat was away", "out of turn", "asked for by carol", "in time",
        "its job is no longer kept", "While the job before has not ended it submits its job all the same",
        "Ticks that were missed the last of them is made up for", "Text hello",
    ):  # fmt: skip
        assert words in said, words
    assert "clocks skip" not in said, "an interval knows no local times"


def test_run_now_makes_a_job_and_leads_to_it(operators: Client, now: datetime) -> None:
    schedule = scheduled(now=now)
    drawn = look(operators, "schedule", schedule.pk)
    assert 'data-confirm="Run “hourly” now? This submits one job, out of turn."' in drawn
    answer = press(operators, "run", schedule)
    job = Job.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, reverse("job", args=[job.id]))


def test_pause_and_resume_change_places(operators: Client, now: datetime) -> None:
    schedule = scheduled(now=now)
    assert "pause-button" in look(operators, "schedule", schedule.pk)
    assert press(operators, "pause", schedule).status_code == 302
    drawn = look(operators, "schedule", schedule.pk)
    assert "It is paused" in drawn
    assert "resume-button" in drawn
    assert "pause-button" not in drawn
    press(operators, "resume", schedule)
    assert row("hourly").periodic_task.enabled


def test_a_schedule_that_cannot_run_says_why(operators: Client, now: datetime) -> None:
    schedule = scheduled(now=now)
    schedule.periodic_task.kwargs = "{}"
    schedule.periodic_task.save()
    answer = operators.post(reverse("schedule-run", args=[schedule.pk]), follow=True)
    assert "message-error" in answer.content.decode()
    assert not Job.objects.exists()


def test_who_may_only_look_has_no_buttons_and_others_see_nothing(alice: User, carol: User, now: datetime) -> None:
    schedule = scheduled(now=now, readers=[member(alice)])
    drawn = look(logged_in(carol), "schedule", schedule.pk)
    assert "run-button" not in drawn
    assert "pause-button" not in drawn
    for user in (alice, carol):
        for verb in ("run", "pause", "resume"):
            assert press(logged_in(user), verb, schedule).status_code == 403
    for number in (schedule.pk, 10**30):
        assert logged_in(alice).get(f"/schedules/{number}/").status_code == 403
    assert logged_in(alice).get("/schedules/").status_code == 403
    assert logged_in(carol).get(f"/schedules/{10**30}/").status_code == 404
    assert not Job.objects.exists()
    assert row("hourly").periodic_task.enabled
    assert reverse("schedules") in look(logged_in(carol), "reports")
    assert reverse("schedules") not in look(logged_in(alice), "reports")


def test_a_button_needs_the_csrf_token(carol: User, now: datetime) -> None:
    schedule = scheduled(now=now)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(operator(carol))
    for verb in ("run", "pause", "resume"):
        assert press(strict, verb, schedule).status_code == 403
        assert strict.get(reverse(f"schedule-{verb}", args=[schedule.pk])).status_code == 405
    assert not Job.objects.exists()


def result(rows: int) -> dict[str, Any]:
    series = [{"name": "mean", "values": [1.25, rows]}]
    return {
        "facts": {"rows": rows},
        "chart": {"shape": "chart", "title": "Delays", "labels": ["AA", "BB"], "series": series},
        "csv": {"shape": "artifact", "name": "all rows.csv"},
    }


def test_a_report_draws_its_result_and_its_history_for_eyes_and_ears(
    alices: Client, alice: User, now: datetime
) -> None:
    schedule = scheduled(now=now - 90 * HOUR, readers=[member(alice)], value="/facts/rows", description="of <all>")
    for hours, rows in ((4, 1200), (3, 1250), (2, 1300)):
        tick = ticked(schedule, now - hours * HOUR, result(rows))
        artifacts.save_output(tick.job, 1, "all rows.csv", b"1,2", now=now)
    altered(schedule, next_due_at=now + HOUR)
    drawn = look(alices, "report", schedule.pk)
    said = plain(drawn)
    assert "of &lt;all&gt;" in drawn
    assert "data-chart-from=" in drawn
    assert "/artifacts/all%20rows.csv" in drawn
    assert "/api/jobs/" not in drawn, "the job is not theirs"
    assert "Rows 3 numbers: 1300 last, 1200 lowest, 1300 highest" in said
    assert "Stale" not in said
    assert re.findall(r'data-label="Rows" class="number">([^<]+)<', drawn) == ["1300", "1250", "1200"]
    address = re.search(r'href="(/api/reports/[^"]+csv)"', drawn)
    assert address is not None
    assert alices.get(address[1]).status_code == 200
    (listed,) = re.findall(r'<li class="card ([^"]+)">', look(alices, "reports"))
    assert listed == "report"


def test_a_stale_report_says_so_and_why(alices: Client, alice: User, carol: User, now: datetime) -> None:
    schedule = scheduled(now=now - 9 * HOUR, readers=[member(alice)])
    ticked(schedule, now - 3 * HOUR, 5)
    ticked(schedule, now - 2 * HOUR, state=State.FAILED)
    altered(schedule, next_due_at=now + HOUR)
    said = plain(look(alices, "report", schedule.pk))
    assert "Stale. The latest run failed. It was due 2 h ago" in said
    assert "secret reason" not in said
    drawn = look(alices, "reports")
    assert "report-stale" in drawn
    assert "The latest run failed." in drawn
    assert reverse("schedule", args=[schedule.pk]) not in look(alices, "report", schedule.pk)
    assert reverse("schedule", args=[schedule.pk]) in look(logged_in(carol), "report", schedule.pk)


def test_a_report_without_a_result_says_so(alices: Client, alice: User, now: datetime) -> None:
    schedule = scheduled(now=now, readers=[member(alice)])
    said = plain(look(alices, "report", schedule.pk))
    assert "No result yet. Nothing has been due yet." in said
    assert alices.get(reverse("report", args=[schedule.pk + 1])).status_code == 404
    assert logged_in(User.objects.create_user("dora")).get(reverse("report", args=[schedule.pk])).status_code == 404
    assert "No reports for you yet" in look(logged_in(User.objects.get(username="dora")), "reports")


def test_a_report_costs_the_same_however_long_its_history_is(
    alices: Client, alice: User, now: datetime, django_assert_max_num_queries: Any
) -> None:
    schedule = scheduled(now=now - 90 * HOUR, readers=[member(alice)])
    for hours in range(1, 9):
        ticked(schedule, now - hours * HOUR, hours)
    time = int(connection.vendor == "postgresql")
    before = Job.objects.count()
    # Session, user, two of rights, once a second the rules of kinds; schedule, ticks, result; job, files.
    with django_assert_max_num_queries(10 + time):
        look(alices, "report", schedule.pk)
    assert Job.objects.count() == before


@pytest.mark.parametrize(
    ("values", "strokes", "words"),
    [
        ([1, 2, 3], 1, "3 numbers: 3 last, 1 lowest, 3 highest"),
        ([5, 5], 1, "2 numbers: 5 last, 5 lowest, 5 highest"),
        ([1, None, 3, 4, None], 2, "3 numbers: 4 last, 1 lowest, 4 highest"),
        ([-1e300, 1e300], 1, "2 numbers: 1e+300 last, -1e+300 lowest, 1e+300 highest"),
    ],
)
def test_a_line_breaks_off_where_there_is_no_number(values: list[Any], strokes: int, words: str) -> None:
    line = sparklines.draw(values)
    assert line is not None
    assert (line.path.count("M"), line.description) == (strokes, words)
    places = [float(each) for each in re.findall(r"-?\d+\.\d+", line.path)]
    assert all(0 <= place <= line.width for place in places)
    assert 0 <= line.end[1] <= line.height


@pytest.mark.parametrize("values", [[], [1.0], [None, 2.0, None]])
def test_one_number_is_no_line(values: list[Any]) -> None:
    assert sparklines.draw(values) is None
