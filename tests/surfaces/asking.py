"""Asking every route: pages, operations of the API, and the admin, with values for their parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.urls import reverse

from tests.surfaces import standing
from tests.surfaces.api.support import JSON

ENDLESS = ("/events", "/logout")
"""How addresses end that answer for as long as one likes, or after which nobody is logged in."""

ROUTES = list(standing.routes())
PAGES = [route for route in ROUTES if not route.space and route.name not in standing.OPEN]


def client(user: User) -> Client:
    """A browser of this user."""
    browser = Client(raise_request_exception=True)
    browser.force_login(user)
    return browser


def values(world: dict[str, Any], address: str, names: tuple[str, ...]) -> dict[str, Any]:
    """What this route's parameters are."""
    name = {"kinds": "system.echo", "queues": "default", "following": "bob"}
    named = next((value for word, value in name.items() if f"/{word}/" in address), world["artifact"])
    return {each: named if each == "name" else world.get(each, "1") for each in names}


@contextmanager
def undone() -> Iterator[None]:
    """What happens within leaves the world as it was."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def answers(browser: Client, address: str) -> dict[str, Any]:
    """What GET and POST get; a method that is not served is left out."""
    found = {}
    for method in ("GET", "POST"):
        with undone():
            answer = browser.generic(method, address)
            if answer.status_code != 405:
                found[method] = answer
    return found


def addresses_of_admin(world: dict[str, Any]) -> Iterator[tuple[standing.Route, str]]:
    """Every address of the admin, about what is in the world where its model is."""
    objects = {
        "job": "job_id", "token": "token_id", "artifact": "artifact_id", "user": "id", "failuregroup": "fingerprint",
        "endpoint": "webhook_id", "delivery": "delivery_id",
    }  # fmt: skip
    for route in ROUTES:
        # Who has logged out would be asking as nobody from there on.
        if route.space == "admin" and route.name not in {"", "app_list", "logout"}:
            key = objects.get(route.address.split("/")[3], "") if route.address.count("/") > 3 else ""
            about = world[key] if key else "default" if "/queue/" in route.address else "1"
            given = {name: about if name in {"object_id", "id"} else world.get(name, "1") for name in route.names}
            yield route, reverse(f"admin:{route.name}", kwargs=given)


def addresses(world: dict[str, Any]) -> Iterator[str]:
    """What may answer GET, about what is in the world, with what it has to be asked with; not what never ends.

    Flower is not there.
    """
    queries = [
        (re.sub(r"{\w+}", "[^/]+", operation.removeprefix("GET ")), query)
        for operation, query in standing.QUERIES.items()
    ]
    found = {address for _, address in addresses_of_admin(world)}
    for route in ROUTES:
        if route.space != "admin" and route.name not in standing.DESCRIBING and not route.address.startswith("/flower"):
            name = f"{route.space}:{route.name}" if route.space else route.name
            found.add(reverse(name, kwargs=values(world, route.address, route.names)))
    for address in sorted(found):
        if not address.rstrip("/").endswith(ENDLESS):
            yield address + next((query for path, query in queries if re.fullmatch(path, address)), "")


def bodies(operation: str, world: dict[str, Any]) -> tuple[str, ...]:
    """What an operation has to be sent before it asks who may."""
    body = json.dumps(standing.BODIES.get(operation)).replace("ARTIFACT", str(world["artifact_id"]))
    return (body, JSON) if operation in standing.BODIES else ()


def text_of(answer: Any) -> str:
    """The whole body."""
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return str(body.decode(errors="replace"))
