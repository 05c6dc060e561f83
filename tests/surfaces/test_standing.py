"""Three standing users ask for everything: the owner, a teammate, and a stranger, who is told nothing."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from tests.support import reports
from tests.support import world as worlds
from tests.surfaces import standing
from tests.surfaces.api.support import client_of
from tests.surfaces.asking import PAGES, ROUTES, addresses_of_admin, answers, bodies, client, text_of, undone, values

CANARY = "canary-Ahqu4oh"
MISSING = {401, 403, 404}
POWERS = ("control_queue", "control_worker", "mark_deploy", "view_audit")
OPEN_IN_ADMIN = {"login", "jsi18n"}


@pytest.fixture
def world(alice: User, bob: User, carol: User, now: datetime) -> dict[str, Any]:
    """What alice owns, with the canary in every text; the values that the parameters of routes take."""
    carol.user_permissions.add(*Permission.objects.filter(codename__in=POWERS))
    reports.operator(carol)
    return worlds.made(alice, CANARY, now=now)


def test_every_route_has_a_line() -> None:
    pages = {route.name for route in PAGES}
    assert pages == set(standing.PAGES), "a page needs a line in tests/surfaces/standing.py"
    operations = set(standing.operations())
    assert operations == set(standing.OPERATIONS), "an operation needs a line in tests/surfaces/standing.py"
    known = {line.split(" ", 1)[1] for line in operations}
    for route in ROUTES:
        if route.space == "api" and route.name not in standing.DESCRIBING:
            address = route.address
            for name in route.names:
                address = address.replace(next(p for p in address.split("/") if p.endswith(f":{name}>")), f"{{{name}}}")
            assert address in known, "a route of the API that its description leaves out needs a test of its own"


@pytest.mark.parametrize("who", ["alice", "carol", "bob"])
def test_pages(world: dict[str, Any], who: str) -> None:
    browser = client(User.objects.get(username=who))
    wrong = []
    for route in PAGES:
        found = answers(browser, reverse(route.name, kwargs=values(world, route.address, route.names)))
        assert found, f"{route.name}: expected GET or POST to be served"
        for method, answer in found.items():
            let_in = answer.status_code not in MISSING
            to_login = answer.headers.get("Location", "").startswith("/login")
            told = who == "bob" and CANARY in text_of(answer)
            if let_in is not standing.PAGES[route.name][who] or answer.status_code >= 500 or to_login or told:
                wrong.append(f"{method} {route.name}: {answer.status_code}{', and tells' if told else ''}")
    assert not wrong, "\n".join(wrong)


def test_pages_know_nobody_who_is_not_logged_in(world: dict[str, Any]) -> None:
    for route in PAGES:
        address = reverse(route.name, kwargs=values(world, route.address, route.names))
        for answer in answers(Client(), address).values():
            assert answer.headers["Location"].startswith("/login/"), route.name
            assert CANARY not in text_of(answer), route.name


@pytest.mark.parametrize("who", ["alice", "carol", "bob"])
def test_operations(world: dict[str, Any], who: str) -> None:
    asker = User.objects.get(username=who)
    program, browser = client_of(asker), client(asker)
    wrong = []
    for operation in standing.operations():
        method, path = operation.split(" ")
        for name, value in values(world, path, tuple(re.findall(r"{(\w+)}", path))).items():
            path = path.replace(f"{{{name}}}", str(value))
        with undone():  # a token cannot make tokens
            asking = browser if path.startswith("/api/tokens") else program
            answer = asking.generic(method, path + standing.QUERIES.get(operation, ""), *bodies(operation, world))
        said = text_of(answer).replace(f"got {CANARY}", "").replace(f"got '{CANARY}'", "")
        let_in = answer.status_code not in MISSING
        told = who == "bob" and CANARY in said
        if let_in is not standing.OPERATIONS[operation][who] or answer.status_code >= 500 or told:
            wrong.append(f"{operation}: {answer.status_code} {said[:200]}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_the_admin_is_for_staff(world: dict[str, Any], who: str) -> None:
    browser = client(User.objects.get(username=who))
    for route, address in addresses_of_admin(world):
        for method, answer in answers(browser, address).items():
            assert answer.status_code in {302, 403, 404} or route.name in OPEN_IN_ADMIN, (method, address)
            assert CANARY not in text_of(answer), address


def test_the_admin_answers_a_teammate(world: dict[str, Any], carol: User) -> None:
    browser = client(carol)
    for _, address in addresses_of_admin(world):
        for method, answer in answers(browser, address).items():
            assert answer.status_code < 500, (method, address)
