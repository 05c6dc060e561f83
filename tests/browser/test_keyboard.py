"""The whole way by keyboard alone: log in, find a kind, submit, open the job from the list, cancel it."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from jobs_app.models import Job
from tests.browser.conftest import Open
from tests.support.ledger import submitted

pytestmark = pytest.mark.usefixtures("nudged")


def to_focus(page: Page, selector: str) -> None:
    """Press Tab until that is focused."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"expected Tab to reach {selector}")


def test_from_logging_in_to_a_cancelled_job_without_the_mouse(opened: Open, alice: User) -> None:
    for _ in range(2):
        submitted(owner=alice)
    page = opened(None)
    page.goto("/")
    page.keyboard.type("alice")
    page.keyboard.press("Tab")
    page.keyboard.type("alice's password")
    page.keyboard.press("Enter")
    page.locator("table.jobs").wait_for()

    page.keyboard.press("Control+k")
    box = page.get_by_role("combobox", name="A page, a kind to submit, or jobs to find")
    expect(box).to_be_focused()
    page.keyboard.type("sleep")
    expect(page.locator("#palette [aria-selected=true]")).to_contain_text("system.sleep")
    expect(box).to_have_attribute("aria-activedescendant", re.compile("palette-"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/submit/system.sleep/")
    to_focus(page, "[name=seconds]")
    page.keyboard.press("Control+a")
    page.keyboard.type("30")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/*/")
    job = Job.objects.latest("id")

    page.keyboard.press("g")
    page.keyboard.press("j")
    page.wait_for_url("**/jobs/")
    expect(page.locator("table.jobs tbody tr")).to_have_count(3)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/jobs/{job.id}/")
    to_focus(page, "#cancel-button")
    page.keyboard.press("Enter")
    to_focus(page, "#confirm [value=yes]")
    page.keyboard.press("Enter")
    expect(page.locator("#job-standing")).to_contain_text("cancelled")


def test_a_job_is_found_by_its_id_and_keys_mean_nothing_while_one_types(alices: Page, alice: User, bob: User) -> None:
    job, other = submitted(owner=alice), submitted(owner=bob)
    alices.goto("/submit/system.echo/")
    alices.get_by_label("Text").focus()
    alices.keyboard.type("jk/?g j")
    expect(alices.get_by_label("Text")).to_have_value("jk/?g j")
    expect(alices.locator("dialog[open]")).to_have_count(0)

    alices.keyboard.press("Escape")
    alices.locator("h1").click()
    alices.keyboard.press("?")
    expect(alices.get_by_role("dialog", name="Keys")).to_be_visible()
    alices.keyboard.press("Escape")
    alices.keyboard.press("/")
    alices.keyboard.type(str(other.id))
    expect(alices.locator("#palette-said")).to_have_text("Nothing found")
    alices.keyboard.press("Control+a")
    alices.keyboard.type(str(job.id))
    expect(alices.locator("#palette [aria-selected=true]")).to_contain_text(str(job.id))
    alices.keyboard.press("Enter")
    alices.wait_for_url(f"**/jobs/{job.id}/")


def test_jobs_are_found_by_a_word_below_the_pages_and_the_choice_stays(alices: Page, alice: User) -> None:
    job = submitted("system.sleep", owner=alice, tags=["sleepy"])
    alices.goto("/queues/")
    alices.keyboard.press("Control+k")
    alices.keyboard.type("sleep")
    options = alices.locator("#palette-list [role=option]:visible")
    expect(options).to_have_count(3)
    expect(options.nth(1)).to_contain_text(str(job.id))
    expect(alices.locator("#palette [aria-selected=true]")).to_have_attribute("data-url", "/submit/system.sleep/")
    expect(alices.locator("#palette-said")).to_have_text("3 found")
    alices.keyboard.type("y")
    expect(options).to_have_count(2)
    expect(alices.locator("#palette [aria-selected=true]")).to_contain_text(str(job.id))
    alices.keyboard.press("Control+a")
    alices.keyboard.type("tag:sleepy state:queued")
    expect(options).to_have_count(2)
    alices.keyboard.press("ArrowUp")
    alices.keyboard.press("Enter")
    alices.wait_for_url("**/jobs/?q=*")
    expect(alices.locator("table.jobs tbody tr")).to_have_count(1)
