"""API tokens on their page: shown once, listed, revoked."""

from __future__ import annotations

import re

from django.contrib.auth.models import User
from django.test import Client

from jobs_app.core import clock, tokens
from jobs_app.models import Token
from tests.surfaces.web.conftest import logged_in


def make(client: Client, name: str = "my script", days: str = "30") -> str:
    return client.post("/tokens/", {"name": name, "days": days, "scopes": ["jobs:read"]}).content.decode()


def test_a_token_is_shown_once_and_works(alices: Client, alice: User) -> None:
    shown = make(alices)
    found = re.search(r'value="(weir_[^"]+)"', shown)
    assert found
    assert tokens.authenticate(found[1], now=clock.database_now()).owner == alice
    later = alices.get("/tokens/").content.decode()
    assert found[1] not in later
    assert "my script" in later
    assert found[1][:12] in later


def test_a_bad_token_request_is_said_at_its_field(alices: Client) -> None:
    for name, days, words in (
        ("", "30", "required"),
        ("a", "0", "greater than or equal to 1"),
        (" \t", "3", "required"),
    ):
        assert words in make(alices, name, days)
    assert not Token.objects.exists()


def test_a_revoked_token_ends_at_once(alices: Client, alice: User) -> None:
    make(alices)
    token = Token.objects.get()
    answer = alices.post(f"/tokens/{token.pk}/revoke/", follow=True)
    assert "no longer works" in answer.content.decode()
    token.refresh_from_db()
    assert token.revoked_at is not None


def test_tokens_of_others_are_neither_seen_nor_revoked(alices: Client, bob: User) -> None:
    make(alices)
    browser = logged_in(bob)
    assert "my script" not in browser.get("/tokens/").content.decode()
    assert browser.post(f"/tokens/{Token.objects.get().pk}/revoke/").status_code == 404
    assert Token.objects.get().revoked_at is None
