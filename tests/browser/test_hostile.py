"""Hostile texts: what people and programs write is shown as text on every page, and never run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.support import reports
from tests.support import world as worlds
from tests.surfaces import standing

HOSTILE = '"\'><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>{{7*7}}<svg onload=hacked=1>'


def pages(world: dict[str, Any]) -> list[str]:
    """The address of every page that takes GET, about what is in this world."""
    found = []
    for route in standing.routes():
        admin = route.space == "admin" and route.name.endswith(("_change", "_changelist"))
        if (not route.space and route.name in standing.PAGES) or admin:
            known = {**world, "name": "default", "object_id": world["job_id"] if "/job/" in route.address else 1}
            name = f"admin:{route.name}" if admin else route.name
            found.append(reverse(name, kwargs={each: known.get(each, 1) for each in route.names}))
    return found


def test_no_text_runs_on_any_page(opened: Open, alice: User, carol: User, now: datetime, nudged: Any) -> None:
    """The browser's policy would refuse inline scripts, and ``opened`` fails when it has to."""
    carol.is_superuser = True
    carol.save()
    world = worlds.made(alice, HOSTILE, now=now)
    page = opened(reports.operator(carol))
    for key in ("job_id", "failed", "running", "waiting"):
        page.goto(reverse("job", args=[world[key]]))
        assert page.evaluate("window.hacked") is None
    expect(page.get_by_text(HOSTILE).first).to_be_visible()
    for address in pages(world):
        if page.request.get(address).status == 405:
            continue  # for POST alone
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
