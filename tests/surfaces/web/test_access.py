"""Who gets in, what leaves with a page, and how errors look."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

import jobs_app
from jobs_app.lifecycle import State
from jobs_app.reads import jobs
from jobs_app.web.urls import urlpatterns
from tests.support.ledger import reaching
from tests.surfaces.web.conftest import logged_in

OPEN = {"login", "logout"}
ARGUMENTS = {
    "job_id": str(uuid4()), "kind_name": "system.echo", "token_id": "1", "name": "default", "schedule_id": "1",
    "view_id": "1", "fingerprint": "0" * 16, "run": str(uuid4()), "path": "workers",
}  # fmt: skip
TEMPLATES = Path(jobs_app.__file__).parent / "templates"


def addresses() -> list[str]:
    """The address of every page but log in and log out."""
    found = []
    for pattern in urlpatterns:
        wanted = pattern.pattern.converters
        if pattern.name not in OPEN:
            found.append(reverse(pattern.name, kwargs={name: ARGUMENTS.get(name, "1") for name in wanted}))
    return found


@pytest.mark.parametrize("url", addresses())
def test_a_stranger_is_sent_to_log_in(db: None, url: str) -> None:
    for answer in (Client().get(url), Client().post(url)):
        assert answer.status_code == 302
        assert answer["Location"].startswith(reverse("login"))
        assert "no-store" in answer["Cache-Control"]


def test_a_fragment_for_a_stranger_reloads_the_page(db: None) -> None:
    answer = Client().get("/jobs/rows/", headers={"HX-Request": "true"})
    assert (answer["HX-Refresh"], answer.content) == ("true", b"")


def test_logging_in_and_out(alice: User) -> None:
    browser = Client()
    wrong = browser.post("/login/", {"username": "alice", "password": "wrong"})
    assert "enter a correct username and password" in wrong.content.decode()
    answer = browser.post("/login/", {"username": "alice", "password": "alice's password", "next": "/tokens/"})
    assert answer["Location"] == "/tokens/"
    assert browser.get("/logout/").status_code == 405
    assert browser.post("/logout/")["Location"] == "/login/"
    assert browser.get("/").status_code == 302


def test_pages_run_nothing_that_is_not_a_file_of_the_site(alices: Client, configured: Callable[..., None]) -> None:
    configured(stream_url="https://stream.example.org:8443/base")
    policy = alices.get("/")["Content-Security-Policy"]
    assert "default-src 'self';" in policy
    assert "connect-src 'self' https://stream.example.org:8443;" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "unsafe" not in alices.get("/nowhere")["Content-Security-Policy"]


def test_the_admin_has_a_policy_that_its_scripts_can_live_with(carol: User) -> None:
    policy = logged_in(carol).get("/admin/")["Content-Security-Policy"]
    assert "'unsafe-eval'" in policy
    assert "frame-ancestors 'none'" in policy


def test_the_api_and_its_description_are_left_alone(alices: Client) -> None:
    assert alices.get("/api/docs").status_code == 200
    assert "img-src 'self' data:; connect-src" not in alices.get("/api/docs").headers.get("Content-Security-Policy", "")


@pytest.mark.parametrize("template", sorted(TEMPLATES.glob("jobs_app/**/*.html")), ids=lambda path: path.name)
def test_templates_hold_no_inline_script_style_or_handler(template: Path) -> None:
    text = template.read_text()
    assert not re.search(r"\sstyle=|\son[a-z]+=|<style|javascript:|hx-on", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert not re.search(r"(src|href)=\"(https?:)?//", text)


@pytest.mark.parametrize(("url", "status", "words"), [("/nowhere", 404, "There is nothing here")])
def test_error_pages_are_friendly(alices: Client, url: str, status: int, words: str) -> None:
    answer = alices.get(url)
    assert answer.status_code == status
    assert words in answer.content.decode()


def test_a_form_without_its_token_says_what_to_do(alice: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    answer = strict.post("/submit/system.echo/", {"text": "x"})
    assert answer.status_code == 403
    assert "open too long" in answer.content.decode()


def test_a_fault_of_ours_shows_no_traceback(alices: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "job_page", lambda *_, **__: 1 / 0)
    alices.raise_request_exception = False
    answer = alices.get("/jobs/")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.content.decode()
    assert "ZeroDivisionError" not in answer.content.decode()


def test_a_ledger_that_is_away_is_said_with_a_time_to_come_back(
    alices: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(jobs, "job_page", away)
    answer = alices.get("/jobs/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "cannot be reached" in answer.content.decode()
    assert "server closed" not in answer.content.decode()


def test_every_input_has_a_label_and_the_page_a_way_past_its_header(alices: Client, alice: User) -> None:
    reaching(State.RUNNING, owner=alice)
    for url in ("/", "/jobs/", "/statistics/", "/submit/", "/submit/probe.everything/", "/tokens/"):
        text = alices.get(url).content.decode()
        assert 'class="skip" href="#main"' in text
        assert text.count("<h1") == 1
        fields = re.findall(r"<(?:input|select|textarea)\b[^>]*>", text)
        for field in fields:
            if (
                'type="hidden"' in field
                or 'type="checkbox"' in field
                or 'type="radio"' in field
                or 'type="file"' in field
            ):
                continue
            known = re.search(r'\sid="([^"]+)"', field)
            labelled = known is not None and f'for="{known[1]}"' in text
            assert labelled or "aria-label" in field or "-chosen" in field, field
