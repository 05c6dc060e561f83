"""A growing dataset in a browser: its chart, and a file that is appended and folded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from jobs_app.core import execution
from jobs_app.models import Job
from tests.browser.conftest import Open
from tests.support.growing import appended, fold, made, row

# Jobs are run by hand here: none is to be dispatched meanwhile.
pytestmark = pytest.mark.usefixtures("nudged")


def test_a_file_is_appended_folded_and_drawn(alices: Page, alice: User, tmp_path: Path) -> None:
    lines = "\n".join(f"2013-01-{day:02}T0{day % 8}:00:00Z,JFK,{day * 7 % 11}" for day in range(1, 32))
    (tmp_path / "flights.csv").write_text(f"at,place,delay\n{lines}\n")
    alices.goto("/datasets/")
    for label, text in (("Name", "flights"), ("Column that says when", "at"), ("Columns of numbers", "delay")):
        alices.get_by_label(label).fill(text)
    alices.get_by_label("Columns that tell rows apart").fill("place")
    alices.get_by_role("button", name="Make it").click()
    alices.get_by_label("CSV, TSV, JSON lines or Parquet").set_input_files(tmp_path / "flights.csv")
    alices.get_by_role("button", name="Append", exact=True).click()
    expect(alices.get_by_text("flights.csv is appended as part 1")).to_be_visible()
    page = alices.url
    alices.get_by_role("button", name="Fold now").click()
    expect(alices.get_by_role("heading", name="datasets.rollup")).to_be_visible()
    execution.run([Job.objects.get().id], holder="worker@test/1/message")
    alices.goto(page)
    expect(alices.locator(".tally")).to_contain_text("31")
    alices.wait_for_function("window.Chart?.getChart(document.querySelector('canvas'))?.data.labels.length === 31")
    alices.get_by_role("link", name="by hour").click()
    alices.wait_for_function("window.Chart?.getChart(document.querySelector('canvas'))?.data.labels.length > 100")


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_the_pages_fit_their_window(opened: Open, alice: User, width: int, scheme: str) -> None:
    """With WEIR_PICTURES=folder the pages are kept as pictures, to be looked at."""
    dataset = made(alice, "flights from New York, by the airport that they left")
    for day in range(20):
        appended(dataset, *(row(24 * day + place, f"P{place}", place * day % 13) for place in range(3)))
    fold(dataset)
    appended(dataset, row(0))
    page = opened(alice, viewport={"width": width, "height": 900}, color_scheme=scheme)
    for name, url in (("datasets", "/datasets/"), ("dataset", f"/datasets/{dataset.pk}/")):
        page.goto(url)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        if name == "dataset":
            page.wait_for_function("window.Chart?.getChart(document.querySelector('canvas'))")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        folder = os.environ.get("WEIR_PICTURES")
        if folder:
            page.screenshot(path=Path(folder) / f"{name}-{width}-{scheme}.png", full_page=True)
