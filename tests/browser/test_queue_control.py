"""An operator at work in a real browser, with real workers: a queue is paused and resumed, a worker drained."""

from __future__ import annotations

import math
import os
import signal
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User
from playwright.sync_api import Page, expect

from jobs_app import histograms
from jobs_app.core import clock, control, presence, submission
from jobs_app.core.rollups.sums import EVERYONE
from jobs_app.models import Job, QueueLevel, Rollup, RollupCursor
from jobs_app.models.guard import writing
from jobs_app.steps import Step
from tests.browser.conftest import Open
from tests.browser.test_look import CONTRAST
from tests.browser.test_queues import an_hour, keep
from tests.support.processes import CELERY, QUIET, ROOT, Workers, eventually

VIEWS = [(scheme, width) for scheme in ("light", "dark") for width in (360, 1280)]


@pytest.fixture
def operator(transactional_db: None, carol: User) -> User:
    wanted = ("control_queue", "control_worker")
    carol.user_permissions.add(*Permission.objects.filter(codename__in=wanted))
    return User.objects.get(pk=carol.pk)


@pytest.fixture
def second(workers: Workers, worker_environment: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """The name of another worker beside the first."""
    name = "second@test"
    command = [*CELERY, "worker", "-Q", "default,reports", "-c", "2", "-n", name, *QUIET]
    environment = {**worker_environment, "QUEUES": "default,reports", "RELEASE": "2026.11"}
    with (tmp_path / "worker.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)
    yield name
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(20)


def waits(now: datetime) -> None:
    """Statistics of an hour: waits that grow and fall, a standstill in which the oldest job ages, some refusals."""
    last = Step.MINUTE.floor(now)
    rollups, levels = [], []
    for each in range(60):
        at, still = last - timedelta(minutes=59 - each), 25 <= each < 35
        wave = math.sin(each / 9) ** 2
        seconds = () if still else (0.2 + 3 * wave, 1 + 20 * wave, 4 + 90 * wave)
        wait = {histograms.bin_of(int(1e6 * each)): jobs for each, jobs in zip(seconds, (70, 28, 2), strict=False)}
        rollups.append(
            Rollup(
                step=Step.MINUTE, at=at, queue="default", kind="probe.nothing", owner=EVERYONE,
                started=0 if still else 100, wait=wait,
                refused={"full": 3, "user share": 1} if 36 <= each < 45 else {},
            )
        )  # fmt: skip
        oldest = 60.0 * (each - 24) if still else 2 + 100 * wave
        levels.append(
            QueueLevel(
                step=Step.MINUTE, at=at, queue="default", samples=6, depth_sum=60, depth_max=12, depth_last=10,
                oldest_max=oldest,
            )
        )  # fmt: skip
    with writing():
        Rollup.objects.bulk_create(rollups)
        QueueLevel.objects.bulk_create(levels)
        RollupCursor.objects.update_or_create(id=1, defaults={"caught_up_at": last - timedelta(seconds=30)})


def look_at(opened: Open, user: User, path: str, wait_for: str, name: str) -> None:
    """The page fits its window and can be read, narrow and wide, light and dark; pictures are kept for people."""
    for scheme, width in VIEWS:
        page = opened(user, viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.goto(path)
        expect(page.locator(wait_for).first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (scheme, width)
        assert page.evaluate(CONTRAST) == [], (scheme, width)
        keep(page, f"{name}-{scheme}-{width}")
        page.context.close()


def test_a_queue_is_paused_its_job_says_why_it_waits_and_runs_when_it_is_resumed(
    workers: Workers, opened: Open, operator: User, alice: User
) -> None:
    desk, hers = opened(operator), opened(alice)
    desk.goto("/queues/default/")
    desk.get_by_role("button", name="Pause").click()
    desk.locator("#confirm").get_by_role("button", name="Pause it").click()
    expect(desk.get_by_role("status").filter(has_text="Queue default is paused.")).to_be_visible()

    job = submission.submit("system.echo", {"text": "at last"}, owner=alice)
    hers.goto(f"/jobs/{job.id}/")
    expect(hers.locator("#job-why")).to_contain_text("Queue default was paused")
    hers.locator("#job-why").get_by_role("link").click()
    expect(hers.locator("#queue")).to_contain_text("It was paused")
    expect(hers.get_by_role("button", name="Resume")).to_have_count(0)
    hers.go_back()

    desk.get_by_role("link", name="Resume it").click()
    desk.get_by_role("button", name="Resume").click()
    expect(desk.get_by_role("status").filter(has_text="Queue default goes on.")).to_be_visible()
    expect(hers.locator("#job-standing")).to_contain_text("succeeded")


def test_limits_are_changed_without_losing_what_was_typed(opened: Open, operator: User) -> None:
    now = clock.database_now()
    an_hour(now)
    waits(now)
    desk = opened(operator)
    desk.goto("/queues/default/")
    limit, window = desk.get_by_label("Limit", exact=True), desk.get_by_label("Window", exact=True)
    limit.fill("200")
    window.fill("1.5")
    with desk.expect_response(lambda answer: "part=standing" in answer.url):
        pass
    expect(limit).to_have_value("200")
    window.press("Enter")
    wrong = desk.locator(".field-wrong")
    expect(wrong).to_contain_text("Expected a whole number of messages, 1 to 100,000, got 1.5", ignore_case=True)
    expect(desk.locator("#limits [role=alert]")).to_be_focused()
    expect(desk.get_by_label("Limit", exact=True)).to_have_value("200")
    keep(desk, "limits-wrong")
    desk.get_by_label("Window", exact=True).fill("")
    desk.get_by_role("button", name="Change the limits").click()
    said = desk.locator("#limits [role=status]")
    expect(said.get_by_role("row", name="Limit 10,000 (by QUEUE_LIMIT) 200")).to_be_visible()
    expect(said).to_be_focused()
    look_at(opened, operator, "/queues/default/", "#limits form", "queue-controls")


def test_a_worker_is_drained_and_resumed(workers: Workers, second: str, opened: Open, operator: User) -> None:
    jobs = [submission.submit("probe.slow", {"seconds": 200, "steps": 1000}) for _ in range(3)]
    eventually(lambda: presence.listeners("default", now=clock.database_now()).processes == 4, what="two workers")
    eventually(lambda: Job.objects.filter(state="running").count() == 3, what="three jobs to run")
    desk = opened(operator)
    desk.goto("/workers/")
    row = desk.get_by_role("row").filter(has_text=second)
    expect(row).to_contain_text("release 2026.11")
    expect(row.get_by_role("link").first).to_have_text("probe.slow")
    _drain(desk, second)
    expect(row).to_contain_text("draining")
    look_at(opened, operator, "/workers/", ".worker-draining", "workers")
    for job in jobs:
        control.cancel(job.id, actor=None, now=clock.database_now())
    expect(row).to_contain_text("drained")
    row.get_by_role("button", name="Resume").click()
    expect(row.get_by_role("button", name="Drain")).to_be_visible()
    expect(row).not_to_contain_text("drained")


def _drain(page: Page, name: str) -> None:
    page.get_by_role("button", name=f"Drain {name}").click()
    page.locator("#confirm").get_by_role("button", name="Drain it").click()
