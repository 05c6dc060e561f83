"""Every address that answers GET, from the routes themselves: a page that is new is measured without being named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from jobs_app.web.statistics_query import RANGES
from tests.surfaces import standing
from tests.surfaces.asking import ROUTES, addresses_of_admin, values

ENDLESS = ("/events", "/logout")
"""How addresses end that answer for as long as one likes, or after which nobody is logged in."""

ELSEWHERE = "/flower/"
"""Answered by Flower itself, which is not here."""

SEARCHES = (
    "", "spawned:no", "state:failed", "state:active", "state:running", "state:succeeded", "state:blocked",
    "kind:datasets.aggregate", "kind:probe.nothing", "kind:no.such.kind", "queue:slow", "queue:none", "owner:alice",
    "owner:owner7", "owner:nobody", "tag:nightly", "tag:probe.nothing", "tag:none", "param.measure:delay",
    "param.rare:yes", "param.measure:none", "fingerprint:print3", "fingerprint:none", "since:1h", "since:7d",
    "before:20d", "since:21d before:20d", "owner:owner7 state:failed", "owner:owner7 state:blocked",
    "kind:system.echo state:failed queue:slow", "tag:nightly state:failed", "owner:owner3 tag:nightly since:10d",
    "param.measure:delay state:cancelled owner:owner9", "tag:nightly tag:probe.nothing", "state:failed before:29d",
    "kind:images.resize tag:probe.nothing", "spawned:no state:failed state:cancelled kind:webhooks.deliver since:2d",
)  # fmt: skip


@dataclass(frozen=True)
class Address:
    """One address. ``listed``: a search of the list of jobs."""

    path: str
    listed: bool = False


def pages(world: Mapping[str, Any]) -> Iterator[Address]:
    """Each route, about what is in ``world``; those that answer no GET among them."""
    found = {
        reverse(f"{route.space}:{route.name}" if route.space else route.name, kwargs=_of(world, route)): route
        for route in ROUTES
        if route.space != "admin" and route.name not in standing.DESCRIBING
    }
    found |= {address: route for route, address in addresses_of_admin(dict(world))}
    for address, route in sorted(found.items()):
        if not address.rstrip("/").endswith(ENDLESS) and not address.startswith(ELSEWHERE):
            query = standing.QUERIES.get(f"GET {route.address}", "") if route.space == "api" else ""
            yield Address(address + query, listed=address == reverse("admin:jobs_app_job_changelist"))


def statistics() -> Iterator[Address]:
    """Statistics of every length of time that can be chosen, of all and told apart by what they can be."""
    for key in RANGES:
        for query in ({}, {"by": "queue"}, {"by": "owner"}, {"kind": "system.echo"}, {"owner": "owner7"}):
            yield Address("/statistics/?" + urlencode({"range": key, **query}))
        yield Address("/statistics/csv/?" + urlencode({"range": key}))


def lists() -> Iterator[Address]:
    """Searches of the list of jobs: those that much fits, those that little fits, and those that nothing does."""
    for text in SEARCHES:
        yield Address("/jobs/?" + urlencode({"q": text}), listed=True)
    for text in SEARCHES[:3]:
        yield Address("/api/jobs?" + urlencode({"q": text}), listed=True)
    for text in ("", "owner:owner7", "tag:nightly", "param.rare:yes"):
        yield Address("/jobs/counts/?" + urlencode({"q": text}), listed=True)


def _of(world: Mapping[str, Any], route: standing.Route) -> dict[str, Any]:
    return values(dict(world), route.address, route.names)
