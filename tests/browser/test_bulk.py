"""Acting on many jobs in a real browser, with real workers: from the list to the result."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from jobs_app.core import clock, control
from jobs_app.core.bulk.orders import KIND
from jobs_app.lifecycle import FINAL, State
from jobs_app.models import Job, Queue
from jobs_app.models.guard import writing
from tests.browser.conftest import Open
from tests.support.ledger import submitted
from tests.support.processes import Workers, eventually, finished

PICTURES = os.environ.get("WEIR_TEST_PICTURES", "")
"""A directory to which what was looked at is saved, for people to look at too."""

MANY = 500
ROOM = 60
"""Jobs that a queue takes which is to be full half way."""


def failed(owner: User, count: int, kind: str = "system.echo", **parameters: Any) -> None:
    """So many jobs that failed; run again, they succeed."""
    now = clock.database_now()
    for number in range(count):
        given = parameters or {"text": f"order {number}"}
        submitted(kind, given, owner=owner, due_at=now + timedelta(days=1))
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
    """New jobs that last hold every slot and fill the queue, so it stands half way until it is cancelled."""
    failed(alice, MANY, "system.sleep", seconds=600)
    with writing():
        Queue.objects.update_or_create(name="default", defaults={"limit": ROOM, "user_share": 1.0})
    page = opened(alice)
    from_list_to_preview(page, "Run again …")
    page.get_by_label("Yes, I mean all 500 jobs").check()
    page.get_by_role("button", name="Run again 500 jobs").click()
    page.wait_for_url("**/jobs/*-*/")
    eventually(lambda: _stands(KIND, State.QUEUED), what="the bulk action to wait for a worker, half way")
    expect(page.locator("#job-standing")).to_contain_text("queued")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the job").click()
    bulk = finished(Job.objects.get(kind=KIND).id)
    made = Job.objects.filter(rerun_of__isnull=False).count()
    assert (bulk.state, bulk.cancel_requested_at is not None, 0 < made < MANY) == ("cancelled", True, True), made
    expect(page.locator("#job-standing")).to_contain_text("cancelled")
    expect(page.locator("#job-log")).to_contain_text(f"{made} of {MANY} jobs: {made} run again as a new job")
    look(page, "cancelled")
    for job in Job.objects.filter(rerun_of__isnull=False).exclude(state__in=sorted(FINAL)).order_by("-id"):
        control.cancel(job.id, actor=None, now=clock.database_now())
    workers.settle()
    assert Job.objects.filter(rerun_of__isnull=False).count() == made


def _stands(kind: str, state: State) -> bool:
    """Whether the job of that kind has begun, and stands so."""
    return Job.objects.filter(kind=kind, attempt__gt=0, state=state).exists()
