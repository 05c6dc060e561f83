"""Failures in the admin: the same groups, verbs and permissions as on the console."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs_app.core import failure_control
from jobs_app.models import AuditEntry, FailureGroup, Job
from tests.support.failing import failed, rolled
from tests.surfaces.admin.conftest import client_of

LIST = "/admin/jobs_app/failuregroup/"


def page_of(fingerprint: str) -> str:
    return f"{LIST}{fingerprint}/change/"


def listed(user: User, **query: str) -> list[str]:
    """The groups that a user's list shows, in order."""
    page = client_of(user).get(LIST, query).content.decode()
    return list(dict.fromkeys(re.findall(rf"{LIST}([0-9a-f]+)/change/", page)))


def said(answer: Any) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


@pytest.fixture
def group(alice: User, now: datetime) -> str:
    fingerprint = failed(alice, now=now, error="no more paper").fingerprint
    rolled(now)
    return fingerprint


def test_groups_are_listed_latest_first_to_those_who_may_see_them(
    viewer: User, submitter: User, group: str, now: datetime
) -> None:
    later = now + timedelta(minutes=1)
    own = failed(submitter, now=later, error="no ink").fingerprint
    rolled(later)
    assert listed(viewer) == [own, group]
    assert listed(submitter) == [own]
    assert client_of(submitter).get(page_of(group)).status_code == 302  # not found: to the index
    assert "no more paper" in client_of(viewer).get(page_of(group)).content.decode()


def test_filters_by_status_and_kind(viewer: User, group: str, now: datetime) -> None:
    assert listed(viewer, status="open", kind="probe.nothing") == [group]
    assert listed(viewer, status="resolved") == listed(viewer, kind="system.echo") == []


@pytest.mark.parametrize(("verb", "becomes"), [("resolve", "resolved"), ("ignore", "ignored"), ("reopen", "open")])
@pytest.mark.parametrize("place", ["list", "page"])
def test_an_operator_says_what_is_made_of_them(
    operator: User, group: str, now: datetime, verb: str, becomes: str, place: str
) -> None:
    if verb == "reopen":
        failure_control.resolve(group, actor=None, now=now)
    if place == "list":
        form = {"action": f"{verb}_selected", "_selected_action": [group]}
        assert said(client_of(operator).post(LIST, form))[0].startswith("1 failure ")
    else:
        client_of(operator).post(f"{LIST}{group}/{verb}/", {"_form_submitted": "True"})
    row = FailureGroup.objects.get()
    assert (row.status, row.status_by) == (becomes, operator)
    entry = AuditEntry.objects.get(actor="operators")
    assert (entry.action, entry.surface) == (f"failure.{verb}", "admin")


def test_who_only_looks_changes_nothing(viewer: User, group: str) -> None:
    client = client_of(viewer)
    assert "Resolve" not in client.get(page_of(group)).content.decode()
    client.post(LIST, {"action": "resolve_selected", "_selected_action": [group]})
    for verb in ("resolve", "ignore", "reopen"):
        assert client.post(f"{LIST}{group}/{verb}/", {"_form_submitted": "True"}).status_code == 403
    assert FailureGroup.objects.get().status == "open"


def test_to_retry_all_leads_to_where_a_bulk_action_asks(operator: User, group: str) -> None:
    client = client_of(operator)
    answer = client.get(f"{LIST}{group}/retry-all/", follow=True)
    assert "Retry 1 job?" in answer.content.decode()
    assert Job.objects.count() == 1


def test_notes_are_for_those_who_see_all(submitter: User, viewer: User, now: datetime) -> None:
    own = failed(submitter, now=now).fingerprint
    rolled(now)
    failure_control.ignore(own, actor=None, now=now, note="a word among us")
    assert "a word among us" in client_of(viewer).get(page_of(own)).content.decode()
    assert "a word among us" not in client_of(submitter).get(page_of(own)).content.decode()


def test_no_list_without_the_permission_to_see_jobs(member: Callable[..., User]) -> None:
    assert client_of(member()).get(LIST).status_code == 403


def test_the_list_is_one_query_of_groups(viewer: User, alice: User, group: str, now: datetime) -> None:
    for number in range(3):
        failed(alice, now=now, error=f"{'x' * (number + 1)} broke")
    rolled(now)
    client = client_of(viewer)
    with CaptureQueriesContext(connection) as queries:
        client.get(LIST)
    (rows,) = [each["sql"] for each in queries if "failuregroup" in each["sql"]]
    assert rows.count('JOIN "jobs_app_failuresight"') == 1
    assert "COUNT(" not in rows
