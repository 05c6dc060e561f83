"""The lists: who sees which rows, what filters and search find, and what a list costs."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from jobs_app.core import clock, tokens
from jobs_app.lifecycle import State, Via
from jobs_app.models import Job
from tests.support.ledger import altered, reaching, submitted
from tests.surfaces.admin.conftest import client_of

MODELS = ("job", "attempt", "artifact", "queue", "token")
STATES = [state for state in State if state is not State.BLOCKED]


def listed(client: Client, model: str = "job", **query: str) -> str:
    answer = client.get(reverse(f"admin:jobs_app_{model}_changelist"), query)
    assert answer.status_code == 200, answer
    return answer.content.decode()


def ids_in(page: str) -> set[str]:
    return set(re.findall(r"/admin/jobs_app/job/([0-9a-f-]{36})/change/", page))


def ids(*jobs: Job) -> set[str]:
    return {str(job.id) for job in jobs}


@pytest.mark.parametrize("model", MODELS)
def test_every_list_opens_for_those_who_may_see_all(operator: User, alice: User, model: str) -> None:
    reaching(State.SUCCEEDED, owner=alice)
    tokens.issue(alice, "for a script", now=clock.database_now())
    assert "Nobody" not in listed(client_of(operator), model)


@pytest.mark.parametrize("model", MODELS)
def test_no_list_opens_without_its_permission(member: Callable[..., User], model: str) -> None:
    assert client_of(member()).get(reverse(f"admin:jobs_app_{model}_changelist")).status_code == 403


@pytest.mark.parametrize("model", MODELS)
def test_who_is_no_staff_is_asked_to_log_in(alice: User, model: str) -> None:
    answer = client_of(alice).get(reverse(f"admin:jobs_app_{model}_changelist"))
    assert answer.status_code == 302
    assert "/admin/login/" in answer["Location"]


def test_staff_without_the_permission_to_see_all_jobs_sees_its_own(submitter: User, alice: User) -> None:
    own, other = reaching(State.SUCCEEDED, owner=submitter), reaching(State.SUCCEEDED, owner=alice)
    client = client_of(submitter)
    assert ids_in(listed(client)) == ids(own)
    assert (
        client.get(reverse("admin:jobs_app_job_change", args=[other.id])).status_code == 302
    )  # not found: to the index
    assert ids_in(listed(client, "attempt")) == ids(own)


def test_viewers_see_the_jobs_of_all(viewer: User, alice: User, bob: User) -> None:
    jobs = [reaching(State.QUEUED, owner=alice), reaching(State.FAILED, owner=bob), submitted(owner=None)]
    assert ids_in(listed(client_of(viewer))) == ids(*jobs)


@pytest.mark.parametrize("state", STATES)
def test_the_state_is_shown_in_words_and_filtered_by(viewer: User, state: State) -> None:
    jobs = {each: reaching(each) for each in STATES}
    page = listed(client_of(viewer), state=state.value)
    assert ids_in(page) == ids(jobs[state])
    assert re.search(rf">\s*{state.value}\s*</span>", page)


def test_several_states_at_once(viewer: User) -> None:
    queued, failed, _ = reaching(State.QUEUED), reaching(State.FAILED), reaching(State.SUCCEEDED)
    answer = client_of(viewer).get("/admin/jobs_app/job/?state=queued&state=failed&state=nonsense")
    assert ids_in(answer.content.decode()) == ids(queued, failed)


def test_filters_by_kind_queue_via_and_age(viewer: User) -> None:
    old = altered(submitted("system.sleep", via=Via.CLI), created_at=clock.database_now() - timedelta(days=2))
    new = submitted("system.echo", {"text": "hello"}, via=Via.API)
    client = client_of(viewer)
    assert ids_in(listed(client, kind="system.echo")) == ids(new)
    assert ids_in(listed(client, via="cli")) == ids(old)
    assert ids_in(listed(client, created="day")) == ids(new)
    assert ids_in(listed(client, created="week")) == ids(old, new)
    assert ids_in(listed(client, queue="default")) == ids(old, new)
    assert ids_in(listed(client, queue="nowhere", created="nonsense", kind="no.such")) == set()


def test_search_finds_a_whole_id_and_the_beginning_of_a_kind(viewer: User) -> None:
    echo, sleep = submitted("system.echo", {"text": "hello"}), submitted("system.sleep")
    client = client_of(viewer)
    assert ids_in(listed(client, q=str(echo.id))) == ids(echo)
    assert ids_in(listed(client, q=f" {sleep.id.hex} ")) == ids(sleep)
    assert ids_in(listed(client, q="System.SL")) == ids(sleep)
    assert ids_in(listed(client, q=str(uuid.uuid4()))) == set()
    assert ids_in(listed(client, q="% ' \" \\")) == set()


@pytest.mark.parametrize("model", ["job", "attempt", "artifact", "token"])
def test_a_list_costs_the_same_for_many_rows_and_counts_none(
    operator: User, alice: User, bob: User, model: str
) -> None:
    def cost() -> list[str]:
        with CaptureQueriesContext(connection) as queries:
            listed(client_of(operator), model)
        return [each["sql"] for each in queries.captured_queries]

    def add() -> None:
        now = clock.database_now()
        for owner in (alice, bob):
            reaching(State.SUCCEEDED, owner=owner)
            tokens.issue(owner, "a token", now=now)

    add()
    few = cost()
    for _ in range(5):
        add()
    many = cost()
    assert len(many) == len(few)
    assert not [sql for sql in many if "COUNT(" in sql and "jobs_app" in sql]


def test_a_list_leaves_big_columns_where_they_are(viewer: User) -> None:
    reaching(State.SUCCEEDED)
    with CaptureQueriesContext(connection) as queries:
        listed(client_of(viewer))
    (rows,) = [each["sql"] for each in queries.captured_queries if 'FROM "jobs_app_job"' in each["sql"]]
    assert not re.search(r'"jobs_app_job"."(parameters|sealed|result|error)"', rows)


def test_pages_reach_the_last_row_and_stop_at_the_ten_thousandth(viewer: User) -> None:
    jobs = [submitted() for _ in range(51)]
    client = client_of(viewer)
    assert ids_in(listed(client)) == ids(*jobs[1:])
    assert ids_in(listed(client, p="2")) == ids(jobs[0])
    too_deep = client.get(reverse("admin:jobs_app_job_changelist"), {"p": "100000"})
    assert too_deep.status_code == 302


def test_the_first_page_shows_what_runs_and_only_what_one_may_see(viewer: User, submitter_of_alice: User) -> None:
    running, other = reaching(State.RUNNING), reaching(State.QUEUED, owner=submitter_of_alice)
    page = client_of(viewer).get("/admin/").content.decode()
    assert {str(running.id), str(other.id)} <= ids_in(page)
    assert "Queues" in page
    page = client_of(submitter_of_alice).get("/admin/").content.decode()
    assert ids_in(page) == ids(other)


@pytest.fixture
def submitter_of_alice(member: Callable[..., User]) -> User:
    return member("submitters")


def test_the_sidebar_shows_what_one_may_open(submitter: User, operator: User) -> None:
    page = client_of(submitter).get("/admin/").content.decode()
    assert "/admin/jobs_app/token/" in page
    assert "/admin/jobs_app/job/submit/" in page
    assert "/admin/django_celery_beat/periodictask/" not in page
    assert "/admin/auth/user/" not in page
    assert "/admin/django_celery_beat/periodictask/" in client_of(operator).get("/admin/").content.decode()
