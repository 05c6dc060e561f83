"""Every address that answers GET, from the routes themselves: a page that is new is measured without being named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from jobs_app.web.statistics_query import RANGES
from tests.surfaces.asking import addresses

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
    """Each route, about what is in ``world``; those that answer no GET among them. Previews are asked by ``bulk``."""
    for address in addresses(dict(world)):
        if address != reverse("bulk-preview"):
            yield Address(address, listed=address == reverse("admin:jobs_app_job_changelist"))


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
