"""API tokens: shown once, stored as a digest, and only as good as their owner."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from jobs_app.core import tokens
from jobs_app.errors import InvalidRequest, NotAuthenticated
from jobs_app.models import Token

DAY = timedelta(days=1)


def test_a_token_opens_the_api_for_its_owner(alice: User, bob: User, now: datetime) -> None:
    _, text = tokens.issue(alice, "laptop", now=now)
    _, other = tokens.issue(bob, "laptop", now=now)
    assert tokens.authenticate(text, now=now).owner == alice
    assert tokens.authenticate(other, now=now).owner == bob


def test_the_token_itself_is_stored_nowhere(alice: User, now: datetime) -> None:
    row, text = tokens.issue(alice, " laptop ", now=now)
    stored = Token.objects.filter(id=row.id).values().get()
    assert not [name for name, value in stored.items() if text in str(value)]
    assert text.startswith(row.prefix)
    assert len(row.prefix) == 12
    assert row.name == "laptop"
    assert len(text) > 40


def test_tokens_are_all_different(alice: User, now: datetime) -> None:
    assert len({tokens.issue(alice, "same", now=now)[1] for _ in range(50)}) == 50


@pytest.mark.parametrize("text", ["", "weir_", "x" * 100_000, "weir_\0", "weir_\ud800", "Bearer weir_x", "é"])
def test_an_unknown_token_is_refused(db: None, now: datetime, text: str) -> None:
    with pytest.raises(NotAuthenticated, match="got an unknown one"):
        tokens.authenticate(text, now=now)


def test_a_changed_token_is_refused(alice: User, now: datetime) -> None:
    _, text = tokens.issue(alice, "laptop", now=now)
    for wrong in (text[:-1], text + "A", text.upper(), text.removeprefix("weir_"), f" {text}"):
        with pytest.raises(NotAuthenticated, match="got an unknown one"):
            tokens.authenticate(wrong, now=now)


def test_a_token_expires(alice: User, now: datetime) -> None:
    _, text = tokens.issue(alice, "laptop", now=now, days=1)
    assert tokens.authenticate(text, now=now + DAY - timedelta(seconds=1)).owner == alice
    with pytest.raises(NotAuthenticated, match=f"this one expired on {now + DAY:%Y-%m-%d}; make a new one"):
        tokens.authenticate(text, now=now + DAY)


def test_the_lifetime_follows_the_setting(alice: User, now: datetime, configured: Any) -> None:
    configured(token_days=7)
    assert tokens.issue(alice, "laptop", now=now)[0].expires_at == now + 7 * DAY


def test_a_revoked_token_is_refused(alice: User, now: datetime) -> None:
    row, text = tokens.issue(alice, "laptop", now=now)
    assert tokens.revoke(row, now=now)
    assert not tokens.revoke(row, now=now + DAY), "it had ended before"
    row.refresh_from_db()
    assert row.revoked_at == now
    with pytest.raises(NotAuthenticated, match="this one was revoked; make a new one"):
        tokens.authenticate(text, now=now)


def test_the_token_of_a_deactivated_user_is_refused(alice: User, now: datetime) -> None:
    _, text = tokens.issue(alice, "laptop", now=now)
    User.objects.update(is_active=False)
    with pytest.raises(NotAuthenticated, match="this one's owner has been deactivated"):
        tokens.authenticate(text, now=now)


def test_its_use_is_noted_once_a_minute(alice: User, now: datetime, django_assert_num_queries: Any) -> None:
    row, text = tokens.issue(alice, "laptop", now=now)
    with django_assert_num_queries(2):
        tokens.authenticate(text, now=now)
    with django_assert_num_queries(0):
        tokens.authenticate(text, now=now + timedelta(seconds=59))
    tokens.known.forget()
    with django_assert_num_queries(1):
        tokens.authenticate(text, now=now + timedelta(seconds=59))
    row.refresh_from_db()
    assert row.last_used_at == now
    tokens.authenticate(text, now=now + timedelta(seconds=61))
    row.refresh_from_db()
    assert row.last_used_at == now + timedelta(seconds=61)


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "tab\tbed", "\0"])
def test_a_bad_name_is_refused(alice: User, now: datetime, name: str) -> None:
    with pytest.raises(InvalidRequest, match="a name for the token of 1 to 100 printable characters"):
        tokens.issue(alice, name, now=now)
    assert not Token.objects.exists()


@pytest.mark.parametrize("days", [0, -1, 3651])
def test_a_bad_lifetime_is_refused(alice: User, now: datetime, days: int) -> None:
    with pytest.raises(InvalidRequest, match=f"a token's life of 1 to 3650 days, got {days}"):
        tokens.issue(alice, "laptop", now=now, days=days)
