"""Lanes: what holds for a queue, and what people change of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User

from jobs_app import conf
from jobs_app.core import dispatch, lane_control, lanes, transport
from jobs_app.errors import InvalidRequest, NotAllowed, NotFound
from jobs_app.models import Queue
from jobs_app.models.guard import writing
from tests.support.ledger import fresh, submitted
from tests.support.together import at_once

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
PART = "expected a part of the limit, above 0 and at most 1 (0.25 is a quarter)"
MEND = "; change both, or leave it to the setting"


@pytest.fixture
def settled(configured: Callable[..., None]) -> None:
    """Settings with round figures."""
    configured(
        queue_limit=1000, queue_headroom=0.1, queue_low_water=0.9, user_share=0.5, token_share=0.25, window=100
    )  # fmt: skip


@pytest.fixture
def controller(alice: User) -> User:
    alice.user_permissions.add(Permission.objects.get(codename="control_queue"))
    return User.objects.get(pk=alice.pk)


def in_force(**columns: Any) -> dict[str, Any]:
    policy = lanes.policy_of(Queue(name="default", **columns), conf.current())
    return {name: getattr(policy, name) for name in ("limit", "hard_limit", "low_water", "user_limit", "token_limit")}


def columns() -> dict[str, Any]:
    return dict(Queue.objects.filter(name="default").values().get())


def test_without_a_row_the_settings_hold(settled: None) -> None:
    expected = lanes.Policy(
        limit=1000, hard_limit=1100, low_water=900, user_limit=500, token_limit=250, window=100, paused_at=None
    )  # fmt: skip
    assert lanes.policy_of(None, conf.current()) == expected
    assert lanes.policy("default") == expected
    assert lanes.policy_of(Queue(name="default"), conf.current()) == expected


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"limit": 200}, (200, 220, 180, 100, 50)),
        ({"limit": 200, "hard_limit": 300, "low_water": 0}, (200, 300, 0, 100, 50)),
        ({"user_share": 1.0, "token_share": 0.001}, (1000, 1100, 900, 1000, 1)),
        ({"limit": 1}, (1, 1, 0, 1, 1)),
        ({"limit": 100, "user_share": 0.29, "token_share": 0.57}, (100, 110, 90, 29, 57)),
        # The setting was changed after the row: the bounds still make sense together.
        ({"hard_limit": 10, "low_water": 5000}, (1000, 1000, 999, 500, 250)),
    ],
)
def test_a_rows_bounds_win_over_the_settings(settled: None, columns: dict[str, Any], expected: tuple[int, ...]) -> None:
    assert tuple(in_force(**columns).values()) == expected


def test_what_is_in_force_is_read_in_one_query(now: datetime, django_assert_num_queries: Any) -> None:
    lane_control.set_limits("default", actor=None, now=now, limit=77, window=5)
    with django_assert_num_queries(1):
        policy = lanes.policy("default")
    assert (policy.limit, policy.window) == (77, 5)


def test_a_paused_queue_sends_nothing_until_it_goes_on(now: datetime, controller: User) -> None:
    assert lane_control.pause("default", controller, now).paused_at == now
    job = submitted(now=now)
    assert dispatch.refill("default", now=now) == 0
    assert lanes.policy("default").paused_at == now
    assert lane_control.pause("default", controller, now + HOUR).paused_at == now, "since the first time"
    assert lane_control.resume("default", controller, now + HOUR).paused_at is None
    assert lane_control.resume("default", controller, now + HOUR).paused_at is None
    assert dispatch.refill("default", now=now) == 1
    assert fresh(job).dispatched_at == now


def test_resuming_and_more_room_have_the_queue_refilled(
    nudged: list[str], now: datetime, django_capture_on_commit_callbacks: Any
) -> None:
    lane_control.pause("default", None, now)
    with django_capture_on_commit_callbacks(execute=True):
        lane_control.resume("default", None, now)
    eventually_nudged(nudged, 1)
    with django_capture_on_commit_callbacks(execute=True):
        lane_control.resume("default", None, now)
    with django_capture_on_commit_callbacks(execute=True):
        lane_control.set_limits("default", actor=None, now=now, window=7)
    eventually_nudged(nudged, 2)


def eventually_nudged(nudged: list[str], times: int) -> None:
    assert transport.publisher.drain()
    assert nudged == ["default"] * times


def test_what_is_left_stays_and_none_is_the_settings_again(settled: None, now: datetime) -> None:
    lane_control.set_limits("default", actor=None, now=now, limit=50, hard_limit=60, user_share=0.2)
    lane_control.set_limits("default", actor=None, now=now, hard_limit=None, low_water=10)
    assert columns() == {
        "name": "default", "window": None, "paused_at": None, "limit": 50, "hard_limit": None, "low_water": 10,
        "user_share": 0.2, "token_share": None,
    }  # fmt: skip
    lane_control.set_limits("default", actor=None, now=now, limit=None, low_water=None, user_share=None)
    assert lanes.policy("default") == lanes.policy_of(None, conf.current())


@pytest.mark.parametrize(
    ("before", "wanted", "sentence"),
    [
        ({}, {"limit": 0}, "limit: expected a whole number of jobs, 1 to 100,000,000, got 0"),
        ({}, {"limit": True}, "limit: expected a whole number of jobs, 1 to 100,000,000, got True"),
        ({}, {"limit": 2.5}, "limit: expected a whole number of jobs, 1 to 100,000,000, got 2.5"),
        ({}, {"limit": 100_000_001}, "limit: expected a whole number of jobs, 1 to 100,000,000, got 100000001"),
        ({}, {"window": 0}, "window: expected a whole number of messages, 1 to 100,000, got 0"),
        ({}, {"low_water": -1}, "low_water: expected a whole number of jobs, 0 to 100,000,000, got -1"),
        ({}, {"user_share": 0}, f"user_share: {PART}, got 0"),
        ({}, {"token_share": 1.01}, f"token_share: {PART}, got 1.01"),
        ({}, {"user_share": float("nan")}, f"user_share: {PART}, got nan"),
        ({}, {"limit": 10, "low_water": 10}, "low_water: expected less than limit, which is 10, got 10" + MEND),
        ({}, {"low_water": 1000}, "low_water: expected less than QUEUE_LIMIT, which is 1,000, got 1,000" + MEND),
        ({}, {"hard_limit": 999}, "hard_limit: expected at least QUEUE_LIMIT, which is 1,000, got 999" + MEND),
        ({"limit": 10, "hard_limit": 20}, {"limit": 21},
         "hard_limit: expected at least limit, which is 21, got 20" + MEND),
        ({"limit": 10, "low_water": 5}, {"limit": 5},
         "low_water: expected less than limit, which is 5, got 5" + MEND),
        ({"limit": 10, "hard_limit": 20}, {"limit": None},
         "hard_limit: expected at least QUEUE_LIMIT, which is 1,000, got 20" + MEND),
    ],
)  # fmt: skip
def test_bounds_that_do_not_fit_are_refused_with_a_sentence(
    settled: None, now: datetime, before: dict[str, Any], wanted: dict[str, Any], sentence: str
) -> None:
    lane_control.set_limits("default", actor=None, now=now, **before)
    kept = columns() if before else None
    with pytest.raises(InvalidRequest) as raised:
        lane_control.set_limits("default", actor=None, now=now, **wanted)
    assert str(raised.value) == sentence
    assert kept is None or columns() == kept


def test_every_bound_of_the_row_can_be_set(now: datetime) -> None:
    own = {field.name for field in Queue._meta.fields} - {"name", "paused_at"}
    assert set(lane_control.BOUNDS) == own


def test_who_may_not_control_queues_changes_nothing(alice: User, now: datetime) -> None:
    for act in (
        lambda: lane_control.pause("default", alice, now),
        lambda: lane_control.resume("default", alice, now),
        lambda: lane_control.set_limits("default", actor=alice, now=now, limit=5),
    ):
        with pytest.raises(NotAllowed, match="expected the permission to control queues"):
            act()
    assert lanes.policy("default") == lanes.policy_of(None, conf.current())


@pytest.mark.parametrize("name", ["system", "nowhere", ""])
def test_there_is_no_such_queue(now: datetime, name: str) -> None:
    for act in (
        lambda: lane_control.pause(name, None, now),
        lambda: lane_control.resume(name, None, now),
        lambda: lane_control.set_limits(name, actor=None, now=now, limit=5),
    ):
        with pytest.raises(NotFound, match="expected a queue, such as default, got"):
            act()
    assert not Queue.objects.filter(name=name).exists()


def test_a_queue_that_the_settings_no_longer_have_can_still_be_paused(now: datetime) -> None:
    with writing():
        Queue.objects.create(name="former")
    assert lane_control.pause("former", None, now).paused_at == now


def test_who_did_what_is_logged_once_it_holds(
    controller: User, now: datetime, caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: Any
) -> None:
    caplog.set_level(logging.INFO, "jobs_app.core.lane_control")
    with django_capture_on_commit_callbacks(execute=True):
        lane_control.pause("default", controller, now)
        lane_control.pause("default", controller, now)
        lane_control.resume("default", None, now + HOUR)
        lane_control.set_limits("default", actor=controller, now=now, limit=2000, user_share=0.3)
        lane_control.set_limits("default", actor=controller, now=now, limit=2000)
        lane_control.set_limits("default", actor=controller, now=now, limit=None)
    assert [each.getMessage() for each in caplog.records] == [
        "Queue default was paused by user 'alice'",
        "Queue default was resumed after 3600 s by the system",
        "Queue default: limit the setting's -> 2,000, user_share the setting's -> 0.3 by user 'alice'",
        "Queue default: limit 2,000 -> the setting's by user 'alice'",
    ]


@pytest.mark.django_db(transaction=True)
def test_two_who_change_a_queue_at_once_both_have_their_way(quiet: None, nudged: list[str], now: datetime) -> None:
    at_once(
        lambda: lane_control.set_limits("default", actor=None, now=now, limit=40),
        lambda: lane_control.set_limits("default", actor=None, now=now, user_share=0.1),
    )
    assert (columns()["limit"], columns()["user_share"]) == (40, 0.1)
