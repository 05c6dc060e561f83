"""Users and groups: nobody raises themselves, or takes over a stronger account."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, User

from tests.surfaces.admin.conftest import client_of

CLERK = ("auth.view_user", "auth.change_user", "auth.add_user", "auth.view_group", "auth.change_group")
PASSWORD = {"password1": "a new password 99", "password2": "a new password 99", "usable_password": "true"}


@pytest.fixture
def clerk(member: Callable[..., User]) -> User:
    return member("", *CLERK)


def address(user: User, page: str = "change") -> str:
    return f"/admin/auth/user/{user.pk}/{page}/"


def test_superusers_keep_accounts(chief: User, alice: User) -> None:
    client = client_of(chief)
    assert client.get("/admin/auth/user/").status_code == 200
    assert client.get("/admin/auth/group/").status_code == 200
    assert client.get(address(alice)).status_code == 200
    assert client.post(address(alice, "password"), PASSWORD).status_code == 302
    assert User.objects.get(pk=alice.pk).check_password("a new password 99")


def test_who_keeps_accounts_hands_out_no_powers(clerk: User, alice: User) -> None:
    form = {"username": "alice", "email": "new@example.org", "is_active": "on", "date_joined_0": "2026-01-01",
            "date_joined_1": "00:00", "is_staff": "on", "is_superuser": "on",
            "groups": [str(Group.objects.get(name="operators").pk)]}  # fmt: skip
    for user in (alice, clerk):
        form["username"] = user.username
        assert client_of(clerk).post(address(user), form).status_code == 302
    alice, clerk = User.objects.get(pk=alice.pk), User.objects.get(pk=clerk.pk)
    assert (alice.email, alice.is_staff, alice.is_superuser, alice.groups.count()) == (
        "new@example.org",
        False,
        False,
        0,
    )
    assert (clerk.is_superuser, clerk.groups.count()) == (False, 0)


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("stronger", ["chief", "operator"])
def test_a_stronger_account_is_not_theirs_to_touch(
    clerk: User, request: pytest.FixtureRequest, stronger: str, active: bool
) -> None:
    user: User = request.getfixturevalue(stronger)
    user.is_active = active
    user.save()
    client, before = client_of(clerk), user.password
    assert client.post(address(user, "password"), PASSWORD).status_code == 403
    assert client.post(address(user), {"username": user.username, "is_active": "on"}).status_code == 403
    assert client.post(address(user, "delete"), {"post": "yes"}).status_code == 403
    after = User.objects.get(pk=user.pk)
    assert (after.password, after.is_active) == (before, active)


def test_groups_are_changed_by_superusers_alone(clerk: User) -> None:
    group = Group.objects.get(name="viewers")
    before = group.permissions.count()
    assert client_of(clerk).post(f"/admin/auth/group/{group.pk}/change/", {"name": "viewers"}).status_code == 403
    assert group.permissions.count() == before
