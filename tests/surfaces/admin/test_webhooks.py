"""Webhooks in the admin: everybody their own, as on the console."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from jobs_app.core.webhooks import endpoints, sending
from jobs_app.core.webhooks.endpoints import Wanted
from jobs_app.lifecycle import State
from jobs_app.models import AuditEntry, Delivery, Endpoint, Job
from tests.support.ledger import reaching
from tests.surfaces.admin.conftest import client_of

ENDPOINTS, DELIVERIES = "/admin/jobs_app/endpoint/", "/admin/jobs_app/delivery/"
URL = "https://example.org/hook"


def said(answer: Any) -> list[str]:
    """The last message."""
    return [str(message) for message in get_messages(answer.wsgi_request)][-1:]


def act(client: Client, place: str, action: str, *rows: Any) -> list[str]:
    return said(client.post(place, {"action": action, "_selected_action": [str(row.pk) for row in rows]}))


def sent(owner: User, now: datetime, name: str = "billing") -> tuple[Endpoint, Delivery]:
    """An endpoint, and a message to it that was handed to a job."""
    endpoint, _ = endpoints.make(owner, Wanted(name, URL), now=now)
    sending.tell([reaching(State.FAILED, owner=owner, now=now).id], now=now)
    return endpoint, Delivery.objects.get(endpoint=endpoint)


def test_everybody_sees_their_own_whatever_they_may_see_of_jobs(operator: User, submitter: User, now: datetime) -> None:
    (theirs, their_message), (own, message) = sent(submitter, now, "theirs"), sent(operator, now, "ours")
    client = client_of(operator)
    pages = [client.get(each).content.decode() for each in (ENDPOINTS, DELIVERIES)]
    assert all("ours" in page and "theirs" not in page for page in pages)
    assert str(message.job) in pages[1]
    assert str(their_message.job) not in pages[1]
    for place, row in ((ENDPOINTS, own), (DELIVERIES, message)):
        page = client.get(f"{place}{row.pk}/change/")
        assert page.status_code == 200
        assert "whsec" not in page.content.decode()
    for place, row in ((ENDPOINTS, theirs), (DELIVERIES, their_message)):
        assert client.get(f"{place}{row.pk}/change/").status_code == 302  # not found: to the index


def test_one_is_switched_off_and_on_again(operator: User, now: datetime) -> None:
    endpoint, _ = sent(operator, now)
    client = client_of(operator)
    assert act(client, ENDPOINTS, "disable_selected", endpoint) == ["1 webhook switched off."]
    assert not Endpoint.objects.get().enabled
    assert sending.tell([reaching(State.FAILED, owner=operator, now=now).id], now=now) == 0
    act(client, ENDPOINTS, "disable_selected", endpoint)
    entry = AuditEntry.objects.get(action="webhook.change")
    assert (entry.before, entry.after, entry.surface) == ({"enabled": True}, {"enabled": False}, "admin")
    assert act(client, ENDPOINTS, "enable_selected", endpoint) == ["1 webhook switched on."]
    assert Endpoint.objects.get().enabled


def test_messages_are_sent_again(operator: User, submitter: User, now: datetime) -> None:
    _, message = sent(operator, now)
    _, theirs = sent(submitter, now)
    client = client_of(operator)
    assert act(client, DELIVERIES, "replay_selected", message, theirs) == ["1 message sent again."]
    assert [Delivery.objects.get(pk=row.pk).sent for row in (message, theirs)] == [2, 1]
    assert Job.objects.filter(kind="webhooks.deliver").count() == 3


@pytest.mark.parametrize("address", [f"{ENDPOINTS}add/", f"{DELIVERIES}add/"])
def test_nothing_is_made_here(chief: User, address: str) -> None:
    assert client_of(chief).get(address).status_code == 403


def test_the_log_is_by_endpoint_and_costs_the_same_for_many(operator: User, now: datetime) -> None:
    endpoint, message = sent(operator, now)
    client = client_of(operator)

    def cost(**query: Any) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert (str(message.job) in client.get(DELIVERIES, query).content.decode()) == ("0" not in query.values())
        return len(queries)

    few = cost()
    sending.tell([reaching(State.FAILED, owner=operator, now=now).id for _ in range(9)], now=now)
    assert cost() == few
    cost(endpoint=str(endpoint.pk))
    cost(endpoint="0")
