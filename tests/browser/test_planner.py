"""The capacity planner in a real browser: widths, colours, and a form that answers without scripts."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.test_look import CONTRAST

ASKED = "/planner/?queue=&arrival_rate=2.4&service_seconds=1&slots={}&target_seconds=0.5&backlog=1000"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_plan_fits_its_window_and_can_be_read(opened: Open, alice: User, scheme: str) -> None:
    page = opened(alice, color_scheme=scheme)
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        for slots in (2, 4, 100_000):
            page.goto(ASKED.format(slots))
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate(CONTRAST) == []


def test_the_form_works_without_scripts(opened: Open, alice: User) -> None:
    page = opened(alice, java_script_enabled=False)
    page.goto("/planner/")
    page.get_by_label("Measures of queue").select_option("")
    for name, value in {"Arrivals, jobs a second": "2.4", "Service time, seconds": "1", "Slots": "4"}.items():
        page.get_by_label(name, exact=True).fill(value)
    page.get_by_role("button", name="Work it out").click()
    page.wait_for_url("**&slots=4&**")
    expect(page.get_by_text("With 4 slots each is busy 60 % of the time")).to_be_visible()
    expect(page.get_by_role("img", name="The wait that 95 % of the jobs stay under")).to_be_visible()
