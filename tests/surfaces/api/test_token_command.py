"""``manage.py token``."""

from __future__ import annotations

from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from jobs_app.models import Token

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("token", *arguments, stdout=out)
    return out.getvalue()


def test_it_prints_the_token_alone(alice: User) -> None:
    text = run("alice", "--name", "script", "--days", "3")
    assert text.count("\n") == 1
    client = Client(headers={"Authorization": f"Bearer {text.strip()}"})
    (token,) = client.get("/api/tokens").json()["tokens"]
    assert token["name"] == "script"
    row = Token.objects.get()
    assert (row.expires_at - row.created_at).days == 3


def test_it_makes_an_ordinary_user_when_asked() -> None:
    run("newcomer", "--create-user")
    run("newcomer", "--create-user")
    user = User.objects.get(username="newcomer")
    assert not user.has_usable_password()
    assert (user.is_staff, user.is_superuser) == (False, False)
    assert user.tokens.count() == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["nobody"], 3), (["a b", "--create-user"], 2), (["alice", "--days", "0"], 2), (["alice", "--name", ""], 2)],
)
def test_a_mistake_has_its_exit_code(alice: User, arguments: list[str], code: int) -> None:
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    assert caught.value.returncode == code
    assert not Token.objects.exists()
