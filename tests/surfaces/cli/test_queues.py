"""``jobs queues`` and ``jobs queue``: queues seen and controlled from the command line."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.contrib.auth.models import Permission, User

from jobs_app.core import lanes, presence
from tests.surfaces.cli.support import jobs

pytestmark = pytest.mark.django_db


def test_queues_are_listed_with_what_is_in_force_and_who_listens(now: datetime) -> None:
    presence.announce("worker@test/1", ["default"], 4, now=now)
    jobs("queue", "default", "--limit", 2000, "--pause")
    heading, row = jobs("queues").out.splitlines()
    assert " ".join(heading.split()) == ("NAME STANDS LIMIT LOW WATER HARD LIMIT A USER A TOKEN WINDOW WORKERS SLOTS")
    assert row.startswith("default  paused since ")
    assert row.split()[-8:] == ["2,000", "1,800", "2,200", "1,000", "1,000", "100", "1", "4"]
    (listed,) = jobs("queues", "--json").document
    assert (listed["name"], listed["limit"], listed["in_force"]["low_water"], listed["slots"]) == (
        "default", 2000, 1800, 4,
    )  # fmt: skip


def test_a_queue_is_shown_with_where_its_bounds_come_from() -> None:
    jobs("queue", "default", "--limit", "2000", "--user-share", "0.3")
    assert jobs("queue", "default").out.splitlines() == [
        "default  open",
        "limit                  2,000  (its own)",
        "low water              1,800  (by the settings)",
        "hard limit             2,200  (by the settings)",
        "a user may hold          600  (share 0.3)",
        "a token may hold       1,000  (by the settings)",
        "window                   100  (by the settings)",
        "worker processes           0  (0 slots)",
    ]


def test_a_queue_is_paused_changed_and_goes_on() -> None:
    changed = jobs("queue", "default", "--pause", "--limit", "50", "--low-water", "0", "--window", "3", "--json")
    assert (changed.code, changed.document["in_force"]["low_water"]) == (0, 0)
    assert changed.document["paused_at"] is not None
    back = jobs("queue", "default", "--resume", "--limit", "setting", "--low-water", "setting", "--json").document
    assert (back["paused_at"], back["limit"], back["low_water"], back["window"]) == (None, None, None, 3)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--limit", "many"), 2, "expected a whole number or “setting”, got 'many'"),
        (("--user-share", "half"), 2, "expected a number or “setting”, got 'half'"),
        (("--limit", "0"), 2, "limit: expected a whole number of jobs, 1 to 100,000,000, got 0"),
        (("--limit", "10", "--low-water", "10", "--pause"), 2, "low_water: expected less than limit, which is 10"),
        (("--pause", "--resume"), 2, "not allowed with argument"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_done(arguments: tuple[str, ...], code: int, said: str) -> None:
    ran = jobs("queue", "default", *arguments)
    assert ran.code == code
    assert said in ran.err
    assert lanes.policy("default").limit == 10_000
    assert lanes.policy("default").paused_at is None


def test_there_is_no_such_queue() -> None:
    for arguments in ((), ("--pause",), ("--limit", "5")):
        ran = jobs("queue", "nowhere", *arguments)
        assert ran.code == 3
        assert "expected a queue, such as default, got 'nowhere'" in ran.err


def test_a_user_needs_the_permission(alice: User, bob: User) -> None:
    for flags in (("--pause",), ("--limit", "5")):
        assert jobs("queue", "default", *flags, "--user", "alice").code == 4
    assert jobs("queue", "default", "--user", "alice").code == 0
    bob.user_permissions.add(Permission.objects.get(codename="control_queue"))
    assert jobs("queue", "default", "--pause", "--user", "bob").code == 0
    assert lanes.policy("default").paused_at is not None
