"""Failures in a browser: found by their error, mended, run again; and how their pages look."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from jobs_app.core import clock, failure_control
from jobs_app.models import Attempt, Event, Job
from tests.browser.conftest import Open
from tests.browser.test_look import CONTRAST
from tests.support.failing import TRACEBACK, failed, rolled
from tests.support.ledger import columns_of
from tests.support.processes import Workers, finished

PICTURES = os.environ.get("WEIR_TEST_PICTURES", "")
"""A directory to which what was looked at is saved, for people to look at too."""

HOUR = timedelta(hours=1)
PATIENCE = 60_000
"""Milliseconds: failures are counted every ten seconds, and the machine may be busy."""


def test_a_failed_job_is_found_by_its_error_mended_and_run_again(
    alices: Page, alice: User, workers: Workers, tmp_path: Path
) -> None:
    data = tmp_path / "delays.csv"
    data.write_text("carrier,delay\nNorth,4\nNorth,6\nSouth,1\n")
    alices.goto("/submit/datasets.aggregate/")
    alices.set_input_files("[name=dataset]", data)
    alices.fill("[name=group_by]", "carrier")
    alices.fill("[name=measure]", "delays")
    alices.click("#submit-button")
    alices.wait_for_url("**/jobs/*/")
    old = finished(Job.objects.get().id)
    assert old.state == "failed"
    before = (
        columns_of(old),
        list(Event.objects.filter(job=old).values()),
        list(Attempt.objects.filter(job=old).values()),
    )

    def counted() -> bool:
        alices.goto("/failures/")
        return alices.locator(f"#failure-{old.fingerprint}").count() == 1

    eventually_true(counted, alices)
    expect(alices.locator("table.failures")).to_contain_text("got 'delays'")
    alices.click(f"#failure-{old.fingerprint}")
    expect(alices.locator("h1")).to_have_text("Discard in datasets.aggregate")
    alices.get_by_role("link", name="measure: delays").click()
    alices.wait_for_url(f"**/jobs/{old.id}/")
    alices.click("#change-button")
    expect(alices.locator("[name=measure]")).to_have_value("delays")
    alices.fill("[name=measure]", "delay")
    alices.click("#submit-button")
    alices.wait_for_url(lambda url: "/jobs/" in url and str(old.id) not in url)
    expect(alices.locator("#job-standing")).to_contain_text("succeeded", timeout=PATIENCE)

    new = Job.objects.get(rerun_of=old)
    assert (new.state, new.parameters["measure"], new.fingerprint) == ("succeeded", "delay", "")
    after = (
        columns_of(old),
        list(Event.objects.filter(job=old).values()),
        list(Attempt.objects.filter(job=old).values()),
    )
    assert after == before
    alices.goto(f"/failures/{old.fingerprint}/")
    expect(alices.locator(".failure-card")).to_contain_text("Not run again since0")


def everything_of(job: Job) -> list[object]:
    """The row of a job, its record and its attempts."""
    return [columns_of(job), *Event.objects.filter(job=job).values(), *Attempt.objects.filter(job=job).values()]


def eventually_true(ask: object, page: Page) -> None:
    for _ in range(120):
        if ask():  # type: ignore[operator]
            return
        page.wait_for_timeout(500)
    raise AssertionError("expected the failure to be counted")


@pytest.fixture
def several(transactional_db: None, nudged: list[str], alice: User, carol: User) -> str:
    """Groups in every status, one of them with a day behind it; returns its fingerprint."""
    now = clock.database_now()
    for hours, times in ((40, 2), (22, 1), (9, 4), (5, 1), (2, 7), (0, 3)):
        for number in range(times):
            error = f"'row {number + hours}' of the sheet “Umsätze” has no price"
            often = failed(alice, now=now - hours * HOUR, error=error, traceback=TRACEBACK).fingerprint
    failed(carol, now=now - 3 * HOUR, error="W" * 300)
    old = now - 6 * HOUR
    mended, known, again = (failed(now=old, error=word).fingerprint for word in ("x y", "it is known", "z z"))
    rolled(now)
    failure_control.resolve(mended, actor=carol, now=now - HOUR, note="Mended in release 1.2.")
    failure_control.ignore(known, actor=carol, now=now, until=now + 24 * HOUR, note="The shop is closed until Monday.")
    failure_control.resolve(again, actor=carol, now=now - HOUR)
    failed(alice, now=now, error="z z")
    rolled(now)
    return often


@pytest.mark.parametrize(("scheme", "width"), [("light", 360), ("light", 1280), ("dark", 1280)])
def test_failures_fit_their_window_and_can_be_read(
    opened: Open, carol: User, several: str, scheme: str, width: int
) -> None:
    page = opened(carol, viewport={"width": width, "height": 900}, color_scheme=scheme)
    paths = {"failures": "/failures/", "failures-all": "/failures/?tab=all", "failure": f"/failures/{several}/"}
    for name, path in paths.items():
        page.goto(path)
        expect(page.locator("h1")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.evaluate(CONTRAST) == [], path
        if PICTURES:
            page.screenshot(path=Path(PICTURES) / f"{name}-{scheme}-{width}.png", full_page=True)


def test_an_operator_resolves_a_group_by_keyboard(opened: Open, carol: User, several: str) -> None:
    page = opened(carol)
    page.goto(f"/failures/{several}/")
    page.get_by_label("Note").focus()
    page.keyboard.type("Prices are back")
    page.keyboard.press("Tab")
    expect(page.locator("#resolve-button")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("Resolved.")
    expect(page.locator(".split-side")).to_contain_text("Prices are back")
