"""Tokens in the admin: shown once, made for oneself unless one is a superuser, revoked."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.messages import get_messages

from jobs_app.core import tokens
from jobs_app.errors import NotAuthenticated
from jobs_app.models import Token
from tests.surfaces.admin.conftest import client_of

ADD, LIST = "/admin/jobs_app/token/add/", "/admin/jobs_app/token/"
FORM = {"name": "nightly import", "days": "30", "scopes": ["jobs:read", "jobs:submit"]}


def shown(page: str) -> str | None:
    found = re.search(r'id="token"[^>]*>(weir_[\w-]{43})<', page)
    return found[1] if found else None


def revoke(user: User, *rows: Token) -> list[str]:
    form = {"action": "revoke_selected", "_selected_action": [row.pk for row in rows]}
    return [str(each) for each in get_messages(client_of(user).post(LIST, form).wsgi_request)]


def test_a_token_is_shown_once_and_works(submitter: User, now: datetime) -> None:
    client = client_of(submitter)
    answer = client.post(ADD, FORM)
    text = shown(answer.content.decode())
    assert text is not None
    assert "no-store" in answer["Cache-Control"]
    assert tokens.authenticate(text, now=now).owner == submitter
    row = Token.objects.get()
    assert (row.name, row.owner, (row.expires_at - row.created_at).days) == ("nightly import", submitter, 30)
    for address in (LIST, f"{LIST}{row.pk}/change/", f"{LIST}{row.pk}/history/", "/admin/"):
        assert text not in client.get(address).content.decode()
    assert text not in str(list(LogEntry.objects.values()))


@pytest.mark.parametrize(
    ("change", "word"),
    [({"name": ""}, "required"), ({"name": "x" * 101}, "100"), ({"days": "0"}, "1"), ({"days": "x"}, "number")],
)
def test_faults_stand_at_their_fields_and_no_token_is_made(submitter: User, change: dict[str, str], word: str) -> None:
    page = client_of(submitter).post(ADD, {**FORM, **change}).content.decode()
    assert shown(page) is None
    assert re.search(rf'id="id_{next(iter(change))}_error">\s*<li>[^<]*{word}', page)
    assert not Token.objects.exists()


def test_a_token_for_another_user_is_a_superusers_to_make(chief: User, operator: User, alice: User) -> None:
    assert shown(client_of(operator).post(ADD, {**FORM, "owner": "alice"}).content.decode())
    assert Token.objects.get().owner == operator  # the field is not theirs to fill in
    assert shown(client_of(chief).post(ADD, {**FORM, "owner": "alice"}).content.decode())
    assert Token.objects.latest("id").owner == alice
    alice.is_active = False
    alice.save()
    assert "active user" in client_of(chief).post(ADD, {**FORM, "owner": "alice"}).content.decode()
    assert Token.objects.count() == 2


def test_making_a_token_needs_the_permission(viewer: User) -> None:
    assert client_of(viewer).get(ADD).status_code == 403
    assert client_of(viewer).post(ADD, FORM).status_code == 403
    assert not Token.objects.exists()


def test_revoked_tokens_open_nothing(operator: User, alice: User, now: datetime) -> None:
    row, text = tokens.issue(alice, "hers", now=now)
    assert revoke(operator, row) == ["1 token revoked."]
    with pytest.raises(NotAuthenticated, match="revoked"):
        tokens.authenticate(text, now=now)
    assert LogEntry.objects.get().change_message == "Revoked."
    assert revoke(operator, row) == ["1 token revoked."]  # twice is no error, and no second record
    assert LogEntry.objects.count() == 1


def test_only_ones_own_tokens_unless_one_may_act_for_all(
    member: Callable[..., User], alice: User, now: datetime
) -> None:
    theirs, _ = tokens.issue(alice, "hers", now=now)
    viewer = member("viewers", "jobs_app.view_token")
    (message,) = revoke(viewer, theirs)
    assert "expected a token of yours" in message
    submitter = member("submitters")
    assert revoke(submitter, theirs) == []  # not among those one sees
    assert "hers" not in client_of(submitter).get(LIST).content.decode()
    own, _ = tokens.issue(submitter, "mine", now=now)
    assert revoke(submitter, own) == ["1 token revoked."]
    assert Token.objects.get(pk=theirs.pk).revoked_at is None


def test_the_list_says_which_are_valid(operator: User, alice: User, now: datetime) -> None:
    tokens.issue(alice, "good", now=now)
    tokens.issue(alice, "old", now=now - timedelta(days=100), days=90)
    gone, _ = tokens.issue(alice, "gone", now=now)
    tokens.revoke(gone, now=now)
    client = client_of(operator)
    page = client.get(LIST).content.decode()
    for word in ("valid", "expired", "revoked"):
        assert re.search(rf">\s*{word}\s*</span>", page)
    valid = client.get(LIST, {"valid": "yes"}).content.decode()
    assert "good" in valid
    assert ">old<" not in valid
    ended = client.get(LIST, {"valid": "no"}).content.decode()
    assert ">good<" not in ended
