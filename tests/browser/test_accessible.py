"""Every page before axe, which knows what screen readers, keyboards and weak eyes stumble over (WCAG 2.2, A and AA)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User

from tests.browser.conftest import Open
from tests.browser.places import pages
from tests.support import reports
from tests.support import world as worlds

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
GRAVE = {"serious", "critical"}


def faults(page: Any) -> list[str]:
    """What axe finds on the page that is open, as lines: rule, and where."""
    found = Axe().run(page, options=RULES).response["violations"]
    return [
        f"{each['id']} ({each['impact']}) at {node['target']}: {node['failureSummary']}"
        for each in found
        for node in each["nodes"]
        if each["impact"] in GRAVE
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_on_any_page(
    opened: Open, alice: User, carol: User, now: datetime, nudged: Any, scheme: str
) -> None:
    world = worlds.made(alice, "Delays of the night", now=now)
    page = opened(reports.operator(carol), color_scheme=scheme)
    wrong = []
    for address in pages(page, world):
        page.goto(address)
        wrong += [f"{address}: {fault}" for fault in faults(page)]
    assert not wrong, "\n".join(wrong)


def test_nothing_serious_for_somebody_who_is_new(opened: Open, alice: User) -> None:
    page = opened(alice)
    wrong = []
    for address in ("/", "/submit/probe.everything/", "/tokens/", "/nowhere"):
        page.goto(address)
        wrong += [f"{address}: {fault}" for fault in faults(page)]
    page = opened(None)
    page.goto("/login/")
    assert not wrong + faults(page), "\n".join(wrong + faults(page))
