"""The pages of failures: what is said, to whom, and what can be done."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import NoReverseMatch, reverse
from pytest_django import DjangoAssertNumQueries

from jobs_app.core import failure_control
from jobs_app.models import FailureGroup
from tests.support.failing import TRACEBACK, failed, rolled
from tests.surfaces.web.conftest import logged_in

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def carols(carol: User) -> Client:
    """The browser of an operator."""
    return logged_in(carol)


def look(client: Client, name: str, *args: Any, **query: Any) -> str:
    answer = client.get(reverse(name, args=args), query)
    assert answer.status_code == 200
    return answer.content.decode()


def plain(drawn: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", drawn).split())


def press(client: Client, verb: str, fingerprint: str, **form: Any) -> Any:
    return client.post(reverse(f"failure-{verb}", args=[fingerprint]), form)


def rows(drawn: str) -> list[str]:
    return re.findall(r'id="failure-([0-9a-f]{16})"', drawn)


def test_failures_are_listed_as_groups_with_their_figures(carols: Client, alice: User, now: datetime) -> None:
    for number in range(3):
        often = failed(alice, now=now, error=f"no row {number}", traceback=TRACEBACK).fingerprint
    once = failed(now=now - DAY, error="<b>bold</b>").fingerprint
    rolled(now)
    drawn = look(carols, "failures")
    assert rows(drawn) == [often, once]
    said = plain(drawn)
    assert "ValueError in probe.nothing no row 2 tasks/kinds/shop.py:sell" in said
    assert "Open (2) Resolved (0) Ignored (0) All (2)" in said
    assert "<b>bold" not in drawn
    assert 'aria-label="3 in 24 hours, at most 3 in one"' in drawn
    assert rows(look(carols, "failures", sort="frequent")) == [often, once]
    assert rows(look(carols, "failures", kind="probe.slow")) == []


def test_tabs_show_what_was_resolved_ignored_or_seen_again(carols: Client, carol: User, now: datetime) -> None:
    made = {word: failed(now=now, error=word).fingerprint for word in ("open", "mended", "known", "again")}
    rolled(now)
    failure_control.resolve(made["mended"], actor=carol, now=now)
    failure_control.ignore(made["known"], actor=carol, now=now)
    failure_control.resolve(made["again"], actor=carol, now=now)
    failed(now=now + timedelta(seconds=1), error="again")
    rolled(now)
    assert rows(look(carols, "failures")) == [made["again"], made["open"]]
    assert "seen again" in plain(look(carols, "failures"))
    assert rows(look(carols, "failures", tab="resolved")) == [made["mended"]]
    assert rows(look(carols, "failures", tab="ignored")) == [made["known"]]
    assert len(rows(look(carols, "failures", tab="all"))) == 4


def test_the_list_goes_on_where_a_page_ends(carols: Client, now: datetime) -> None:
    for number in range(26):
        failed(now=now, error="abcdefghijklmnopqrstuvwxyz"[number])
    rolled(now)
    first = look(carols, "failures")
    (more,) = re.findall(r'href="(\?[^"]+cursor[^"]+)"', first)
    second = carols.get(reverse("failures") + more.replace("&amp;", "&")).content.decode()
    assert len({*rows(first), *rows(second)}) == 26


def test_a_group_shows_its_traceback_its_jobs_and_what_they_said(alices: Client, alice: User, now: datetime) -> None:
    jobs = [failed(alice, now=now, error=f"no row {number}", traceback=TRACEBACK) for number in (1, 1, 2)]
    rolled(now)
    drawn = look(alices, "failure", jobs[0].fingerprint)
    assert "KeyError: &#x27;Umsätze&#x27;" in drawn
    assert all(reverse("job", args=[job.id]) in drawn for job in jobs)
    said = plain(drawn)
    assert "3 times no row 2" in said
    assert f"/jobs/?q=state%3Afailed+fingerprint%3A{jobs[0].fingerprint}" in drawn
    assert "resolve-button" not in drawn, "she is no operator"
    assert f'href="{reverse("failure", args=[jobs[0].fingerprint])}"' in look(alices, "job", jobs[0].id)


def test_operators_resolve_ignore_and_open_again(carols: Client, now: datetime) -> None:
    fingerprint = failed(now=now).fingerprint
    rolled(now)
    assert press(carols, "resolve", fingerprint, note="mended <i>in</i> 1.2")["Location"].endswith(f"{fingerprint}/")
    drawn = look(carols, "failure", fingerprint)
    assert "mended &lt;i&gt;in&lt;/i&gt; 1.2" in drawn
    assert "by carol" in plain(drawn)
    assert "resolve-button" not in drawn
    press(carols, "ignore", fingerprint, days="7")
    group = FailureGroup.objects.get()
    assert (group.status, group.ignored_until > now + 6 * DAY) == ("ignored", True)
    press(carols, "reopen", fingerprint)
    assert FailureGroup.objects.get().status == "open"
    assert press(carols, "ignore", fingerprint, days="8").status_code == 422
    assert carols.get(reverse("failure-resolve", args=[fingerprint])).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="carol"))
    assert press(strict, "resolve", fingerprint).status_code == 403


def test_others_see_nothing_and_may_do_nothing(alices: Client, alice: User, bob: User, now: datetime) -> None:
    fingerprint = failed(alice, now=now).fingerprint
    rolled(now)
    bobs = logged_in(bob)
    assert "Nothing has failed" in look(bobs, "failures")
    for wanted in (fingerprint, "0" * 16, "odd"):
        told = bobs.get(reverse("failure", args=[wanted]))
        assert (told.status_code, fingerprint in told.content.decode()) == (404, wanted == fingerprint)
        for verb in ("resolve", "ignore", "reopen"):
            assert press(bobs, verb, wanted).status_code == 404
    for verb in ("resolve", "ignore", "reopen"):
        assert press(alices, verb, fingerprint).status_code == 403
    assert FailureGroup.objects.get().status == "open"


def test_what_failed_a_moment_ago_leads_to_its_jobs(alices: Client, bob: User, alice: User, now: datetime) -> None:
    fingerprint = failed(alice, now=now).fingerprint
    address = reverse("failure", args=[fingerprint])
    assert f"fingerprint%3A{fingerprint}" in alices.get(address)["Location"]
    assert logged_in(bob).get(address).status_code == 404


def test_all_of_a_group_are_retried_through_a_preview_where_there_is_one(
    alices: Client, alice: User, now: datetime
) -> None:
    fingerprint = failed(alice, now=now).fingerprint
    rolled(now)
    drawn = look(alices, "failure", fingerprint)
    try:
        wanted = f"{reverse('bulk-preview')}?action=retry&amp;all=1&amp;q=state%3Afailed+fingerprint%3A{fingerprint}"
    except NoReverseMatch:
        assert "retry-all" not in drawn
    else:
        assert f'href="{wanted}"' in drawn


def test_the_queries_of_the_pages_do_not_grow(
    carols: Client, alice: User, now: datetime, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(12):
        for _ in range(2):
            fingerprint = failed(alice, now=now, error="abcdefghijkl"[number]).fingerprint
    rolled(now)
    with django_assert_max_num_queries(12):
        assert len(rows(look(carols, "failures"))) == 12
    with django_assert_max_num_queries(14):
        look(carols, "failure", fingerprint)
