"""What eyes and keyboards meet: widths, colours, focus, names."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from jobs_app.core import outcomes
from jobs_app.lifecycle import State
from jobs_app.models import Job
from tests.browser.conftest import Open
from tests.support.ledger import claimed, reaching, submitted

# Jobs are put in their states by hand here: none is to be dispatched meanwhile.
pytestmark = pytest.mark.usefixtures("nudged")

PATHS = [
    "/",
    "/submit/",
    "/submit/probe.everything/",
    "/submit/datasets.aggregate/",
    "/queues/",
    "/queues/default/",
    "/planner/",
    "/tokens/",
    "/timeline/",
    "/nowhere",
    "JOB",
]
WIDE = {
    "table": {
        "shape": "table", "columns": [f"a rather long column {n}" for n in range(12)],
        "rows": [["x" * 40] * 12], "total_rows": 1,
    },
    "chart": {"shape": "chart", "labels": ["a", "b"], "series": [{"name": "s", "values": [1, 2]}]},
    "word": "W" * 300,
}  # fmt: skip


@pytest.mark.parametrize("width", [360, 390, 1400])
def test_no_page_is_wider_than_its_window(opened: Open, alice: User, now: Any, width: int) -> None:
    job = claimed(submitted("system.echo", {"text": "T" * 300}, owner=alice))
    outcomes.succeed(job, WIDE, 100, now=now)
    for state in State:
        reaching(state, owner=alice)
    page = opened(alice, viewport={"width": width, "height": 800})
    for path in PATHS:
        page.goto(path.replace("JOB", f"/jobs/{job.id}/"))
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_ground(opened: Open, alice: User, now: Any, scheme: str) -> None:
    for state in State:
        reaching(state, owner=alice)
    job = claimed(submitted("system.echo", {"text": "x"}, owner=alice))
    outcomes.succeed(job, WIDE, 100, now=now)
    page = opened(alice, color_scheme=scheme)
    jobs = [f"/jobs/{job.id}/" for job in Job.objects.all()]
    for path in [
        "/",
        "/jobs/?q=kind:probe.nothing+tag:x",
        "/submit/",
        "/submit/datasets.aggregate/",
        "/tokens/",
        "/nowhere",
        *jobs,
    ]:
        page.goto(path)
        assert page.evaluate(CONTRAST) == [], path


def test_the_keyboard_reaches_the_content_and_the_jobs(alices: Page, alice: User) -> None:
    job = submitted(owner=alice)
    alices.goto("/jobs/")
    for name in ("Skip to the content", "Skip to the list"):
        alices.keyboard.press("Tab")
        expect(alices.get_by_role("link", name=name)).to_be_focused()
        alices.keyboard.press("Enter")
    for _ in range(12):
        alices.keyboard.press("Tab")
        if alices.evaluate("document.activeElement.id") == f"link-{job.id.hex}":
            break
    alices.keyboard.press("Enter")
    alices.wait_for_url(f"**/jobs/{job.id}/")


def test_the_menu_opens_and_closes_by_key(alices: Page) -> None:
    alices.goto("/")
    menu = alices.locator("details.menu")
    menu.locator("summary").focus()
    alices.keyboard.press("Enter")
    expect(alices.get_by_role("button", name="Log out")).to_be_visible()
    alices.keyboard.press("Escape")
    expect(alices.get_by_role("button", name="Log out")).to_be_hidden()


def test_colours_of_a_chart_follow_the_scheme(opened: Open, alice: User, now: Any) -> None:
    job = claimed(submitted(owner=alice))
    outcomes.succeed(job, WIDE, 100, now=now)
    page = opened(alice, color_scheme="light")
    page.goto(f"/jobs/{job.id}/")
    page.wait_for_function("window.Chart && Chart.getChart(document.querySelector('canvas'))")
    colour = "Chart.getChart(document.querySelector('canvas')).data.datasets[0].backgroundColor"
    light = page.evaluate(colour)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"light => {colour} !== light", arg=light)


def test_states_are_told_by_words_and_pictures(alices: Page, alice: User) -> None:
    for state in State:
        reaching(state, owner=alice)
    alices.goto("/jobs/")
    for state in State:
        badge = alices.locator(f".state-{state}").first
        expect(badge).to_have_text(re.compile(state.value))
        expect(badge.locator("svg")).to_have_count(1)


# WCAG 2.2, success criterion 1.4.3: 4.5 to 1 for text, against the nearest ground that is not transparent.
CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const part = (value) => ((value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const colour = rgba(getComputedStyle(element).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility() || element.closest(".visually-hidden, .skip")) continue;
    const [a, b] = [light(rgba(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faint.push(`${element.className}: ${element.textContent.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return faint;
}"""
