"""The pages of queues in a real browser: narrow and wide, light and dark, kept up to date."""

from __future__ import annotations

import math
import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from jobs_app.core import clock, control
from jobs_app.models import Flow, Job, Queue
from jobs_app.models.guard import writing
from tests.browser.conftest import Open
from tests.browser.test_look import CONTRAST
from tests.support.ledger import altered, claimed, submitted
from tests.support.measures import SECOND, listening, paced

pytestmark = pytest.mark.usefixtures("nudged")

PICTURES = os.environ.get("WEIR_TEST_PICTURES", "")
"""A directory to which what was looked at is saved, for people to look at too."""


@pytest.fixture
def waiting(transactional_db: None, alice: User) -> Job:
    """The last of some jobs in a queue with an hour behind it, with two slots that are busy."""
    now = clock.database_now()
    listening("default", now + timedelta(minutes=10))
    paced("probe.nothing", *(8.0, 10.0, 12.0) * 5, now=now)
    with writing():
        Queue.objects.create(name="default", limit=40)
        Queue.objects.create(name="reports", limit=2000, paused_at=now - timedelta(minutes=12))
    an_hour(now)
    jobs = [submitted(owner=alice, now=now - 30 * SECOND) for _ in range(18)]
    for job in jobs[:2]:
        claimed(job, now=now - 6 * SECOND)
    altered(submitted(now=now - timedelta(hours=1)), queue="reports")
    told = {"start_from": now - 20 * SECOND, "start_until": now + 5 * SECOND}
    altered(jobs[0], **told)
    return jobs[-1]


def an_hour(now: datetime) -> None:
    """Rows of flow: a wave of jobs that comes and goes, with a gap in which upkeep was away."""
    rows = []
    for each in range(360):
        if 100 <= each < 130:
            continue
        ended_at, wave = now - 10 * (359 - each) * SECOND, math.sin(each / 40) ** 2
        rows.append(
            Flow(
                queue="default", through=0, started_at=ended_at - 10 * SECOND, ended_at=ended_at,
                arrived=int(30 * wave), left=20 if wave > 0.3 else int(20 * wave), ended=20, busy_seconds=20,
                depth=int(60 * wave), running=2, promised=20, kept=18,
            )
        )  # fmt: skip
    with writing():
        Flow.objects.bulk_create(rows)


def keep(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_queues_fit_their_window_and_can_be_read(
    opened: Open, alice: User, waiting: Job, scheme: str, width: int
) -> None:
    page = opened(alice, viewport={"width": width, "height": 900}, color_scheme=scheme)
    for name, path in (("queues", "/queues/"), ("queue", "/queues/default/"), ("job", f"/jobs/{waiting.id}/")):
        page.goto(path)
        expect(page.locator("#queues, #queue, #job").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.evaluate(CONTRAST) == [], path
        keep(page, f"{name}-{scheme}-{width}")


def test_a_queues_page_keeps_up(alices: Page, waiting: Job) -> None:
    alices.goto("/queues/default/")
    expect(alices.get_by_text("16 of 40")).to_be_visible()
    expect(alices.get_by_role("img", name="Jobs that waited, over the last hour")).to_be_visible()
    control.cancel(waiting.id, actor=None, now=clock.database_now())
    expect(alices.get_by_text("15 of 40")).to_be_visible()


def test_a_waiting_jobs_estimate_keeps_up(alices: Page, waiting: Job) -> None:
    alices.goto(f"/jobs/{waiting.id}/")
    expect(alices.locator("#job-estimate")).to_contain_text("Probably starts in")
    before = alices.locator("#job-estimate").inner_text()
    for job in Job.objects.filter(state="queued", queue="default").exclude(id=waiting.id):
        control.cancel(job.id, actor=None, now=clock.database_now())
    expect(alices.locator("#job-estimate")).not_to_have_text(before)


def test_the_promise_of_a_running_job_stands_beside_its_start(alices: Page, waiting: Job) -> None:
    running = Job.objects.filter(state="running", start_from__isnull=False).first()
    assert running is not None
    alices.goto(f"/jobs/{running.id}/")
    expect(alices.locator(".standing-kept")).to_contain_text("as told.")
    keep(alices, "running")
