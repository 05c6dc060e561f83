"""Resolve, ignore and open again do the same on every surface, to the same people."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from jobs_app.core import failure_control
from jobs_app.errors import WeirError
from jobs_app.models import AuditEntry, FailureGroup
from tests.support.failing import failed, rolled

pytestmark = pytest.mark.django_db

Act = Callable[[User, str, str, datetime], None]
"""One way for a user to resolve, ignore or reopen a group; refusals are not raised."""

BECOMES = {"resolve": "resolved", "ignore": "ignored", "reopen": "open"}


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def in_python(user: User, fingerprint: str, verb: str, now: datetime) -> None:
    try:
        getattr(failure_control, verb)(fingerprint, actor=user, now=now, note="a word")
    except WeirError:
        return


def over_http(user: User, fingerprint: str, verb: str, now: datetime) -> None:
    browser(user).post(f"/api/failures/{fingerprint}/{verb}", {"note": "a word"}, content_type="application/json")


def on_pages(user: User, fingerprint: str, verb: str, now: datetime) -> None:
    browser(user).post(reverse(f"failure-{verb}", args=[fingerprint]), {"note": "a word", "days": ""})


def on_the_command_line(user: User, fingerprint: str, verb: str, now: datetime) -> None:
    words = ("failure", fingerprint, f"--{verb}", "--note", "a word", "--user", user.username)
    try:
        call_command("jobs", *words, stdout=io.StringIO(), stderr=io.StringIO())
    except CommandError:
        return


SURFACES: list[Act] = [in_python, over_http, on_pages, on_the_command_line]


@pytest.mark.parametrize("act", SURFACES)
@pytest.mark.parametrize("verb", list(BECOMES))
def test_an_operator_does_it_and_the_audit_knows(act: Act, verb: str, alice: User, carol: User, now: datetime) -> None:
    fingerprint = failed(alice, now=now).fingerprint
    rolled(now)
    if verb == "reopen":
        failure_control.resolve(fingerprint, actor=None, now=now)
    act(carol, fingerprint, verb, now)
    group = FailureGroup.objects.get()
    assert (group.status, group.note, group.status_by, group.ignored_until) == (BECOMES[verb], "a word", carol, None)
    entry = AuditEntry.objects.get(actor="carol")
    assert (entry.action, entry.subject, entry.refused) == (f"failure.{verb}", f"failure {fingerprint}", "")


@pytest.mark.parametrize("act", SURFACES)
@pytest.mark.parametrize("who", ["alice", "bob"])
def test_nobody_else_does_and_the_audit_knows(act: Act, who: str, alice: User, bob: User, now: datetime) -> None:
    fingerprint = failed(alice, now=now).fingerprint
    rolled(now)
    before = FailureGroup.objects.values().get()
    act({"alice": alice, "bob": bob}[who], fingerprint, "resolve", now)
    assert FailureGroup.objects.values().get() == before
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, bool(entry.refused)) == (who, "failure.resolve", True)
