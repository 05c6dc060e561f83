"""The ways through the console: one line a page, in the order in which they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.urls import NoReverseMatch, reverse

from jobs_app.web import flower_links

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

SEE_ALL = "jobs_app.see_all_jobs"
STAFF = "staff"


@dataclass(frozen=True)
class Entry:
    """A way to a page.

    section: what the page's context calls itself. needs: a permission, or STAFF; empty is everybody who is logged in.
    primary: it stays in sight where there is little room; the others are in the menu there.
    """

    name: str
    url_name: str
    icon: str
    section: str
    needs: str = ""
    primary: bool = False


@dataclass(frozen=True)
class Way:
    """An entry that this user may take, and where it leads."""

    entry: Entry
    url: str


GROUPS: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    (
        "Watch",
        (
            Entry("Overview", "home", "weir", "overview", primary=True),
            Entry("Jobs", "jobs", "jobs", "jobs", primary=True),
            Entry("New job", "kinds", "plus", "kinds", primary=True),
            Entry("Queues", "queues", "queue", "queues", primary=True),
            Entry("Workers", "workers", "worker", "workers", needs=SEE_ALL),
            Entry("Failures", "failures", "warn", "failures"),
            Entry("Statistics", "statistics", "curve", "statistics"),
        ),
    ),
    (
        "Plan",
        (
            Entry("Schedules", "schedules", "clock", "schedules", needs=SEE_ALL),
            Entry("Reports", "reports", "report", "reports"),
            Entry("Planner", "planner", "plan", "planner"),
        ),
    ),
    (
        "Data",
        (
            Entry("Datasets", "datasets", "file", "datasets"),
            Entry("Timeline", "timeline", "talk", "timeline"),
        ),
    ),
    (
        "Access",
        (
            Entry("Tokens", "tokens", "key", "tokens"),
            Entry("Audit", "audit", "shield", "audit", needs="jobs_app.view_audit"),
            Entry("Webhooks", "webhooks", "out", "webhooks"),
            Entry("API", "api:openapi-view", "book", "api"),
            Entry("Admin", "admin:index", "gear", "admin", needs=STAFF),
        ),
    ),
)


def groups_for(user: User | AnonymousUser) -> list[tuple[str, list[Way]]]:
    """The ways that this user may take, in their groups; an application may leave pages of kinds out."""
    found = [(name, [way for entry in entries if (way := _way(entry, user))]) for name, entries in GROUPS]
    if address := flower_links.address(user):
        found[-1][1].append(Way(Entry("Flower", "flower", "flower", "flower"), address))
    return [(name, ways) for name, ways in found if ways]


def _way(entry: Entry, user: User | AnonymousUser) -> Way | None:
    if entry.needs and not (user.is_staff if entry.needs == STAFF else user.has_perm(entry.needs)):
        return None
    try:
        return Way(entry, reverse(entry.url_name))
    except NoReverseMatch:
        return None
