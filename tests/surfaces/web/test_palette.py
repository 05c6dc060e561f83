"""The palette: what each user may go to, and jobs by the beginning of their id, a word or a search."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from jobs_app.lifecycle import State
from jobs_app.reads import finding
from jobs_app.reads.bounds import TookTooLong, within
from tests.support.ledger import reaching, submitted
from tests.surfaces.web.conftest import logged_in


def urls(html: str) -> list[str]:
    return re.findall(r'role="option"[^>]*data-url="([^"]+)"', html)


def test_it_offers_the_pages_and_kinds_of_the_user(alices: Client, carol: User) -> None:
    mine, theirs = (urls(each.get(reverse("palette")).content.decode()) for each in (alices, logged_in(carol)))
    assert {"/jobs/", "/queues/", "/submit/", "/submit/system.echo/"} <= set(mine)
    assert "/admin/" not in mine
    assert "/schedules/" not in mine
    assert {"/admin/", "/schedules/"} <= set(theirs)


def test_each_page_has_a_letter_of_its_own_and_the_sheet_tells_it(carol: User) -> None:
    page = logged_in(carol).get("/").content.decode()
    letters = re.findall(r'data-go="(\w)"', page)
    assert len(letters) == len(set(letters)) >= 8
    assert 'href="/jobs/" data-go="j"' in page
    assert 'href="/submit/" data-go="n"' in page


def test_a_job_is_found_by_the_beginning_of_its_id_by_who_may_see_it(
    alices: Client, alice: User, bob: User, carol: User
) -> None:
    job = submitted("system.echo", {"text": "<b>hello"}, owner=alice)
    found = reverse("palette-jobs")
    for text in (str(job.id), str(job.id).upper(), job.id.hex[:12], f"  {str(job.id)[:13]} "):
        for browser in (alices, logged_in(carol)):
            html = browser.get(found, {"q": text}).content.decode()
            assert urls(html) == [reverse("job", args=[job.id])]
            assert "&lt;b&gt;hello" in html
        assert logged_in(bob).get(found, {"q": text}).status_code == 204


@pytest.mark.parametrize("text", ["", "01a", "zzzz", "x" * 500, "' OR 1=1", "0" * 40, "\x00\x00\x00\x00"])
def test_what_is_no_id_finds_nothing(alices: Client, alice: User, text: str) -> None:
    submitted(owner=alice)
    assert alices.get(reverse("palette-jobs"), {"q": text}).status_code == 204


def test_finding_is_one_question(alices: Client, alice: User, django_assert_max_num_queries: Any) -> None:
    for _ in range(8):
        job = submitted(owner=alice)
    bounded = 4 * (connection.vendor == "postgresql")  # the clock; a savepoint, its limit of time, its end
    with django_assert_max_num_queries(5 + bounded):  # session, user, two for the user's rights
        shown = alices.get(reverse("palette-jobs"), {"q": job.id.hex[:6]})
    assert len(urls(shown.content.decode())) == finding.MOST


def searched(client: Client, text: str) -> list[str]:
    """Where what is found leads: ids of jobs, and searches."""
    answer = client.get(reverse("palette-jobs"), {"q": text})
    found = [unescape(each) for each in urls(answer.content.decode())]
    assert answer.status_code == (200 if found else 204)
    return [parse_qs(urlsplit(each).query).get("q", [each.split("/")[2]])[0] for each in found]


def test_a_word_is_a_kind_a_tag_or_an_owner(alices: Client, alice: User, bob: User, carol: User) -> None:
    echo = submitted("system.echo", {"text": "x"}, owner=alice)
    nightly = submitted(owner=alice, tags=["nightly"])
    others = submitted("system.echo", {"text": "x"}, owner=bob, tags=["nightly"])
    assert searched(alices, "Echo") == [str(echo.id), "kind:system.echo"]
    assert searched(alices, "nightly") == [str(nightly.id), "tag:nightly"]
    assert searched(alices, "alice") == [str(nightly.id), str(echo.id), "owner:alice"]
    assert searched(alices, "bob") == []
    assert searched(logged_in(carol), " nightly ") == [str(others.id), str(nightly.id), "tag:nightly"]
    assert searched(alices, "probe") == [], "it may mean too many kinds"


def test_a_search_is_that_of_the_list(alices: Client, alice: User) -> None:
    failed, _ = reaching(State.FAILED, owner=alice), reaching(State.SUCCEEDED, owner=alice)
    assert searched(alices, "state:failed since:1h") == [str(failed.id), "state:failed since:1h"]
    assert searched(alices, "since:1h state:running") == []
    for half_typed in ("state:fai", "stat:", "state:failed kind:", "param.:", 'tag:"two', "since:99999999999w"):
        assert searched(alices, half_typed) == []


def test_at_most_eight_are_found_the_newest(alices: Client, alice: User) -> None:
    jobs = [submitted(owner=alice, tags=["nightly"]) for _ in range(10)]
    found = searched(alices, "nightly")
    assert found == [*(str(job.id) for job in reversed(jobs[2:])), "tag:nightly"]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no limit of time")
def test_what_takes_too_long_is_not_found(alices: Client, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    submitted(owner=alice, tags=["nightly"])
    monkeypatch.setattr(finding, "IN_ALL", timedelta(0))
    assert searched(alices, "nightly") == []


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no limit of time")
def test_a_statement_that_takes_too_long_is_cut_off(db: None) -> None:
    with connection.cursor() as cursor, pytest.raises(TookTooLong), within(timedelta(milliseconds=20)):
        cursor.execute("SELECT pg_sleep(20)")
