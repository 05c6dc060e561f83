"""The overview: notices with ways to their causes, charts of the last hours, the latest jobs; to whom it is for."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import resolve
from pytest_django import DjangoAssertNumQueries

from jobs_app.core.rollups import cursor
from jobs_app.lifecycle import State
from jobs_app.models import Queue, Schedule
from jobs_app.models.guard import writing
from jobs_app.reads.attention_views import Rule
from jobs_app.web import overview
from tests.support import history
from tests.support.ledger import altered, reaching, submitted
from tests.support.measures import flowed, listening
from tests.support.schedules import scheduled
from tests.surfaces.web.conftest import logged_in

pytestmark = pytest.mark.django_db

QUERIES = 25
"""Session, user, permissions (twice), the reads of attention, the latest jobs, statistics and deploys."""


@pytest.fixture
def well(now: datetime) -> None:
    """Upkeep works, a worker listens, statistics are counted."""
    listening("default", now + timedelta(seconds=10))
    flowed("default", now + timedelta(seconds=5), 3)
    assert cursor.advance(cursor.read(), caught_up_at=now)


def told(client: Client, path: str = "/") -> list[tuple[str, str]]:
    return [(each.notice.rule.value, each.url) for each in client.get(path).context["notices"]]


@pytest.mark.usefixtures("well")
def test_when_all_is_well_it_says_what_was_looked_at(alices: Client, carol: User) -> None:
    page = logged_in(carol).get("/").content.decode()
    assert "Nothing needs attention" in page
    assert "Checked: room, age and workers of 1 queue, the broker, beat and upkeep, 0 schedules" in page
    hers = alices.get("/").content.decode()
    assert "Nothing needs attention" in hers
    assert "You have no jobs yet" in hers
    assert "No job of yours came or ended in the last two hours." in hers


def test_a_new_site_says_that_nothing_runs_yet(carol: User, alices: Client) -> None:
    assert told(logged_in(carol)) == [("upkeep", "/queues/"), ("no-worker", "/queues/default/")]
    assert "Nothing has been counted yet" in alices.get("/").content.decode()
    assert told(alices) == []


@pytest.mark.usefixtures("well")
def test_each_notice_leads_to_its_cause(carol: User, alice: User, now: datetime) -> None:
    operator = logged_in(carol)
    with writing():
        Queue.objects.create(name="lane", paused_at=now)
    reaching(State.FAILED, owner=carol)
    rows = [scheduled(name, now=now, every=3600) for name in ("<b>bold</b>", "two")]
    with writing():
        Schedule.objects.filter(pk=rows[0].pk).update(broken="no such kind")
    expected = [
        ("broken-schedules", f"/schedules/{rows[0].pk}/"),
        ("own-failed", "/jobs/?q=owner%3A%40me+state%3Afailed"),
        ("paused", "/queues/lane/"),
    ]
    assert told(operator) == told(operator, "/overview/now/") == expected
    page = operator.get("/").content.decode()
    assert "makes no jobs: &lt;b&gt;bold&lt;/b&gt;." in page
    assert "<b>bold" not in page
    with writing():
        Schedule.objects.filter(pk=rows[1].pk).update(broken="no such kind")
    assert told(operator)[0] == ("broken-schedules", "/schedules/?only=broken")
    for _, url in told(operator):
        assert operator.get(url).status_code == 200
    assert told(logged_in(alice)) == [], "she has nothing to do with it"


def test_every_rule_leads_somewhere() -> None:
    assert set(overview.LINKS) == set(Rule)
    for name, query, _ in overview.SEVERAL.values():
        assert resolve(overview.reverse(name))
        assert query in {"", "?only=broken", "?q=owner%3A%40me+state%3Afailed"}


@pytest.mark.usefixtures("well")
def test_a_submitter_is_told_of_their_own_alone(alices: Client, alice: User, bob: User, now: datetime) -> None:
    submitted(owner=alice, now=now)
    reaching(State.RUNNING, owner=alice, now=now)
    others = reaching(State.FAILED, owner=bob, now=now)
    with writing():
        Queue.objects.create(name="default", paused_at=now)
    answer = alices.get("/")
    assert [each.notice.rule for each in answer.context["notices"]] == [Rule.PAUSED]
    page = answer.content.decode()
    assert "1 of them is yours." in page
    assert "Workers</dt>" not in page
    assert str(others.id) not in page
    assert len(answer.context["jobs"]) == 2


@pytest.mark.usefixtures("well")
def test_latest_jobs_keep_their_places(alices: Client, alice: User, bob: User) -> None:
    made = [submitted(owner=alice) for _ in range(8)]
    first = alices.get("/")
    assert [each.id for each in first.context["jobs"]] == [each.id for each in made[:1:-1]]
    url = first.context["recent_url"]
    altered(made[-1], state=State.CANCELLED, finished_at=made[-1].created_at)
    submitted(owner=alice)
    submitted(owner=bob)
    again = alices.get(url)
    assert [each.id for each in again.context["jobs"]] == [each.id for each in made[:1:-1]]
    assert (again.context["jobs"][0].state, again.context["newer"]) == (State.CANCELLED, 1)
    assert "Show 1 newer" in again.content.decode()
    assert logged_in(bob).get(url).context["jobs"] == []
    assert alices.get("/overview/recent/?ids=x").status_code == 422


@pytest.mark.usefixtures("well")
def test_the_last_hours_are_drawn(alices: Client, alice: User, carol: User, now: datetime) -> None:
    history.weeks(now=now)
    for path in ("/", "/overview/charts/"):
        drawn = {name: chart for name, _, chart, _ in logged_in(carol).get(path).context["drawn"]}
        assert drawn["throughput"] is not None
        assert drawn["throughput"].filling is not None, "the minute that goes on is marked"
        assert drawn["wait"].names[0] == "queue age"
        assert len(drawn["throughput"].spots) == 120
    hers = {name: chart for name, _, chart, _ in alices.get("/").context["drawn"]}
    assert hers["throughput"] is None, "the system's jobs are not hers"


@pytest.mark.usefixtures("well")
def test_parts_look_again_only_where_somebody_looks(alices: Client) -> None:
    page = alices.get("/").content.decode()
    for part, every in (("now", 5), ("hours", 30), ("recent", 5)):
        (tag,) = re.findall(rf'<section id="{part}"[^>]*>', page)
        assert "data-poll" in tag, "page.js lets those rest while the page is hidden"
        assert f"every {every}s" in tag


@pytest.mark.usefixtures("well", "unhurried")
def test_queries_are_bounded(carol: User, now: datetime, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    history.weeks(now=now)
    for _ in range(20):
        submitted(owner=carol)
    for number in range(5):
        scheduled(f"schedule {number}", now=now, every=3600)
    operator = logged_in(carol)
    # PostgreSQL is asked for its time, too.
    with django_assert_num_queries(QUERIES + (connection.vendor == "postgresql")):
        operator.get("/")
