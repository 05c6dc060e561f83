"""The palette: what each user may go to, and jobs by the beginning of their id."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tests.support.ledger import submitted
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
    with django_assert_max_num_queries(5):  # session, user, two for the user's rights
        shown = alices.get(reverse("palette-jobs"), {"q": job.id.hex[:6]})
    assert len(urls(shown.content.decode())) == 5
