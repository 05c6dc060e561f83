"""What pictures there are: where each is taken, by whom, and what is done on the page before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page

World = Mapping[str, Any]
PICKED = 3


@dataclass(frozen=True)
class Shot:
    """One picture. address: with the world's names in braces. who: empty for a stranger.

    whole: the page to its end, else the window alone (for what lies above the page).
    """

    address: str
    act: Callable[[Page], None] | None = None
    who: str = "ada"
    whole: bool = True


def tick(page: Page) -> None:
    """Tick some jobs: the bar of what may be done with them comes."""
    for place in range(PICKED):
        page.locator(".jobs-tick input[name=job]").nth(place).check()


def filters(page: Page) -> None:
    """Open the card of filters."""
    page.locator("summary.word-add").click()


def palette(page: Page) -> None:
    """Look for a page by its name."""
    page.keyboard.press("Control+k")
    page.locator(".palette input").fill("que")
    page.locator(".palette li:not([hidden])").first.wait_for()


def keys(page: Page) -> None:
    """Show the sheet of keys."""
    page.keyboard.press("?")


def wrong(page: Page) -> None:
    """Fill the form in with faults, and send it."""
    page.locator("#id_subject").fill("Hi")
    page.locator("#id_send_on").fill("2026-12-24")
    page.locator("form#submit-form").evaluate("form => form.noValidate = true")
    page.locator("#id_most").fill("0")
    page.locator("#submit-button").click()
    page.locator(".field-wrong").first.wait_for()


def refused(page: Page) -> None:
    """Send a job into a queue that is full."""
    page.locator("#id_subject").fill("Winter sale")
    page.locator("input[name=audience]").first.check()
    page.locator("#submit-button").click()
    page.locator(".message-error [data-countdown]").wait_for()


def token(page: Page) -> None:
    """Make a token, and see it once."""
    page.locator("form[action='/tokens/'] input[name=name]").fill("a script")
    page.locator("form[action='/tokens/'] button").click()
    page.locator("#new-token").wait_for()
    page.locator("#new-token").evaluate("field => field.value = field.value.slice(0, 12) + '…'")


def wrong_password(page: Page) -> None:
    """Try a password."""
    page.locator("#id_username").fill("ada")
    page.locator("#id_password").fill("guess")
    page.locator("button[type=submit]").click()
    page.locator(".message-error").wait_for()


def opened(page: Page) -> None:
    """Open what is folded away on the page."""
    page.locator("main details:not(.menu) > summary").first.click()


SHOTS: dict[str, Shot] = {
    "overview": Shot("/"),
    "jobs": Shot("/jobs/?q="),
    "jobs-ticked": Shot("/jobs/?q=state:failed", tick, whole=False),
    "jobs-filter": Shot("/jobs/?q=kind:orders.sync+state:failed+since:7d", filters, whole=False),
    "jobs-none": Shot("/jobs/?q=tag:nowhere"),
    "views": Shot("/jobs/views/"),
    "job": Shot("/jobs/{aggregated}/"),
    "job-running": Shot("/jobs/{running}/"),
    "job-waiting": Shot("/jobs/{waiting}/"),
    "job-family": Shot("/jobs/{family}/"),
    "job-failed": Shot("/jobs/{failed}/", opened),
    "job-changed": Shot("/jobs/{failed}/rerun/changed/"),
    "bulk": Shot("/jobs/bulk/?action=retry&all=1&q=state:failed"),
    "bulk-running": Shot("/jobs/{bulk_running}/"),
    "bulk-done": Shot("/jobs/{bulk_done}/"),
    "new-job": Shot("/submit/"),
    "submit": Shot("/submit/datasets.aggregate/"),
    "submit-fields": Shot("/submit/newsletters.send/"),
    "submit-wrong": Shot("/submit/newsletters.send/", wrong),
    "submit-full": Shot("/submit/mail.digest/", refused),
    "queues": Shot("/queues/"),
    "queue": Shot("/queues/default/"),
    "queue-paused": Shot("/queues/mail/"),
    "workers": Shot("/workers/"),
    "failures": Shot("/failures/"),
    "failure": Shot("/failures/{fingerprint}/"),
    "statistics": Shot("/statistics/"),
    "schedules": Shot("/schedules/"),
    "schedule": Shot("/schedules/{schedule}/"),
    "reports": Shot("/reports/"),
    "report": Shot("/reports/{schedule}/"),
    "planner": Shot("/planner/?queue=documents&arrival_rate=2.6&service_seconds=1.4&slots=5&target_seconds=2"),
    "datasets": Shot("/datasets/"),
    "dataset": Shot("/datasets/{dataset}/"),
    "timeline": Shot("/timeline/"),
    "tokens": Shot("/tokens/"),
    "token-made": Shot("/tokens/", token),
    "webhooks": Shot("/webhooks/"),
    "webhook": Shot("/webhooks/{webhook}/"),
    "audit": Shot("/audit/", opened),
    "palette": Shot("/jobs/", palette, whole=False),
    "keys": Shot("/jobs/", keys, whole=False),
    "admin": Shot("/admin/"),
    "admin-jobs": Shot("/admin/jobs_app/job/"),
    "flower": Shot("/flower/", whole=False),
    "login": Shot("/login/", wrong_password, who="", whole=False),
    "not-found": Shot("/nowhere", whole=False),
}
EMPTY = (
    "overview", "jobs", "jobs-none", "views", "new-job", "submit", "queues", "queue", "workers", "failures",
    "statistics", "schedules", "reports", "planner", "datasets", "timeline", "tokens", "webhooks", "audit", "bulk",
    "admin", "admin-jobs",
)  # fmt: skip
"""Pages of a ledger in which nothing has happened."""
