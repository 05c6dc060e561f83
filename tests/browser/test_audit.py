"""The audit in a real browser: searched, opened and read at any width, in both colours, and by keyboard."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from playwright.sync_api import expect

from jobs_app.core import audit
from jobs_app.lifecycle import Via
from tests.browser.conftest import Open
from tests.browser.test_look import CONTRAST

PICTURES = os.environ.get("WEIR_TEST_PICTURES", "")
"""A directory for pictures of what was looked at."""


@pytest.fixture
def reader(carol: User, alice: User, now: Any) -> User:
    carol.user_permissions.add(Permission.objects.get(codename="view_audit"))
    with audit.origin(Via.ADMIN, address="2001:db8::1234:5678:9abc"):
        audit.record(
            alice, "user.change", "user bob", now=now - timedelta(hours=3),
            before={"groups": ["viewers"], "is_staff": False}, after={"groups": ["operators"], "is_staff": True},
        )  # fmt: skip
    with audit.origin(Via.API, address="192.0.2.17", token=12):
        audit.record(alice, "queue.limits", "queue default", now=now, before={"limit": None}, after={"limit": 500})
        audit.record(
            carol, "job.cancel", "job 01a223ad-e65e-71f5-95cc-2c562f1727d9", now=now,
            refused="not theirs: expected a job of yours, got 01a223ad-e65e-71f5-95cc-2c562f1727d9",
        )  # fmt: skip
    return carol


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_audit_is_searched_and_read(opened: Open, reader: User, scheme: str, width: int) -> None:
    page = opened(reader, viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto("/audit/")
    page.get_by_text("What changed").first.click()
    expect(page.get_by_text("500")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) == []
    headings = page.locator("details[open] thead th")
    expect(headings).to_have_text(["What", "Before", "After"])
    expect(headings.first).to_be_visible()
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"audit-{scheme}-{width}.png", full_page=True)
        page.goto("/tokens/")
        page.screenshot(path=Path(PICTURES) / f"tokens-{scheme}-{width}.png", full_page=True)
        page.goto("/audit/")
    page.get_by_label("On what").fill("default")
    page.keyboard.press("Enter")
    page.wait_for_url("**subject=default**")
    expect(page.locator("table.audit > tbody > tr")).to_have_count(1)
    page.get_by_role("link", name="Show all").click()
    expect(page.locator("table.audit > tbody > tr")).to_have_count(3)
