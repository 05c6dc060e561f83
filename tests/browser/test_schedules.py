"""Schedules and reports in a real browser: narrow and wide, light and dark; a button asks first."""

from __future__ import annotations

import math
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from jobs_app.core import artifacts, clock
from jobs_app.lifecycle import State
from jobs_app.models import Job, Schedule
from jobs_app.ticking import TickOutcome
from tests.browser.conftest import Open
from tests.browser.test_look import CONTRAST
from tests.support.reports import HOUR, altered, member, operator, row, scheduled, ticked

pytestmark = pytest.mark.usefixtures("nudged")

PICTURES = os.environ.get("WEIR_TEST_PICTURES", "")
"""A directory to which what was looked at is saved, for people to look at too."""

SUNDAYS_IN_SPRING = {
    "minute": "30", "hour": "2", "day_of_week": "0", "month_of_year": "3", "timezone": "Europe/Berlin",
}  # fmt: skip


def result(now: datetime, rows: int) -> dict[str, Any]:
    """Arrivals by hour, as a job on datasets would return them."""
    hours = [f"{hour:02}:00" for hour in range(24)]
    waves = [[round(20 + 14 * math.sin((hour + shift) / 3.8) + rows % 7, 1) for hour in range(24)] for shift in (0, 2)]
    names = ("North gate", "South gate")
    return {
        "facts": {"rows": rows, "groups": 48},
        "chart": {
            "shape": "chart", "style": "line", "title": "Visitors by hour", "labels": hours,
            "series": [{"name": name, "values": wave} for name, wave in zip(names, waves, strict=True)],
        },
        "table": {
            "shape": "table", "title": "Visitors by hour", "columns": ["hour", *names],
            "rows": [list(each) for each in zip(hours, *waves, strict=True)], "total_rows": 24,
        },
        "csv": {"shape": "artifact", "name": "visitors.csv"},
    }  # fmt: skip


@pytest.fixture
def gates(transactional_db: None, carol: User) -> Schedule:
    """A schedule with a day behind it, one run of which failed; carol looks after it."""
    now = clock.database_now()
    schedule = scheduled(
        "Visitors by hour", now=now - 40 * HOUR, readers=[member(operator(carol))], value="/facts/rows",
        description="How many came through each gate, from the counters' files.",
    )  # fmt: skip
    for hours in range(26, 0, -1):
        due_at = now - hours * HOUR
        if hours == 9:
            ticked(schedule, due_at, state=State.FAILED)
        elif hours == 15:
            ticked(schedule, due_at, state=None, outcome=TickOutcome.MISSED, reason="41 min late; a later one followed")
        else:
            tick = ticked(schedule, due_at, result(now, 4000 + int(600 * math.sin(hours / 3)) + 5 * (26 - hours)))
    assert tick.job is not None
    artifacts.save_output(tick.job, 1, "visitors.csv", b"hour,north,south\n" * 40, content_type="text/csv", now=now)
    return altered(schedule, next_due_at=now + HOUR)


def keep(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


@pytest.mark.parametrize(("scheme", "width"), [("light", 360), ("light", 1280), ("dark", 1280)])
def test_schedules_and_reports_fit_their_window_and_can_be_read(
    opened: Open, carol: User, gates: Schedule, scheme: str, width: int
) -> None:
    now = clock.database_now()
    spring = scheduled("Spring cleaning", now=now, crontab=SUNDAYS_IN_SPRING, readers=gates.readers.all())
    broken = altered(scheduled("Old work", now=now, enabled=False), broken="expected a kind, got shop.vanished")
    ticked(scheduled("late " + "W" * 190, now=now - 9 * HOUR, readers=gates.readers.all()), now - 3 * HOUR, 5)
    page = opened(carol, viewport={"width": width, "height": 900}, color_scheme=scheme)
    paths = {
        "schedules": "/schedules/", "schedule": f"/schedules/{gates.pk}/", "spring": f"/schedules/{spring.pk}/",
        "broken": f"/schedules/{broken.pk}/", "reports": "/reports/", "report": f"/reports/{gates.pk}/",
        "empty": f"/reports/{spring.pk}/",
    }  # fmt: skip
    for name, path in paths.items():
        page.goto(path)
        expect(page.locator("h1")).to_be_visible()
        if name == "report":
            page.wait_for_function("window.Chart && Chart.getChart(document.querySelector('canvas'))")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.evaluate(CONTRAST) == [], path
        keep(page, f"{name}-{scheme}-{width}")


def test_a_report_has_its_line_and_says_it_in_words(opened: Open, carol: User, gates: Schedule) -> None:
    page = opened(carol)
    page.goto(f"/reports/{gates.pk}/")
    expect(page.get_by_role("img", name="Rows, run by run")).to_be_visible()
    expect(page.get_by_text("numbers: ").first).to_contain_text("lowest")
    expect(page.get_by_role("link", name="visitors.csv")).to_be_visible()


def test_buttons_ask_first(opened: Open, carol: User, gates: Schedule) -> None:
    page = opened(carol)
    before = Job.objects.count()
    page.goto(f"/schedules/{gates.pk}/")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="No, go back").click()
    assert row(gates.name).periodic_task.enabled
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Pause it").click()
    expect(page.get_by_text("The schedule is paused.", exact=True)).to_be_visible()
    assert not row(gates.name).periodic_task.enabled
    page.get_by_role("button", name="Run now").click()
    page.get_by_role("button", name="Run it now").click()
    page.wait_for_url("**/jobs/*/")
    assert Job.objects.count() == before + 1
