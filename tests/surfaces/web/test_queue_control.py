"""What people do to a queue on its page: pause it, let it go on, change its bounds; all others only read."""

from __future__ import annotations

import html
import re
from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from jobs_app.core import estimates, lane_control, lanes
from jobs_app.core.rollups.sums import EVERYONE
from jobs_app.models import Rollup
from jobs_app.models.guard import writing
from jobs_app.steps import Step
from tests.support.ledger import submitted
from tests.support.measures import SECOND, listening
from tests.support.speaking import speak
from tests.surfaces.web.conftest import logged_in

HTMX = {"HX-Request": "true"}


@pytest.fixture
def controllers(bob: User) -> Client:
    """A browser of bob's, who may control queues."""
    bob.user_permissions.add(Permission.objects.get(codename="control_queue"))
    return logged_in(bob)


def look(client: Client, **query: str) -> str:
    estimates.forget()
    answer = client.get(reverse("queue", args=["default"]), query, headers=HTMX if query else {})
    assert answer.status_code == 200
    return answer.content.decode()


def seen_in(drawn: str) -> str:
    found = re.search(r'name="seen" value="([^"]+)"', drawn)
    assert found is not None
    return html.unescape(found[1])


def change(client: Client, fields: dict[str, str], seen: str | None = None, **options: Any) -> HttpResponse:
    form = {"seen": seen or seen_in(look(client)), **fields}
    return client.post(reverse("queue-limits", args=["default"]), form, **options)


def test_a_queue_is_paused_and_goes_on(controllers: Client, now: datetime) -> None:
    listening("default", now)
    submitted(now=now)
    assert reverse("queue-resume", args=["default"]) not in look(controllers)
    answer = controllers.post(reverse("queue-pause", args=["default"]), follow=True)
    drawn = answer.content.decode()
    assert "Queue default is paused." in drawn
    assert "It was paused" in drawn
    assert ">Resume it</a>" in drawn
    assert reverse("queue-pause", args=["default"]) not in drawn
    controllers.post(reverse("queue-resume", args=["default"]))
    assert lanes.policy("default").paused_at is None


def test_buttons_turn_when_somebody_else_paused_it(controllers: Client, now: datetime) -> None:
    assert "queue-buttons" not in look(controllers, part="standing", paused="no")
    lane_control.pause("default", None, now)
    turned = look(controllers, part="standing", paused="no")
    assert 'id="queue-buttons" hx-swap-oob="true"' in turned
    assert reverse("queue-resume", args=["default"]) in turned
    assert "queue-buttons" not in look(controllers, part="standing", paused="yes")


def test_everybody_else_only_reads(alices: Client, controllers: Client) -> None:
    change(controllers, {"limit": "2000"})
    drawn = look(alices)
    assert "2,000" in drawn
    assert "<form" not in drawn.partition("<main")[2].partition("</main>")[0]
    for verb in ("queue-pause", "queue-resume", "queue-limits"):
        answer = alices.post(reverse(verb, args=["default"]), {"limit": "5", "window": "none"})
        assert answer.status_code == 403
        assert "expected the permission to control queues" in html.unescape(answer.content.decode())
    assert (lanes.policy("default").limit, lanes.policy("default").paused_at) == (2000, None)


def test_bounds_are_changed_and_what_they_were_is_said(controllers: Client) -> None:
    answer = change(controllers, {"limit": "2,000", "user_share": "0,3"}, follow=True)
    said = html.unescape(answer.content.decode())
    assert "Limit: 10,000 (by QUEUE_LIMIT) → 2,000" in said
    assert "Share of a user: 5,000 (by USER_SHARE) → 600 (0.3 of the limit)" in said
    assert "Low water: 9,000 (by QUEUE_LOW_WATER) → 1,800" in said, "it follows the limit"
    policy = lanes.policy("default")
    assert (policy.limit, policy.user_limit) == (2000, 600)
    back = change(controllers, {"limit": "", "user_share": "0.3"}, headers=HTMX).content.decode()
    assert back.lstrip().startswith('<section id="limits"')
    assert "10,000 (by QUEUE_LIMIT)</td>" in back
    assert "Share of a token" in back
    assert lanes.policy("default").limit == 10_000


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "htmx"])
def test_what_does_not_fit_is_said_at_its_field_and_nothing_typed_is_lost(
    controllers: Client, headers: dict[str, str]
) -> None:
    answer = change(controllers, {"limit": "many", "window": "0", "user_share": "0.4"}, headers=headers)
    assert answer.status_code == 422
    drawn = html.unescape(answer.content.decode())
    assert "expected a whole number of jobs, 1 to 100,000,000, got many" in drawn
    assert "expected a whole number of messages, 1 to 100,000, got 0" in drawn
    for typed in ('name="limit" value="many"', 'name="window" value="0"', 'name="user_share" value="0.4"'):
        assert typed in drawn
    assert drawn.count('aria-invalid="true"') == 2
    assert lanes.policy("default") == lanes.policy_of(None, lane_control.conf.current())


def test_bounds_that_do_not_fit_together_are_said_at_their_field(controllers: Client) -> None:
    answer = change(controllers, {"limit": "10", "low_water": "10"})
    assert answer.status_code == 422
    assert "expected less than limit, which is 10, got 10; change both" in html.unescape(answer.content.decode())


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "htmx"])
def test_somebody_who_was_quicker_is_noticed_and_nothing_typed_is_lost(
    controllers: Client, now: datetime, headers: dict[str, str]
) -> None:
    seen = seen_in(look(controllers))
    lane_control.set_limits("default", actor=None, now=now, limit=300, window=9)
    answer = change(controllers, {"limit": "200", "window": "9"}, seen, headers=headers)
    assert answer.status_code == 409
    assert answer.headers.get("HX-Retarget", "") == ("#limits" if headers else "")
    drawn = html.unescape(answer.content.decode())
    assert "expected limit to be the setting's still; somebody has changed it to 300 meanwhile" in drawn
    assert 'name="limit" value="200"' in drawn
    assert lanes.policy("default").limit == 300
    again = change(controllers, {"limit": "200", "window": "9"}, seen_in(answer.content.decode()))
    assert again.status_code == 302
    assert lanes.policy("default").limit == 200


def test_anothers_change_of_another_bound_stays(controllers: Client, now: datetime) -> None:
    seen = seen_in(look(controllers))
    lane_control.set_limits("default", actor=None, now=now, window=9)
    assert change(controllers, {"limit": "200"}, seen).status_code == 302
    assert (lanes.policy("default").limit, lanes.policy("default").window) == (200, 9)


@pytest.mark.parametrize("seen", ["", "[1]", "{", '{"limit": "x", "window": [1]}', "1" * 2000, '{"limit": true}'])
def test_a_form_from_elsewhere_is_about_the_bounds_as_they_are(controllers: Client, seen: str) -> None:
    answer = controllers.post(reverse("queue-limits", args=["default"]), {"seen": seen, "limit": "70"})
    assert answer.status_code == 302
    assert lanes.policy("default").limit == 70


def test_there_is_no_such_queue(controllers: Client, alices: Client) -> None:
    for client in (controllers, alices):
        assert client.post(reverse("queue-limits", args=["nowhere"]), {"limit": "5"}).status_code == 404
        assert client.get(reverse("queue", args=["nowhere"]), {"part": "charts"}, headers=HTMX).status_code == 404
    assert controllers.post(reverse("queue-pause", args=["nowhere"])).status_code == 404


def test_the_last_hour_shows_waits_beside_the_oldest_age_and_refusals(alices: Client, now: datetime) -> None:
    minute = Step.MINUTE.floor(now)
    with writing():
        for back, wait in ((30, {"60": 3}), (2, {"200": 3})):
            Rollup.objects.create(
                step=Step.MINUTE, at=minute - back * 60 * SECOND, queue="default", kind="probe.nothing", owner=EVERYONE,
                started=3, wait=wait, refused={"full": 4, "user share": 1},
            )  # fmt: skip
    drawn = look(alices, part="charts")
    assert "Waits of jobs that were started, over the last hour" in drawn
    assert "half:" in drawn
    assert "not all counted yet" in drawn
    assert "10 submissions refused in the last hour: full 8, user share 2." in drawn
    assert "Refused a minute, over the last hour" in drawn


def test_a_queue_leads_to_what_its_jobs_wait_for(alices: Client, carol: User, now: datetime) -> None:
    submitted(now=now)
    speak("w@a", now, draining=True)
    operators = look(logged_in(carol))
    assert "Its workers are drained and take no jobs; resume one, or start another." in operators
    assert f'<a href="{reverse("workers")}">Look at the workers</a>' in operators
    assert "/jobs/?q=queue%3Adefault+state%3Aqueued" in operators
    assert "Look at the workers" not in look(alices)


def test_a_queues_page_takes_as_many_queries_however_deep_it_is(
    alices: Client, now: datetime, django_assert_max_num_queries: Any
) -> None:
    for _ in range(20):
        submitted(now=now)
    for query, most in (({}, 45), ({"part": "standing", "paused": "no"}, 32), ({"part": "charts"}, 14)):
        with django_assert_max_num_queries(most):
            look(alices, **query)
