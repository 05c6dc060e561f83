"""Every address that answers GET, from the routes themselves: a page that is new is measured without being named."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import URLPattern, URLResolver, get_resolver

LEFT_OUT = re.compile(r"^(logout|login|static|media|stream)/|/events$|openapi\.json|^admin/(?!jobs_app/job/$|$)")
"""What is no page of the console (of the admin two are looked at), or answers for as long as one likes."""

LISTS = re.compile(r"^admin/jobs_app/job/$")
"""Lists of jobs beside the console's own."""

PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")

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


def pages(values: Mapping[str, str]) -> tuple[list[Address], list[str]]:
    """The addresses of every route whose parameters ``values`` has, and the routes that are left over."""
    found, over = [], []
    for route in sorted(set(_routes(get_resolver().url_patterns, ""))):
        wanted = PARAMETER.findall(route)
        if LEFT_OUT.search(route):
            continue
        if not all(name in values for name in wanted):
            over.append(route)
            continue
        path = "/" + PARAMETER.sub(lambda match: values[match[1]], route)
        found.append(Address(path, listed=bool(LISTS.search(route))))
    return found, over


def lists() -> Iterator[Address]:
    """Searches of the list of jobs: those that much fits, those that little fits, and those that nothing does."""
    for text in SEARCHES:
        yield Address("/jobs/?" + urlencode({"q": text}), listed=True)
    for text in SEARCHES[:3]:
        yield Address("/api/jobs?" + urlencode({"q": text}), listed=True)
    for text in ("", "owner:owner7", "tag:nightly", "param.rare:yes"):
        yield Address("/jobs/counts/?" + urlencode({"q": text}), listed=True)


def _routes(patterns: list[URLPattern | URLResolver], above: str) -> Iterator[str]:
    for each in patterns:
        route = above + str(each.pattern).lstrip("^")
        if isinstance(each, URLResolver):
            yield from _routes(each.url_patterns, route)
        elif not re.search(r"\(\?P|\$|\\", route):
            yield route
