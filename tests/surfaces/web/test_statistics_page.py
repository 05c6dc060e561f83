"""The page of statistics: from real rollups, to whom it is for, and as CSV with the API's own numbers."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from jobs_app.core import clock, deploys, outcomes
from jobs_app.core.rollups import cursor, rolling
from jobs_app.lifecycle import Reason
from jobs_app.models import Job, QueueLevel, Refusal
from jobs_app.models.guard import writing
from jobs_app.policies import NO_RETRY
from jobs_app.steps import Step
from jobs_app.web import statistics_csv
from tests.support import history
from tests.support.ledger import claimed, submitted
from tests.surfaces.web.conftest import logged_in

pytestmark = pytest.mark.django_db

DAY = datetime(2026, 3, 4, tzinfo=UTC)
NOW = DAY + timedelta(hours=13, minutes=30)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
QUERIES = 17
"""Session, user, permissions (twice), and what the page needs of rollups, levels, queues and deploys."""


@pytest.fixture(autouse=True)
def _at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is 13:30 on that day."""
    monkeypatch.setattr(clock, "database_now", lambda: NOW)


def ran(begin: datetime, wait: float, run: float, *, fail: bool = False, **options: Any) -> Job:
    job = claimed(submitted(now=begin, **options), now=begin + wait * SECOND)
    at = begin + (wait + run) * SECOND
    if fail:
        assert outcomes.fail(job, outcomes.Failure("x"), ValueError("x"), NO_RETRY, now=at)
    else:
        assert outcomes.succeed(job, None, 4, now=at)
    return job


@pytest.fixture
def worked(alice: User, bob: User) -> None:
    """Alice's jobs by the hour, one of which failed, bob's one, a refusal; all counted."""
    for hour in (9, 10, 13):
        ran(DAY + hour * HOUR + MINUTE, 2, 30, owner=alice)
    ran(DAY + 10 * HOUR, 0.05, 1, fail=True, owner=alice, kind="system.echo", parameters={"text": "x"})
    ran(DAY + 11 * HOUR, 100, 1000, owner=bob)
    with writing():
        Refusal.objects.create(queue="default", owner=alice, reason=Reason.FULL, at=DAY + 9 * HOUR, count=4)
    rolling.roll(now=NOW)


def charts(client: Client, query: str = "") -> dict[str, Any]:
    answer = client.get(f"/statistics/{query}")
    assert answer.status_code == 200, answer.content
    return {place.id: place.chart for place in answer.context["places"]}


@pytest.mark.usefixtures("worked")
def test_everyone_sees_charts_of_their_own_jobs(alices: Client, bob: User, carol: User) -> None:
    hers = charts(alices)
    assert set(hers) == {"throughput", "failures", "wait", "run", "refusals"}
    assert hers["throughput"].names == ["succeeded", "failed", "cancelled", "submitted"]
    assert [(row.when, row.cells, row.complete) for row in hers["throughput"].rows] == [
        ("4 Mar 13:00", ["1", "0", "0", "1"], False),
        ("4 Mar 10:00", ["1", "1", "0", "2"], True),
        ("4 Mar 09:00", ["1", "0", "0", "1"], True),
    ]
    assert hers["wait"].names == ["queue age", "p50", "p95", "p99"]
    assert [row.cells for row in hers["refusals"].rows] == [["4"]]
    assert hers["wait"].scale == "logarithmic"
    assert hers["throughput"].filling is not None
    his = logged_in(bob).get("/statistics/")
    assert [row.cells for row in his.context["places"][0].chart.rows] == [["1", "0", "0", "1"]]
    assert "Nothing failed in this time" in his.content.decode()
    assert "alice" not in his.content.decode()
    asked = logged_in(bob).get("/statistics/?owner=alice")
    assert asked.context["found"] == his.context["found"], "who may not choose an owner has none"
    everyones = logged_in(carol)
    assert sum(int(row.cells[3]) for row in charts(everyones)["throughput"].rows) == 5
    assert sum(int(row.cells[3]) for row in charts(everyones, "?owner=bob")["throughput"].rows) == 1
    assert "No job that fits" in everyones.get("/statistics/?owner=(system)").content.decode()
    assert everyones.get("/statistics/?owner=nobody").status_code == 404


@pytest.mark.usefixtures("worked")
def test_filters_and_totals_are_in_the_address(carol: User) -> None:
    operator = logged_in(carol)
    answer = operator.get("/statistics/?kind=system.echo&range=7d")
    assert [group.name for group in answer.context["groups"]] == ["system.echo"]
    assert answer.context["found"].step == "hour"
    assert "range=30d&amp;kind=system.echo" in answer.content.decode()
    assert "kind=gone.kind" not in operator.get("/statistics/").content.decode()
    assert "<option selected>gone.kind</option>" in operator.get("/statistics/?kind=gone.kind").content.decode()
    by_owner = operator.get("/statistics/?by=owner").context["groups"]
    assert [(group.name, group.query) for group in by_owner] == [
        ("alice", "?range=24h&owner=alice&by=owner"), ("bob", "?range=24h&owner=bob&by=owner"),
    ]  # fmt: skip
    by_kind = operator.get("/statistics/").context["groups"]
    assert ("refused before a kind was known", "") in [(group.name, group.query) for group in by_kind]
    earlier = operator.get(f"/statistics/{answer.context['earlier']}")
    assert earlier.context["found"].end == answer.context["found"].begin
    assert earlier.context["later"]
    assert (
        operator.get(f"/statistics/{earlier.context['later']}").context["found"].begin == answer.context["found"].begin
    )


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("range=2h", "expected a range (1h, 3h"),
        ("by=colour", "expected totals by kind"),
        ("end=tomorrow", "expected end to be a time"),
        ("end=0001-01-01T00:00%2B14:00", "expected end to be a time"),
        ("end=1066-10-14", "within twenty years"),
        (f"kind={'k' * 101}", "expected kind to be printable text"),
        ("queue=%00", "expected queue to be printable text"),
    ],
)
def test_what_is_no_offer_is_said(alices: Client, query: str, words: str) -> None:
    for path in ("/statistics/", "/statistics/csv/"):
        answer = alices.get(f"{path}?{query}")
        assert answer.status_code == 422
        assert words in answer.content.decode()


def test_an_empty_page_says_why(alices: Client, configured: Any) -> None:
    def empty(query: str = "") -> str:
        return str(alices.get(f"/statistics/{query}").context["empty"])

    assert empty().startswith("Nothing has been counted yet")
    rolling.roll(now=NOW)
    assert empty() == "No job came, ran or ended in this time."
    assert empty("?kind=system.echo") == "No job that fits these filters came, ran or ended in this time."
    assert empty("?range=1h&end=2026-02-01T00:00Z").startswith("Statistics by the minute are kept for 14 d, and this")


def test_a_queue_that_stands_still_does_not_look_idle(alices: Client) -> None:
    with writing():
        QueueLevel.objects.create(
            step=Step.HOUR, at=DAY + 12 * HOUR, queue="default", samples=6, depth_sum=60, depth_max=10, depth_last=10,
            oldest_max=2400.0,
        )  # fmt: skip
    assert cursor.advance(cursor.read(), caught_up_at=NOW)
    found = charts(alices)
    assert [row.cells for row in found["wait"].rows] == [["40 min", *["\N{EN DASH}"] * 3]]
    assert (found["throughput"], found["run"]) == (None, None)


@pytest.mark.usefixtures("worked")
def test_deploys_are_in_the_charts_and_listed(alices: Client, carol: User) -> None:
    told = deploys.Told("web<script>", "v2", "https://ci.example.org/7", NOW - 3 * HOUR)
    deploys.mark(told, actor=None, now=NOW)
    deploys.mark(deploys.Told("old", at=NOW - 30 * HOUR), actor=None, now=NOW)
    found = charts(alices)
    assert [flag.label for flag in found["throughput"].flags] == ["web<script> v2"]
    page = alices.get("/statistics/").content.decode()
    assert "web&lt;script&gt;" in page
    assert "web<script>" not in page
    assert 'href="https://ci.example.org/7"' in page
    assert [each.label for each in logged_in(carol).get("/statistics/?range=3d").context["deploys"]] == [
        "web<script>", "old",
    ]  # fmt: skip


@pytest.mark.usefixtures("worked")
def test_csv_holds_the_apis_numbers(alices: Client, carol: User) -> None:
    operator = logged_in(carol)
    with writing():
        QueueLevel.objects.create(
            step=Step.HOUR, at=DAY + 12 * HOUR, queue="lane", samples=6, depth_sum=60, depth_max=10, depth_last=10,
            oldest_max=2400.5,
        )  # fmt: skip
    for client, query, asked in (
        (operator, "?range=24h", {}),
        (operator, "?range=24h&kind=system.echo&owner=alice", {"kind": "system.echo", "owner": "alice"}),
        (alices, "?range=24h", {}),
    ):
        answer = client.get(f"/statistics/csv/{query}")
        assert (answer.status_code, answer["Content-Type"]) == (200, "text/csv; charset=utf-8")
        assert answer.streaming
        assert 'filename="statistics-20260303T1400-20260304T1400.csv"' in answer["Content-Disposition"]
        rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
        told = client.get("/api/statistics", {"step": "hour", "begin": "2026-03-03T14:00Z", **asked}).json()
        assert len(rows) == len(told["points"]) == 24
        ages = {level["at"]: level["oldest_age_max"] for level in told["levels"] if level["oldest_age_max"]}
        for row, point in zip(rows, told["points"], strict=True):
            assert datetime.fromisoformat(row["at"]) == datetime.fromisoformat(point["at"])
            assert row["complete"] == ("yes" if point["complete"] else "no")
            for name in statistics_csv.COUNTS:
                assert int(row[name]) == point[name]
            for name, part in statistics_csv.DURATIONS:
                expected = point[name][part]
                assert row[f"{name}_{part}"] == ("" if expected is None else str(expected))
            assert float(row["oldest_age_max"] or 0) == ages.get(point["at"], 0)
        assert sum(int(row["submitted"]) for row in rows) == told["totals"]["submitted"] > 0


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_csv_holds_no_formula(text: str, carol: User) -> None:
    assert statistics_csv.safe(text) == f"'{text}"
    assert statistics_csv.safe("datasets.profile") == "datasets.profile"
    if text.isprintable():
        answer = logged_in(carol).get("/statistics/csv/", {"kind": text, "range": "1h"})
        rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
        assert {row["kind"] for row in rows} == {f"'{text}"}
        assert len(rows) == 60


@pytest.mark.parametrize("key", ["1h", "3h", "24h", "3d", "7d", "30d", "90d"])
def test_queries_do_not_grow_with_what_is_shown(
    carol: User, key: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    history.weeks(now=NOW)
    operator = logged_in(carol)
    with django_assert_num_queries(QUERIES):
        found = charts(operator, f"?range={key}")
    assert all(found[name] is not None for name in ("throughput", "wait", "run"))
    assert len(found["throughput"].spots) <= 180
