"""The pages of webhooks: made, shown once, changed, sent again, removed; and nobody else's."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from jobs_app.core.rollups import rolling
from jobs_app.core.webhooks import endpoints, sending
from jobs_app.core.webhooks.endpoints import Wanted
from jobs_app.lifecycle import State
from jobs_app.models import Delivery, Endpoint, Job
from tests.support.ledger import reaching
from tests.surfaces.web.conftest import logged_in

FILLED = {"name": "billing", "url": "https://example.org/hook", "states": ["failed", "succeeded"], "enabled": "on"}


@pytest.fixture
def row(alice: User, now: datetime) -> Endpoint:
    """A webhook of alice's that was told of one end."""
    made, _ = endpoints.make(alice, Wanted("billing", "https://example.org/hook"), now=now)
    reaching(State.SUCCEEDED, owner=alice, now=now)
    rolling.roll(now=now)
    return made


def test_a_webhook_is_made_and_its_secret_shown_once(alices: Client) -> None:
    assert "You have none yet" in alices.get("/webhooks/").content.decode()
    answer = alices.post("/webhooks/", FILLED)
    made = Endpoint.objects.get()
    assert answer["Location"] == reverse("webhook", args=[made.pk])
    assert (made.states, made.kinds, made.enabled) == (["failed", "succeeded"], [], True)
    assert re.search(r'value="whsec_[\w+/=]{44}"', alices.get(answer["Location"]).content.decode())
    assert "whsec_" not in alices.get(answer["Location"]).content.decode()


@pytest.mark.parametrize(
    ("change", "said"),
    [({"url": "ftp://x"}, "expected a URL"), ({"states": []}, "required"), ({"name": ""}, "required")],
)
def test_what_cannot_work_comes_back_as_it_was_typed(alices: Client, change: dict[str, object], said: str) -> None:
    answer = alices.post("/webhooks/", {**FILLED, **change})
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert (change.get("url") or "https://example.org/hook") in answer.content.decode()
    assert not Endpoint.objects.exists()


def test_it_is_changed_renewed_and_removed(alices: Client, row: Endpoint) -> None:
    address = reverse("webhook", args=[row.pk])
    assert alices.post(address, {**FILLED, "name": "books", "kinds": ["system.echo"]}).status_code == 302
    changed = Endpoint.objects.get()
    assert (changed.name, changed.kinds) == ("books", ["system.echo"])
    assert alices.post(reverse("webhook-renew", args=[row.pk])).status_code == 302
    assert bytes(Endpoint.objects.get().sealed) != bytes(changed.sealed)
    assert "whsec_" in alices.get(address).content.decode()
    assert alices.post(reverse("webhook-remove", args=[row.pk])).status_code == 302
    assert not Endpoint.objects.exists()


def test_the_log_tells_how_a_delivery_stands_and_sends_it_again(alices: Client, row: Endpoint, now: datetime) -> None:
    address = reverse("webhook", args=[row.pk])
    assert "waits" in alices.get(address).content.decode()
    sending.send(now=now)
    page = alices.get(address).content.decode()
    assert "job.succeeded" in page
    assert "state-queued" in page
    answer = alices.post(reverse("webhook-replay", args=[Delivery.objects.get().pk]))
    assert answer["Location"] == address
    assert "sent 2 times" in alices.get(address).content.decode()
    assert Job.objects.filter(kind="webhooks.deliver").count() == 2


def test_the_log_costs_the_same_however_long(
    alices: Client, alice: User, row: Endpoint, now: datetime, django_assert_max_num_queries: object
) -> None:
    for _ in range(5):
        reaching(State.FAILED, owner=alice, now=now)
    rolling.roll(now=now)
    sending.send(now=now)
    with django_assert_max_num_queries(12):  # type: ignore[operator]
        alices.get(reverse("webhook", args=[row.pk]))


def test_a_stranger_finds_none_of_it(bob: User, row: Endpoint) -> None:
    browser = logged_in(bob)
    delivery = Delivery.objects.get().pk
    for name, key in (("webhook", row.pk), ("webhook-renew", row.pk), ("webhook-remove", row.pk)):
        assert browser.post(reverse(name, args=[key]), FILLED).status_code == 404
    assert browser.get(reverse("webhook", args=[row.pk])).status_code == 404
    assert browser.post(reverse("webhook-replay", args=[delivery])).status_code == 404
    assert "billing" not in browser.get("/webhooks/").content.decode()
