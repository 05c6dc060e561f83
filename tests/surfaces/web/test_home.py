"""The list of jobs: filters, pages, and looking again without moving a row."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs_app.lifecycle import State
from tests.support.ledger import altered, fresh, reaching, submitted
from tests.surfaces.web.conftest import logged_in

QUERIES = 4
"""Session, user, jobs, and whether the user may see all (asked once for users, once for groups, unless a superuser)."""


def shown(client: Client, query: str = "") -> list[Any]:
    return [job.id for job in client.get(f"/jobs/{query}").context["jobs"]]


def test_a_newcomer_is_told_what_to_do(alices: Client) -> None:
    assert "Your first job" in alices.get("/jobs/").content.decode()


def test_my_jobs_newest_first_and_nobody_elses(alices: Client, alice: User, bob: User) -> None:
    mine = [submitted(owner=alice), submitted(owner=alice)]
    submitted(owner=bob)
    assert shown(alices) == [mine[1].id, mine[0].id]
    assert shown(alices, "?who=everyone") == [mine[1].id, mine[0].id]


def test_an_operator_may_look_at_everyones_jobs(alice: User, carol: User) -> None:
    job = submitted(owner=alice)
    operator = logged_in(carol)
    assert shown(operator) == []
    assert shown(operator, "?who=everyone") == [job.id]


@pytest.mark.parametrize("state", list(State))
def test_every_state_is_shown_in_words(alices: Client, alice: User, state: State) -> None:
    reaching(state, owner=alice)
    drawn = alices.get("/jobs/").content.decode()
    assert f"state-{state}" in drawn
    assert f"</svg>{state}</span>" in drawn


def test_filters_by_state_and_kind(alices: Client, alice: User) -> None:
    waiting = submitted("system.echo", {"text": "a"}, owner=alice)
    failed = reaching(State.FAILED, owner=alice)
    assert shown(alices, "?state=failed") == [failed.id]
    assert shown(alices, "?state=active") == [waiting.id]
    assert shown(alices, "?state=queued&state=failed&kind=system.echo") == [waiting.id]
    assert "No job fits" in alices.get("/jobs/?state=cancelled").content.decode()


@pytest.mark.parametrize("query", ["?state=lost", "?cursor=next"])
def test_a_bad_filter_is_a_page_that_says_what_was_expected(alices: Client, query: str) -> None:
    answer = alices.get(f"/jobs/{query}")
    assert answer.status_code == 422
    assert "expected a" in answer.content.decode()


def test_pages_hold_25_jobs_and_lead_on_by_key(alices: Client, alice: User) -> None:
    made = [submitted(owner=alice).id for _ in range(30)]
    first = alices.get("/jobs/?state=queued")
    assert [job.id for job in first.context["jobs"]] == made[:4:-1]
    assert "state=queued" in first.context["older"]
    second = alices.get("/jobs/" + first.context["older"])
    assert [job.id for job in second.context["jobs"]] == made[4::-1]
    assert second.context["older"] == ""
    assert second.context["newest"] == "?state=queued"


def test_the_list_looks_again_only_while_something_has_not_ended(alices: Client, alice: User) -> None:
    job = submitted(owner=alice)
    assert "every 2s" in alices.get("/jobs/").content.decode()
    reaching(State.SUCCEEDED, owner=alice)
    altered(job, state=State.CANCELLED, finished_at=job.created_at)
    assert "every 2s" not in alices.get("/jobs/").content.decode()


def test_looking_again_keeps_the_rows_and_counts_what_is_newer(alices: Client, alice: User) -> None:
    old, new = submitted(owner=alice), submitted(owner=alice)
    url = alices.get("/jobs/").context["rows_url"]
    assert alices.get(url).status_code == 204

    submitted(owner=alice)
    altered(old, state=State.CANCELLED, finished_at=old.created_at)
    answer = alices.get(url)
    assert [job.id for job in answer.context["jobs"]] == [new.id, old.id]
    assert "Show 1 newer job<" in answer.content.decode()
    assert fresh(old).state == "cancelled"
    assert "state-cancelled" in answer.content.decode()


def test_rows_of_others_cannot_be_asked_for(alices: Client, bob: User) -> None:
    his = submitted(owner=bob)
    answer = alices.get(f"/jobs/rows/?ids={his.id.hex}&state=nope")
    assert answer.status_code == 422
    assert his.kind not in alices.get(f"/jobs/rows/?ids={his.id.hex}").content.decode()


def test_progress_and_reasons_stand_in_the_list(alices: Client, alice: User, now: Any) -> None:
    reaching(State.FAILED, owner=alice)
    running = altered(reaching(State.RUNNING, owner=alice), progress=0.426, progress_message="half way there")
    submitted(owner=alice, due_at=now + timedelta(hours=3, seconds=30))
    drawn = alices.get("/jobs/").content.decode()
    for part in ("broken", "half way there", 'value="42"', f'id="bar-{running.id.hex}"', "in 3 h"):
        assert part in drawn


@pytest.mark.parametrize("count", [1, 25])
def test_the_list_takes_the_same_few_queries_whatever_its_length(
    alices: Client, alice: User, count: int, django_assert_num_queries: Any
) -> None:
    for _ in range(count):
        submitted(owner=alice)
    with django_assert_num_queries(QUERIES + 1):
        url = alices.get("/jobs/").context["rows_url"]
    with django_assert_num_queries(QUERIES + 2):  # and how many are newer
        alices.get(url + "x")
