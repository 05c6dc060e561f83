"""Queues in the admin: paused, let go on and bounded through the core, by those who may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client

from jobs_app.core import lane_control, lanes
from jobs_app.models import Queue
from tests.surfaces.admin.conftest import client_of

LIST = "/admin/jobs_app/queue/"
PAGE = f"{LIST}default/change/"
EMPTY = dict.fromkeys(lane_control.BOUNDS, "")


def said(answer: Any) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


def act(client: Client, action: str) -> list[str]:
    return said(client.post(LIST, {"action": action, "_selected_action": ["default"]}))


def test_operators_pause_a_queue_and_let_it_go_on(operator: User) -> None:
    client = client_of(operator)
    assert act(client, "pause_selected") == ["1 queue paused."]
    assert lanes.policy("default").paused_at is not None
    assert act(client, "resume_selected")[-1] == "1 queue resumed."
    assert lanes.policy("default").paused_at is None
    assert [each.change_message for each in LogEntry.objects.order_by("id")] == ["Paused.", "Resumed."]


def test_a_queues_page_has_the_one_button_that_makes_sense(operator: User) -> None:
    client = client_of(operator)
    for path, other, question in (
        ("pause", "resume", "Pause this queue?"),
        ("resume", "pause", "Let this queue go on?"),
    ):
        page = client.get(PAGE).content.decode()
        assert f"{LIST}default/{path}/" in page
        assert f"{LIST}default/{other}/" not in page
        assert question in client.get(f"{LIST}default/{path}/").content.decode()
        confirmed = {"_form_submitted": "True"}
        answer = client.post(f"{LIST}default/{path}/", confirmed, headers={"HX-Request": "true"})
        assert answer["HX-Redirect"] == PAGE
        assert (lanes.policy("default").paused_at is not None) is (path == "pause")


def test_operators_change_bounds_by_the_core(operator: User) -> None:
    client = client_of(operator)
    answer = client.post(PAGE, {**EMPTY, "limit": "2000", "user_share": "0.3"})
    assert answer.status_code == 302, answer.content.decode()
    policy = lanes.policy("default")
    assert (policy.limit, policy.user_limit, policy.low_water) == (2000, 600, 1800)
    page = client.get(PAGE).content.decode()
    assert "2,000 jobs may wait (2,200 with children" in page
    assert client.post(PAGE, EMPTY).status_code == 302
    assert lanes.policy("default").limit == 10_000
    row = Queue.objects.get()
    assert {getattr(row, name) for name in lane_control.BOUNDS} == {None}
    assert LogEntry.objects.count() == 2


def test_only_what_was_changed_on_the_page_is_written(operator: User, now: Any) -> None:
    page = {**EMPTY, "limit": "50"}
    lane_control.set_limits("default", actor=None, now=now, limit=50)
    assert client_of(operator).post(PAGE, {**page, "window": "7"}).status_code == 302
    assert (lanes.policy("default").limit, lanes.policy("default").window) == (50, 7)


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"limit": "10", "low_water": "10"}, "expected less than limit, which is 10, got 10; change both"),
        ({"hard_limit": "5"}, "expected at least QUEUE_LIMIT, which is 10,000, got 5; change both"),
        ({"limit": "0"}, "expected a whole number of jobs, 1 to 100,000,000, got 0"),
        ({"user_share": "1.5"}, "expected a part of the limit, above 0 and at most 1"),
    ],
)
def test_bounds_that_do_not_fit_are_told_beside_their_field(
    operator: User, form: dict[str, str], sentence: str
) -> None:
    answer = client_of(operator).post(PAGE, {**EMPTY, **form})
    assert answer.status_code == 200
    page = answer.content.decode()
    assert sentence in page
    assert "Constraint" not in page
    assert lanes.policy("default") == lanes.policy_of(None, lanes.conf.current())


@pytest.mark.parametrize("who", ["viewers", "submitters"])
def test_others_see_and_change_nothing(member: Callable[..., User], who: str) -> None:
    client = client_of(member(who))
    page = client.get(PAGE)
    assert page.status_code == 200
    assert "10,000 jobs may wait" in page.content.decode()
    assert 'name="limit"' not in page.content.decode()
    assert f"{LIST}default/pause/" not in page.content.decode()
    assert client.post(PAGE, {**EMPTY, "limit": "5"}).status_code == 403
    assert client.post(f"{LIST}default/pause/", {}).status_code == 403
    act(client, "pause_selected")
    policy = lanes.policy("default")
    assert (policy.limit, policy.paused_at) == (10_000, None)


def test_nobody_adds_or_deletes_a_queue(chief: User, member: Callable[..., User]) -> None:
    member()
    client = client_of(chief)
    assert client.get(f"{LIST}add/").status_code == 403
    assert client.post(f"{LIST}default/delete/", {"post": "yes"}).status_code == 403
    assert Queue.objects.filter(name="default").exists()
