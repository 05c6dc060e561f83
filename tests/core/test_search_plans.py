"""The queries behind the list follow indexes that end with the id, and are bounded, whatever the planner is told."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from jobs_app import searching
from jobs_app.core import access
from jobs_app.core.clock import database_now
from jobs_app.models import Job, Term
from jobs_app.models.guard import writing
from jobs_app.models.identity import new_id
from tests.support.ledger import columns_of, submitted

pytestmark = pytest.mark.skipif(connection.vendor != "postgresql", reason="the plans are PostgreSQL's")


@pytest.fixture(autouse=True)
def _crowd(bob: User) -> None:
    """Enough other jobs that no plan is a matter of a few pages, and the planner knows of them."""
    job = submitted("probe.nothing", owner=bob)
    others = [
        Job(**{**columns_of(job), "id": new_id(), "kind": f"kind.{number}", "queue": f"queue-{number}"})
        for number in range(600)
    ]
    with writing(), connection.cursor() as cursor:
        Job.objects.bulk_create(others)
        Term.objects.bulk_create(Term(job=each, term=number) for number, each in enumerate(others))
        cursor.execute("ANALYZE jobs_app_job, jobs_app_term")


def plan_of(text: str, user: User | None = None) -> str:
    """The plan of a page. A few rows are read as they lie and sorted, so both are said to cost much."""
    wanted = searching.parse(text).at(database_now())
    rows = access.sought(user, wanted).select_related("owner").order_by("-id")[:26]
    sql, parameters = rows.query.sql_with_params()
    with transaction.atomic(), connection.cursor() as cursor:
        for way in ("seqscan", "sort", "bitmapscan", "hashjoin", "mergejoin"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
        cursor.execute("EXPLAIN " + sql, parameters)
        return "\n".join(line for (line,) in cursor.fetchall())


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("", "jobs_app_job_pkey"),
        ("kind:system.echo", "job_by_kind"),
        ("queue:default", "job_by_queue"),
        ("state:failed", "job_failed|job_by_state"),
        ("state:running", "job_by_state"),
        ("fingerprint:ab12", "job_by_fingerprint"),
        ("owner:alice", "job_by_owner"),
        ("tag:nightly", "jobs_app_term_pkey"),
        ("param.text:a", "jobs_app_term_pkey"),
    ],
)
def test_a_search_by_one_thing_is_read_in_order_from_an_index(alice: User, text: str, index: str) -> None:
    submitted("system.echo", {"text": "a"}, owner=alice, tags=("nightly",))
    plan = plan_of(text)
    assert any(name in plan for name in index.split("|")), plan
    assert "Sort" not in plan, plan


def test_what_one_user_may_see_is_read_from_their_own(alice: User) -> None:
    for text in ("", "spawned:no", "owner:@me"):
        assert "job_by_owner" in plan_of(text, alice)


def test_times_bound_the_ids_that_are_read(alice: User) -> None:
    plan = plan_of("since:2d before:1d")
    assert "Index Cond: ((id >= '" in plan, plan
    assert "(id < '" in plan, plan
