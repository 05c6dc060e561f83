"""Logins in the audit: of those with powers who came and went, of who did not get in; a flood of tries is counted."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from jobs_app.core import audit, logins
from jobs_app.models import AuditEntry

pytestmark = pytest.mark.django_db


def attempt(name: str, password: str = "wrong", *, page: str = "/login/", address: str = "192.0.2.7") -> Client:
    browser = Client(REMOTE_ADDR=address)
    browser.post(page, {"username": name, "password": password})
    return browser


def told() -> list[tuple[str, str, str, bool]]:
    return [
        (each.actor, each.action, each.subject, bool(each.refused)) for each in AuditEntry.objects.order_by("id")
    ]  # fmt: skip


def test_who_has_powers_is_written_down_when_they_come_and_go(alice: User, carol: User) -> None:
    attempt("carol", "carol's password").post("/logout/")
    attempt("alice", "alice's password").post("/logout/")
    assert told() == [("carol", "user.login", "user carol", False), ("carol", "user.logout", "user carol", False)]
    assert AuditEntry.objects.earliest("id").address == "192.0.2.7"
    alice.user_permissions.add(Permission.objects.get(codename="control_queue"))
    attempt("alice", "alice's password")
    assert told()[-1] == ("alice", "user.login", "user alice", False)


@pytest.mark.parametrize(("page", "surface"), [("/login/", "web"), ("/admin/login/", "admin")])
@pytest.mark.parametrize("name", ["alice", "no such user"])
def test_who_did_not_get_in_is_written_down_by_the_name_they_tried(
    alice: User, page: str, surface: str, name: str
) -> None:
    attempt(name, page=page)
    (entry,) = AuditEntry.objects.all()
    assert (entry.actor, entry.actor_key, entry.subject) == (audit.STRANGER, None, f"user {name}")
    assert (entry.surface, entry.address, entry.refused) == (surface, "192.0.2.7", logins.REFUSED)
    assert "wrong" not in str(entry.after)


def test_a_flood_of_tries_is_counted_and_does_not_fill_the_table(alice: User) -> None:
    for _ in range(100):
        attempt("alice")
    entries = list(AuditEntry.objects.order_by("id"))
    assert [each.after and each.after["times within an hour"] for each in entries] == [None, 2, 4, 8, 16, 32, 64]
    attempt("bob")
    attempt("alice", address="192.0.2.8")
    assert AuditEntry.objects.count() == len(entries) + 2


def test_so_is_one_of_many_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins, "PAIRS", 3)
    for number in range(40):
        attempt(f"user{number}")
    told = list(AuditEntry.objects.order_by("id").values_list("subject", flat=True))
    assert told == ["user user0", "user user1", "user user2"] + ["user (many names)"] * 6


def test_after_an_hour_tries_are_counted_anew() -> None:
    now = 5_000.0
    tries = logins.Tries(lambda: now)
    assert [tries.count("alice", "")[1] for _ in range(3)] == [1, 2, 3]
    now += logins.SECONDS
    assert tries.count("alice", "") == (("alice", ""), 1)


def test_refusals_of_the_system_are_not_used_up_by_strangers(alice: User, now: object) -> None:
    for number in range(audit.REFUSALS_A_MINUTE + 5):
        attempt(f"user{number}")
    assert AuditEntry.objects.count() == audit.REFUSALS_A_MINUTE + 5
