"""The overview and statistics in a real browser: kept up to date without moving things, readable at every width."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from jobs_app.core import clock, deploys
from jobs_app.lifecycle import State
from jobs_app.models import Queue
from jobs_app.models.guard import writing
from tests.browser.conftest import PATIENCE, Open
from tests.browser.test_look import CONTRAST
from tests.browser.test_queues import keep
from tests.support import history
from tests.support.ledger import reaching, submitted
from tests.support.measures import flowed, listening

pytestmark = pytest.mark.usefixtures("nudged")


@pytest.fixture
def busy(transactional_db: None, carol: User) -> datetime:
    """A site with weeks behind it, some deploys and jobs of carol's; a worker listens, upkeep has measured."""
    now = clock.database_now()
    history.weeks(now=now)
    for hours in (1, 26):
        deploys.mark(deploys.Told("web", f"v{hours}", at=now - timedelta(hours=hours)), actor=None, now=now)
    for state in (State.SUCCEEDED, State.RUNNING, State.FAILED, State.CANCELLED):
        reaching(state, owner=carol)
    listening("default", now + timedelta(minutes=10))
    flowed("default", now + timedelta(minutes=10), 3)
    return now


def test_the_overview_keeps_up_and_keeps_still_under_the_pointer(opened: Open, carol: User, busy: datetime) -> None:
    page = opened(carol)
    page.goto("/")
    notices = page.locator("#now .notice")
    expect(notices).to_have_count(1)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    notices.first.hover()
    with writing():
        Queue.objects.create(name="default", paused_at=busy)
    job = submitted(owner=carol)
    # The jobs below are asked for at the same pace: when these have changed twice, the notices would have, too.
    expect(page.locator("#recent-newer")).to_have_text("Show 1 newer", timeout=PATIENCE)
    submitted(owner=carol)
    expect(page.locator("#recent-newer")).to_have_text("Show 2 newer", timeout=PATIENCE)
    expect(notices).to_have_count(1)
    assert not any("/overview/now/" in url for url in asked)
    page.locator("h1").hover()
    expect(page.locator("#now")).to_contain_text("default was paused", timeout=PATIENCE)
    expect(page.locator(f"#link-{job.id.hex}")).to_have_count(0)
    page.locator("#recent-newer").click()
    expect(page.locator(f"#link-{job.id.hex}")).to_be_visible()


def test_nothing_is_asked_for_while_nobody_sees_the_page(opened: Open, carol: User, busy: datetime) -> None:
    page = opened(carol)
    page.clock.install()
    page.goto("/")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/overview/" in request.url else None)
    hide = "hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true}) }"
    page.evaluate(hide, True)
    page.clock.run_for(60_000)
    assert asked == []
    page.evaluate(hide, False)
    with page.expect_response("**/overview/now/"):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
def test_charts_fit_their_window_and_can_be_read(
    opened: Open, carol: User, busy: datetime, scheme: str, width: int
) -> None:
    page = opened(carol, viewport={"width": width, "height": 900}, color_scheme=scheme)
    for name, path in (("overview", "/"), ("statistics", "/statistics/?range=7d")):
        page.goto(path)
        expect(page.get_by_role("img").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.evaluate(CONTRAST) == [], path
        assert page.evaluate(RUN_OUT) == [], path
        keep(page, f"{name}-{scheme}-{width}")
    page.get_by_text("Throughput by the hour, in numbers").click()
    expect(page.get_by_role("table", name="Throughput by the hour")).to_be_visible()


# Words of a chart stay in its card, and no two of one row run into one another.
RUN_OUT = """() => [...document.querySelectorAll(".chart-time svg")].flatMap((svg) => {
  const card = svg.closest(".card").getBoundingClientRect();
  const words = [...svg.querySelectorAll("text")].map((each) => [each.textContent, each.getBoundingClientRect()]);
  return words.filter(([, box], place) => box.left < card.left || box.right > card.right || words.some(
    ([, other], number) => number > place && box.left < other.right && other.left < box.right
      && box.top + 2 < other.bottom && other.top + 2 < box.bottom)).map(([text]) => text);
})"""
