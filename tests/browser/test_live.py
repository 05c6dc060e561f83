"""Pages that keep up by themselves: real workers, the real stream, and what happens when the stream is away."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from playwright.sync_api import Page, expect

from jobs_app.core import control
from jobs_app.core.clock import database_now
from jobs_app.lifecycle import State
from jobs_app.models import Job
from tests.browser.conftest import Open
from tests.support.ledger import altered, reaching, submitted
from tests.support.processes import Workers

ENDED = re.compile("yes")


def test_from_logging_in_to_a_result_with_a_chart(opened: Open, alice: User, workers: Workers, tmp_path: Path) -> None:
    flights = tmp_path / "flights.csv"
    rows = (f"{('AA', 'BB', 'CC')[number % 3]},{number % 50}" for number in range(3000))
    flights.write_text("carrier,delay\n" + "\n".join(rows))
    page = opened(None)
    page.goto("/")
    page.fill("[name=username]", "alice")
    page.fill("[name=password]", "alice's password")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Your first job").click()
    page.get_by_role("link", name="datasets.aggregate").click()
    page.set_input_files("input[type=file]", flights)
    page.get_by_label("Group by").fill("carrier")
    page.get_by_label("Measure").fill("delay")
    page.get_by_role("button", name="Submit job").click()

    page.wait_for_url("**/jobs/*/")
    expect(page.locator("#job-standing")).to_have_attribute("data-final", ENDED)
    expect(page.locator("#job-standing")).to_contain_text("succeeded")
    expect(page).to_have_title(re.compile("succeeded"))
    table = page.get_by_role("table").first
    expect(table.locator("tbody tr")).to_have_count(3)
    expect(table.locator("tbody tr").first).to_contain_text("1000")
    page.wait_for_function("document.querySelector('canvas').width > 300")
    drawn = page.locator("canvas").evaluate(
        "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(value => value)"
    )
    assert drawn
    with page.expect_download() as started:
        page.get_by_role("link", name=re.compile(r"\.csv$")).first.click()
    assert "carrier" in started.value.path().read_text()


def test_progress_and_log_come_by_the_stream(alices: Page, alice: User, workers: Workers) -> None:
    job = submitted("probe.slow", {"seconds": 4, "steps": 20}, owner=alice)
    with alices.expect_response(re.compile("/stream/jobs/")) as stream:
        alices.goto(f"/jobs/{job.id}/")
    assert stream.value.status == 200
    bar = alices.get_by_role("progressbar", name="Progress of the job")
    expect(bar).to_have_attribute("value", re.compile(r"[1-9]"))
    seen = int(bar.get_attribute("value") or 0)
    alices.wait_for_function("seen => document.getElementById('job-progress')?.value > seen", arg=seen)
    expect(alices.locator("#job-standing")).to_have_attribute("data-final", ENDED)
    expect(alices.locator("#job-log li")).to_have_count(20)
    expect(alices.locator("#job-actions")).to_contain_text("Run again")
    expect(alices.locator("#job-said")).to_have_text("succeeded: ended well")


def test_without_the_stream_the_page_asks_by_itself(alices: Page, alice: User, workers: Workers) -> None:
    alices.route(re.compile("/api/jobs/.*/events"), lambda route: route.abort())
    job = submitted("probe.slow", {"seconds": 3, "steps": 6}, owner=alice)
    alices.goto(f"/jobs/{job.id}/")
    expect(alices.locator("#job-standing")).to_have_attribute("data-final", ENDED)
    expect(alices.locator("#job-log li")).to_have_count(6)


def test_cancel_asks_first(alices: Page, alice: User) -> None:
    job = submitted(owner=alice)
    alices.goto(f"/jobs/{job.id}/")
    alices.click("#cancel-button")
    alices.get_by_role("button", name="No, go back").click()
    assert Job.objects.get(id=job.id).state == State.QUEUED
    alices.click("#cancel-button")
    alices.get_by_role("button", name="Cancel the job").click()
    expect(alices.locator("#job-standing")).to_contain_text("cancelled")
    expect(alices.locator("#job-actions")).to_contain_text("Run again")


def test_cancelling_what_has_ended_meanwhile_is_said(alices: Page, alice: User) -> None:
    job = submitted(owner=alice)
    alices.route(re.compile("/(events|live)/?"), lambda route: route.abort())
    alices.goto(f"/jobs/{job.id}/")
    altered(job, state=State.FAILED, finished_at=job.created_at)
    alices.click("#cancel-button")
    alices.get_by_role("button", name="Cancel the job").click()
    expect(alices.locator("#toasts")).to_contain_text("no longer possible")


def test_the_list_keeps_up_and_no_row_moves(alices: Page, alice: User) -> None:
    old = reaching(State.RUNNING, owner=alice)
    submitted(owner=alice)
    alices.goto("/jobs/")
    row = alices.locator(f"#row-{old.id.hex}")
    place = row.bounding_box()
    alices.locator(f"#link-{old.id.hex}").focus()
    altered(old, progress=0.5, progress_message="half way")
    submitted(owner=alice)
    expect(row).to_contain_text("half way")
    expect(alices.get_by_role("link", name="Show 1 newer job")).to_be_visible()
    assert row.bounding_box() == place
    expect(alices.locator(f"#link-{old.id.hex}")).to_be_focused()
    alices.get_by_role("link", name="Show 1 newer job").click()
    expect(alices.locator("#jobs tr")).to_have_count(3)


def test_the_list_rests_while_nobody_looks_or_while_jobs_are_ticked(alices: Page, alice: User) -> None:
    job = submitted(owner=alice)
    alices.clock.install()
    alices.route(re.compile("/api/jobs/events"), lambda route: route.abort())
    alices.goto("/jobs/")
    asked: list[str] = []
    alices.on("request", lambda request: asked.append(request.url) if "/jobs/rows/" in request.url else None)
    hide = "hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true}) }"
    alices.evaluate(hide, True)
    alices.clock.run_for(10_000)
    assert asked == []

    alices.evaluate(hide, False)
    altered(job, state=State.CANCELLED, finished_at=job.created_at)
    alices.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(alices.locator("#jobs")).to_contain_text("cancelled")
    before = len(asked)
    tick = "<tr><td><input name=job type=checkbox checked></td></tr>"
    alices.evaluate("tick => document.getElementById('jobs').insertAdjacentHTML('beforeend', tick)", tick)
    alices.clock.run_for(30_000)
    assert len(asked) == before


def test_the_stream_tells_the_list_and_it_hardly_asks_by_itself(opened: Open, alice: User, bob: User) -> None:
    shown = submitted(owner=alice)
    page = opened(alice)
    with page.expect_response(re.compile("/stream/jobs")) as stream:
        page.goto("/jobs/")
    assert stream.value.status == 200
    page.wait_for_function("performance.getEntriesByType('resource').some(each => each.name.includes('/jobs/counts/'))")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/jobs/rows/" in request.url else None)
    control.cancel(shown.id, actor=alice, now=database_now())
    expect(page.locator("#jobs")).to_contain_text("cancelled")
    submitted(owner=alice)
    expect(page.get_by_role("link", name="Show 1 newer job")).to_be_visible()
    expect(page.locator("#jobs-said")).to_have_text("Show 1 newer job")
    assert len(asked) <= 6


def test_a_session_that_has_ended_leads_to_the_login(alices: Page, alice: User) -> None:
    submitted(owner=alice)
    alices.goto("/jobs/")
    Session.objects.all().delete()
    alices.evaluate("htmx.trigger('#jobs', 'weir:look')")
    alices.wait_for_url("**/login/?next=/jobs/")


@pytest.mark.parametrize("path", ["/admin/", "/admin/jobs_app/job/", "/api/docs"])
def test_other_peoples_scripts_still_run(opened: Open, carol: User, path: str) -> None:
    page = opened(carol)
    page.goto(path)
    expect(page.get_by_text(re.compile("Weir|jobs", re.IGNORECASE)).first).to_be_visible()
