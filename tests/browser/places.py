"""Where the pages are, about what is in a small world (tests/support/world.py)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.urls import reverse
from playwright.sync_api import Page

from tests.surfaces import standing


def pages(page: Page, world: dict[str, Any], *, admin: bool = False) -> Iterator[str]:
    """Every page that GET shows to this browser, each job of the world among them; of the admin only when asked."""
    for route in standing.routes():
        of_admin = admin and route.space == "admin" and route.name.endswith(("_change", "_changelist"))
        if of_admin or (not route.space and route.name in standing.PAGES):
            yield from (each for each in _addresses(route, world) if _is_page(page, each))


def _addresses(route: standing.Route, world: dict[str, Any]) -> Iterator[str]:
    jobs = ("job_id", "failed", "running", "waiting") if route.name == "job" else ("job_id",)
    for key in jobs:
        known = {**world, "job_id": world[key], "name": "default", "id": 1}
        known["object_id"] = world["job_id"] if "/job/" in route.address else 1
        name = f"admin:{route.name}" if route.space else route.name
        yield reverse(name, kwargs={each: known.get(each, 1) for each in route.names})


def _is_page(page: Page, address: str) -> bool:
    """Not one for POST alone, nor a part of a page that htmx asks for."""
    answer = page.request.get(address)
    return answer.status == 200 and "<html" in answer.text()
