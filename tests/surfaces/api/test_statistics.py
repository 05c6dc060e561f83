"""GET /api/statistics: what happened in a period, from rollups alone, to whom it is for."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from jobs_app.core import clock, outcomes
from jobs_app.core.rollups import rolling
from jobs_app.histograms import ERROR
from jobs_app.lifecycle import Reason
from jobs_app.models import Job, Refusal
from jobs_app.models.guard import writing
from jobs_app.steps import Step
from tests.support.ledger import claimed, submitted
from tests.support.rollups import nearest_rank
from tests.surfaces.api.support import client_of, problem

pytestmark = pytest.mark.django_db

DAY = datetime(2026, 3, 4, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture(autouse=True)
def _at_night(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is 13:30 on that day."""
    for name in ("database_now", "ledger_now"):
        monkeypatch.setattr(clock, name, lambda: DAY + 13.5 * HOUR)


def asked(client: Client, **query: Any) -> dict[str, Any]:
    response = client.get("/api/statistics", query)
    assert response.status_code == 200, response.content
    found: dict[str, Any] = response.json()
    return found


def ran(begin: datetime, wait: float, run: float, **options: Any) -> Job:
    job = submitted(now=begin, **options)
    started = begin + wait * SECOND
    assert outcomes.succeed(claimed(job, now=started), None, 4, now=started + run * SECOND)
    return job


def test_counts_and_quantiles_of_a_day_by_the_hour(carol: User, alice: User) -> None:
    chance = random.Random(5)
    times = [(chance.uniform(0, 30), chance.expovariate(0.1)) for _ in range(120)]
    for number, (wait, run) in enumerate(times):
        ran(DAY + (9 + number % 3) * HOUR + MINUTE, wait, run, owner=alice)
    with writing():
        Refusal.objects.create(queue="default", owner=alice, reason=Reason.RATE, at=DAY + 9 * HOUR, count=4)
    rolling.roll(now=DAY + 13.5 * HOUR)
    found = asked(client_of(carol), begin=DAY.isoformat(), end=(DAY + 14 * HOUR).isoformat())
    assert (found["step"], found["begin"], found["end"]) == ("hour", "2026-03-04T00:00:00Z", "2026-03-04T14:00:00Z")
    totals = found["totals"]
    assert (totals["submitted"], totals["started"], totals["succeeded"], totals["failed"]) == (120, 120, 120, 0)
    assert (totals["refused"], totals["refused_by_reason"]) == (4, {"rate": 4})
    for name, values in (("wait", [each for each, _ in times]), ("run", [each for _, each in times])):
        told = totals[name]
        assert told["count"] == 120
        assert told["mean"] == pytest.approx(sum(values) / 120, rel=1e-4)
        for part in (50, 95, 99):
            assert told[f"p{part}"] == pytest.approx(nearest_rank(sorted(values), part / 100), rel=ERROR * 1.0001)
    points = {point["at"]: point for point in found["points"]}
    assert len(points) == 14
    assert [points[f"2026-03-04T{hour:02}:00:00Z"]["submitted"] for hour in (8, 9, 10, 11, 12)] == [0, 40, 40, 40, 0]
    assert points["2026-03-04T08:00:00Z"]["wait"]["p50"] is None
    assert found["relative_error"] == ERROR


def test_the_bucket_that_goes_on_is_marked(api: Client, alice: User) -> None:
    now = DAY + 13.5 * HOUR
    before = asked(api, step="minute")
    assert (len(before["points"]), {point["complete"] for point in before["points"]}) == (60, {False})
    assert before["counted_up_to"] is None
    ran(now - 10 * MINUTE, 1, 1, owner=alice)
    rolling.roll(now=now)
    for step, count in (("minute", 60), ("hour", 48), ("day", 30)):
        points = asked(api, step=step)["points"]
        assert len(points) == count
        assert [point["complete"] for point in points] == [
            datetime.fromisoformat(point["at"]) + Step(step).length <= now for point in points
        ]
        assert points[-1]["complete"] is (step == "minute")
        assert sum(point["succeeded"] for point in points) == 1


def test_everyone_sees_their_own_and_who_may_see_all_sees_all(alice: User, bob: User, carol: User) -> None:
    for owner in (alice, alice, bob, None):
        ran(DAY + 12 * HOUR, 1, 1, owner=owner)
    rolling.roll(now=DAY + 13 * HOUR)
    assert asked(client_of(alice))["totals"]["submitted"] == 2
    assert asked(client_of(alice), owner="alice", by="owner")["groups"][0]["name"] == "alice"
    assert asked(client_of(bob))["totals"]["submitted"] == 1
    problem(client_of(bob).get("/api/statistics", {"owner": "alice"}), 403, "not-allowed")
    problem(client_of(bob).get("/api/statistics", {"owner": ""}), 403, "not-allowed")
    hers = client_of(carol)
    assert asked(hers)["totals"]["submitted"] == 4
    assert asked(hers, owner="bob")["totals"]["submitted"] == 1
    assert asked(hers, owner="")["totals"]["submitted"] == 1
    groups = asked(hers, by="owner")["groups"]
    assert [(group["name"], group["submitted"]) for group in groups] == [("alice", 2), ("", 1), ("bob", 1)]
    problem(hers.get("/api/statistics", {"owner": "nobody"}), 404, "not-found")


def test_by_queue_and_kind(api: Client, alice: User, configured: Any) -> None:
    configured(queues=("default", "lane"))
    for _ in range(3):
        ran(DAY + 12 * HOUR, 2, 4, owner=alice, queue="lane")
    ran(DAY + 12 * HOUR, 1, 1, owner=alice)
    ran(DAY + 12 * HOUR, 1, 1, owner=alice, kind="system.echo", parameters={"text": "x"})
    submitted(now=DAY, owner=alice, queue="lane")
    rolling.roll(now=DAY + 13 * HOUR)
    assert asked(api, queue="lane")["totals"]["succeeded"] == 3
    assert asked(api, kind="system.echo", queue="default")["totals"]["succeeded"] == 1
    groups = asked(api, by="queue")["groups"]
    assert [(group["name"], group["submitted"]) for group in groups] == [("lane", 4), ("default", 2)]
    assert groups[0]["run"]["p95"] == pytest.approx(4, rel=ERROR)
    assert {group["name"] for group in asked(api, by="kind")["groups"]} == {"probe.nothing", "system.echo"}
    (level,) = asked(api, queue="lane")["levels"]
    assert (level["queue"], level["depth_max"], level["depth_mean"], level["oldest_age_max"]) == ("lane", 1, 1, 46_800)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"step": "minute", "begin": "2026-03-01T00:00:00Z"}, "at most 1,500 minutes"),
        ({"begin": "2026-03-05T00:00:00Z", "end": "2026-03-04T00:00:00Z"}, "begin before end"),
        ({"begin": "0001-01-01T00:00:00+14:00"}, "begin"),
        ({"end": "9999-12-31T23:59:59Z"}, "within twenty years"),
        ({"end": "9999-12-31T23:59:59-14:00"}, "end"),
        ({"step": "week"}, "minute"),
        ({"begin": "yesterday"}, "begin"),
        ({"queue": "x" * 101}, "queue"),
        ({"queue": "a\x00b"}, "NUL"),
        ({"by": "colour"}, "by"),
        ({"colour": "red"}, "expected the parameters step, begin"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(api: Client, query: dict[str, str], words: str) -> None:
    body = problem(api.get("/api/statistics", query), 422)
    assert words in str(body)


def test_an_answer_takes_few_queries_whatever_the_period(
    api: Client, alice: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for hour in range(5):
        ran(DAY + hour * HOUR, 1, 1, owner=alice)
    rolling.roll(now=DAY + 13 * HOUR)
    with django_assert_max_num_queries(16):
        asked(api, step="minute", begin=DAY.isoformat(), by="kind")
