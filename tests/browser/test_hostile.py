"""Hostile texts: what people and programs write is shown as text on every page, and never run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.places import pages
from tests.support import reports
from tests.support import world as worlds

HOSTILE = '"\'><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>{{7*7}}<svg onload=hacked=1>'


def test_no_text_runs_on_any_page(opened: Open, alice: User, carol: User, now: datetime, nudged: Any) -> None:
    """The browser's policy would refuse inline scripts, and ``opened`` fails when it has to."""
    carol.is_superuser = True
    carol.save()
    world = worlds.made(alice, HOSTILE, now=now)
    page = opened(reports.operator(carol))
    page.goto(reverse("job", args=[world["job_id"]]))
    expect(page.get_by_text(HOSTILE).first).to_be_visible()
    for address in pages(page, world, admin=True):
        page.goto(address)
        assert page.evaluate("window.hacked") is None, address
        assert page.locator("[onerror], [onload]").count() == 0, address
        assert "49<" not in page.content(), address


def test_a_hostile_file_is_handed_over_and_not_shown(opened: Open, alice: User, now: datetime, nudged: Any) -> None:
    world = worlds.made(alice, HOSTILE, now=now)
    page = opened(alice)
    page.goto("/")
    answers = [
        page.request.get(reverse("api:job_artifact", args=[world["job_id"], world["artifact"]])),
        page.request.get(reverse("api:artifact_content", args=[world["artifact_id"]])),
    ]
    for answer in answers:
        assert answer.status == 200
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]
