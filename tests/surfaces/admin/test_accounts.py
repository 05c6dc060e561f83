"""Users and groups: nobody raises themselves, or takes over a stronger account."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from django.contrib.auth.models import Group, User
from pytest_django import DjangoAssertNumQueries

from jobs_app.core import saved_views, tokens
from tests.support.ledger import submitted
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


def test_who_has_done_nothing_may_be_deleted(chief: User, alice: User) -> None:
    client = client_of(chief)
    assert "Yes, I" in client.get(address(alice, "delete")).content.decode()
    assert client.post(address(alice, "delete"), {"post": "yes"}).status_code == 302
    assert not User.objects.filter(username="alice").exists()


@pytest.mark.parametrize("has", ["jobs", "token", "view"])
def test_who_has_used_weir_stays_and_what_they_have_is_not_gone_through(
    chief: User, alice: User, now: datetime, has: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(3):
        if has == "jobs":
            submitted(owner=alice, now=now)
        elif has == "token":
            tokens.issue(alice, f"script {number}", now=now)
        else:
            saved_views.save(alice, f"view {number}", "state:failed", now=now)
    client = client_of(chief)
    with django_assert_max_num_queries(20):
        page = client.get(address(alice, "delete")).content.decode()
    assert "alice has used Weir: make the account inactive instead" in page
    assert "Yes, I" not in page
    client.post(address(alice, "delete"), {"post": "yes"})
    client.post("/admin/auth/user/", {"action": "delete_selected", "_selected_action": [str(alice.pk)], "post": "yes"})
    assert User.objects.filter(username="alice").exists()
