"""Acting on many jobs in a real browser, with real workers: from the list to the result."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path

from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from jobs_app.core import clock
from jobs_app.core.bulk.orders import KIND
from jobs_app.lifecycle import State
from jobs_app.models import Job
from jobs_app.models.guard import writing
from tests.browser.conftest import Open
from tests.support.ledger import submitted
from tests.support.processes import Workers, eventually, finished

PICTURES = os.environ.get("WEIR_TEST_PICTURES", "")
"""A directory to which what was looked at is saved, for people to look at too."""

MANY = 500


def failed(owner: User, count: int) -> None:
    """So many jobs that failed; run again, they succeed."""
    now = clock.database_now()
    for number in range(count):
        submitted("system.echo", {"text": f"order {number}"}, owner=owner, due_at=now + timedelta(days=1))
    with writing():
        ended = {"state": State.FAILED, "finished_at": now, "error": "the depot was closed", "error_type": "OSError"}
        Job.objects.filter(owner=owner, state=State.SCHEDULED).update(**ended)


def look(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"bulk-{name}.png", full_page=name != "list")


def from_list_to_preview(page: Page, action: str) -> None:
    page.goto("/jobs/?q=state:failed")
    page.get_by_label("Select every job on this page").check()
    bar = page.get_by_role("group", name="Act on the ticked jobs")
    expect(bar).to_contain_text("25 jobs ticked")
    expect(bar).to_contain_text(f"or all {MANY} of this search")
    look(page, "list")
    bar.get_by_label("of this search").check()
    bar.get_by_role("button", name=action).click()


def test_five_hundred_failed_jobs_are_retried(opened: Open, alice: User, workers: Workers) -> None:
    failed(alice, MANY)
    page = opened(alice)
    from_list_to_preview(page, "Retry …")
    expect(page.get_by_role("heading", level=1)).to_have_text("Retry 500 jobs?")
    expect(page.locator(".bulk-counts")).to_contain_text("500 will be run again, each as a new job")
    look(page, "preview")
    go = page.get_by_role("button", name="Retry 500 jobs")
    go.click()
    expect(page.get_by_label("Yes, I mean all 500 jobs")).to_be_focused()  # the browser asks for it, and sends nothing
    page.get_by_label("Yes, I mean all 500 jobs").check()
    go.click()
    page.wait_for_url("**/jobs/*-*/")
    expect(page.get_by_role("progressbar", name="Progress of the job")).to_be_visible()
    expect(page.locator("#job-standing")).to_contain_text(re.compile(r"\d+ of 500 jobs: "))
    look(page, "progress")
    expect(page.locator("#job-standing")).to_have_attribute("data-final", "yes", timeout=90_000)
    expect(page.locator("#job-outcome")).to_contain_text("run again as a new job")
    expect(page.locator("#job-outcome table").first).to_contain_text("500")
    look(page, "result")
    assert Job.objects.filter(rerun_of__state=State.FAILED).values("rerun_of").distinct().count() == MANY
    assert Job.objects.filter(rerun_of__isnull=False).count() == MANY
    tag = Job.objects.get(kind=KIND).result["find_the_new_jobs_by"]
    page.goto(f"/jobs/?q={tag}")
    expect(page.locator("#jobs tr").first).to_be_visible()
    eventually(
        lambda: not Job.objects.exclude(state__in=["failed", "succeeded"]).exists(), 90, what="the new jobs to succeed"
    )


def test_it_is_cancelled_half_way(opened: Open, alice: User, workers: Workers) -> None:
    failed(alice, MANY)
    page = opened(alice)
    from_list_to_preview(page, "Run again …")
    page.get_by_label("Yes, I mean all 500 jobs").check()
    page.get_by_role("button", name="Run again 500 jobs").click()
    page.wait_for_url("**/jobs/*-*/")
    page.get_by_role("button", name="Cancel").click()
    dialog = page.get_by_role("dialog")
    eventually(lambda: Job.objects.filter(rerun_of__isnull=False).exists(), what="the first new job")
    dialog.get_by_role("button", name="Cancel the job").click()
    bulk = finished(Job.objects.get(kind=KIND).id)
    made = Job.objects.filter(rerun_of__isnull=False).count()
    assert (bulk.state, bulk.cancel_requested_at is not None, 0 < made < MANY) == ("cancelled", True, True), made
    expect(page.locator("#job-standing")).to_contain_text("cancelled")
    expect(page.locator("#job-log")).to_contain_text(f"stopped: {made} of {MANY} jobs: {made} run again as a new job")
    look(page, "cancelled")
    assert Job.objects.filter(rerun_of__isnull=False).count() == made
