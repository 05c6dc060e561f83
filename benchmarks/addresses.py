"""Every address that answers GET, from the routes themselves: a page that is new is measured without being named."""

from __future__ import annotations

import re
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

LEFT_OUT = re.compile(r"/flower/|/jobs/bulk/$")
"""Flower itself is not here; the other is asked by ``bulk``."""

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
        reverse(f"{route.space}:{route.name}" if route.space else route.name, kwargs=_of(world, route))
        for route in ROUTES
        if route.space != "admin" and route.name not in standing.DESCRIBING
    }
    found |= {address for _, address in addresses_of_admin(dict(world))}
    for address in sorted(found):
        if not address.rstrip("/").endswith(ENDLESS) and not LEFT_OUT.match(address):
            yield Address(address + _query(address), listed=address == reverse("admin:jobs_app_job_changelist"))


def statistics() -> Iterator[Address]:
    """Statistics of every length of time that can be chosen, of all and told apart by what they can be."""
    for key in RANGES:
        for query in ({}, {"by": "queue"}, {"by": "owner"}, {"kind": "system.echo"}, {"owner": "owner7"}):
            yield Address("/statistics/?" + urlencode({"range": key, **query}))
        yield Address("/statistics/csv/?" + urlencode({"range": key}))


def bulk() -> Iterator[Address]:
    """Previews of an action on all jobs of a search."""
    for text in ("state:failed", "kind:datasets.aggregate", "param.rare:yes"):
        yield Address("/jobs/bulk/?" + urlencode({"action": "retry", "all": "1", "q": text}), listed=True)


def lists() -> Iterator[Address]:
    """Searches of the list of jobs: those that much fits, those that little fits, and those that nothing does."""
    for text in SEARCHES:
        yield Address("/jobs/?" + urlencode({"q": text}), listed=True)
    for text in SEARCHES[:3]:
        yield Address("/api/jobs?" + urlencode({"q": text}), listed=True)
    for text in ("", "owner:owner7", "tag:nightly", "param.rare:yes"):
        yield Address("/jobs/counts/?" + urlencode({"q": text}), listed=True)


def _query(address: str) -> str:
    """What an operation of the API has to be asked with."""
    for operation, query in standing.QUERIES.items():
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", operation.removeprefix("GET ")), address):
            return query
    return ""


def _of(world: Mapping[str, Any], route: standing.Route) -> dict[str, Any]:
    return values(dict(world), route.address, route.names)
