"""A full queue in a real browser: the form says so, keeps what was typed, counts down, and can be sent again."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from jobs_app.models import Job, Queue
from jobs_app.models.guard import writing
from tests.browser.conftest import Open
from tests.support.ledger import claimed, submitted

pytestmark = pytest.mark.usefixtures("nudged")

PICTURES = os.environ.get("WEIR_TEST_PICTURES", "")
"""A directory to which what was looked at is saved, for people to look at too."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_full_queue_is_told_on_the_form_and_nothing_typed_is_lost(opened: Open, alice: User, scheme: str) -> None:
    with writing():
        Queue.objects.create(name="default", limit=1, user_share=1)
    first = submitted()
    page = opened(alice, color_scheme=scheme)
    page.goto("/submit/system.echo/")
    page.get_by_label("Text").fill("typed with care")
    page.wait_for_timeout(1100)  # the web process reads the limits of queues once a second
    page.get_by_role("button", name="Submit job").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The queue is full: 1 job waits in queue default, and its limit is 1")
    expect(alert).to_contain_text("no worker takes its jobs")
    expect(alert.locator("[data-countdown]")).to_have_text(re.compile(r"^Send it again in 2\d\d s$"))
    expect(page.get_by_label("Text")).to_have_value("typed with care")
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"full-{scheme}.png")
    claimed(first)
    page.get_by_role("button", name="Submit job").click()
    expect(page).to_have_url(re.compile(r"/jobs/[0-9a-f-]{36}/$"))
    assert Job.objects.exclude(id=first.id).get().parameters == {"text": "typed with care"}
