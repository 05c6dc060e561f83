"""What every page says to browsers; where a login leads; and the same in a process that is set up for HTTPS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.support.processes import ROOT
from tests.surfaces import standing
from tests.surfaces.web.conftest import logged_in

ELSEWHERE = (
    "https://evil.example/", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example",
    "javascript:alert(1)", "http:evil.example", " https://evil.example", "https:/evil.example", "data:text/html,x",
)  # fmt: skip
ASK = """
import json, django; django.setup()
from django.test import Client
answer = Client().get("/login/", secure=True, headers={"host": "localhost"})
plain = Client().get("/login/", headers={"host": "localhost"})
cookies = {name: bool(each["secure"]) for name, each in answer.cookies.items()}
print(json.dumps([dict(answer.headers), plain.status_code, plain.headers.get("Location"), cookies]))
"""


def test_pages_tell_browsers_to_be_careful(alice: User) -> None:
    for browser in (logged_in(alice), Client()):
        for address in ("/", "/login/", "/nowhere", "/tokens/", "/admin/login/"):
            headers = browser.get(address).headers
            assert headers["X-Content-Type-Options"] == "nosniff", address
            assert headers["X-Frame-Options"] == "DENY", address
            assert headers["Referrer-Policy"] == "same-origin", address
            assert headers["Cross-Origin-Opener-Policy"] == "same-origin", address
            policy = headers["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in policy, address
            assert "object-src 'none'" in policy, address
            assert "unsafe-inline" not in policy or address.startswith("/admin"), address


@pytest.mark.parametrize("place", ELSEWHERE)
def test_a_login_leads_nowhere_else(alice: User, place: str) -> None:
    given = {"username": "alice", "password": "alice's password", "next": place}
    assert Client().post("/login/", given)["Location"] == "/"
    assert Client().post(f"/login/?next={place}", given)["Location"] == "/"
    carried = logged_in(alice).get("/login/", {"next": place})  # whoever is logged in is sent on at once
    assert carried["Location"] == "/"


@pytest.mark.parametrize("place", ELSEWHERE)
def test_no_page_leads_elsewhere(alice: User, place: str) -> None:
    browser = logged_in(alice)
    for address in ("/", "/submit/system.echo/", "/timeline/", "/datasets/", "/tokens/"):
        answer = browser.get(address, {"next": place})
        assert "evil.example" not in answer.headers.get("Location", "")


def test_behind_https_everything_is_kept_there() -> None:
    environment = {**os.environ, "HTTPS": "true", "DJANGO_SETTINGS_MODULE": "project.settings"}
    process = subprocess.run(
        [sys.executable, "-c", ASK], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert process.returncode == 0, process.stderr
    headers, status, location, cookies = json.loads(process.stdout.splitlines()[-1])
    parts = headers["Strict-Transport-Security"].split("; ")
    assert int(parts[0].removeprefix("max-age=")) >= 31_536_000
    assert "includeSubDomains" in parts
    assert (status, location) == (301, "https://localhost/login/")
    assert cookies == {"csrftoken": True}


def test_forms_are_refused_without_their_token(alice: User) -> None:
    """The API's is asked in test_closed.py; here every page that takes a form."""
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    asked: list[Any] = []
    for route in standing.routes():
        if not route.space and route.name in standing.PAGES:
            address = route.address
            for part in [part for part in address.split("/") if part.startswith("<")]:
                value = "01900000-0000-7000-8000-000000000000" if "uuid" in part else "1"
                address = address.replace(part, value)
            asked.append((route.name, browser.post(address).status_code))
    assert len(asked) > 20
    assert [each for each in asked if each[1] != 403] == []
