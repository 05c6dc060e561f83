"""GET /api/planner: what so many slots lead to, from figures that were typed in or measured."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs_app import queueing
from jobs_app.core import estimates, presence
from jobs_app.models import Flow, Pace
from jobs_app.models.guard import writing
from jobs_app.queueing import Load
from tests.surfaces.api.support import client_of, problem

pytestmark = pytest.mark.django_db

TYPED = {"arrival_rate": 2.4, "service_seconds": 1, "slots": 4}


@pytest.fixture(autouse=True)
def _measures_of_this_test_alone() -> None:
    estimates.forget()


def asked(client: Client, **query: Any) -> dict[str, Any]:
    response = client.get("/api/planner", query)
    assert response.status_code == 200, response.content
    found: dict[str, Any] = response.json()
    return found


def test_typed_figures_give_what_the_formulas_say(api: Client) -> None:
    plan = asked(api, **TYPED, target_seconds=0.5, backlog=100)
    told = queueing.forecast(Load(2.4, 1, 4))
    forecast = plan["forecast"]
    assert {name: forecast[name] for name in vars(told)} == pytest.approx(vars(told))
    assert forecast["keeps_up"] is True
    assert forecast["drain_seconds"] == pytest.approx(100 / 1.6)
    assert plan["slots_for_target"] == queueing.slots_for(Load(2.4, 1, 4), 0.5) == 5
    assert plan["slots_to_keep_up"] == 3
    assert plan["queue"] is None
    assert plan["inputs"]["slots"] == {"value": 4, "source": "typed"}
    assert plan["inputs"]["service_deviation"] == {"value": None, "source": "unknown"}
    assert any("Erlang" in each for each in plan["sources"])


def test_the_table_goes_from_two_fewer_slots_to_eight_more(api: Client) -> None:
    plan = asked(api, **TYPED)
    assert [row["slots"] for row in plan["table"]] == list(range(2, 13))
    short = plan["table"][0]
    assert (short["keeps_up"], short["wait_mean"], short["queue_length"]) == (False, None, None)
    assert plan["forecast"] in plan["table"]
    assert [row["slots"] for row in asked(api, **{**TYPED, "slots": 1})["table"]] == list(range(1, 10))
    assert asked(api, **{**TYPED, "slots": 100_000})["table"][-1]["slots"] == 100_000


def test_too_few_slots_are_told_to_be_too_few(api: Client) -> None:
    plan = asked(api, **{**TYPED, "slots": 2}, backlog=10, target_seconds=2)
    assert plan["forecast"]["utilisation"] == pytest.approx(1.2)
    assert plan["forecast"]["wait_p95"] is plan["forecast"]["drain_seconds"] is None
    assert "grows without bound; at least 3 are needed" in plan["warnings"][0]
    assert plan["slots_for_target"] == 4
    assert asked(api, arrival_rate=1e6, service_seconds=1, slots=1, target_seconds=1)["slots_for_target"] is None


def test_the_deviation_of_service_times_counts(api: Client) -> None:
    even, varied = (asked(api, **TYPED, service_deviation=each) for each in (0, 3))
    assert varied["forecast"]["wait_mean"] == pytest.approx(even["forecast"]["wait_mean"] * 10)
    assert "far more than exponential" in varied["warnings"][0]
    assert "less than exponential" in even["warnings"][0]
    assert asked(api, **TYPED, service_deviation=1)["warnings"] == []
    assert "is not known" in asked(api, **TYPED)["warnings"][0]


def measured(now: datetime, *, arrivals: Callable[[int], int], slots: int = 4, attempts: int = 100) -> None:
    """Ten minutes of the default queue: its flow by tens of seconds, its workers, and attempts of 1 and 3 seconds."""
    stretch = timedelta(seconds=10)
    with writing():
        for place in range(60):
            ended = now - place * stretch
            Flow.objects.create(
                queue="default", started_at=ended - stretch, ended_at=ended, through=0, arrived=arrivals(place),
                left=10, ended=10, busy_seconds=20, depth=0, running=2, promised=0, kept=0,
            )  # fmt: skip
        Pace.objects.create(kind="system.echo", seconds=[1, 3] * (attempts // 2), updated_at=now)
    presence.announce("worker@here/1", ["default"], slots, now=now)


def test_measured_figures_are_used_and_told_as_measured(api: Client, now: datetime) -> None:
    measured(now, arrivals=lambda place: 10 + (3 if place % 2 else -3))
    plan = asked(api, queue="default")
    assert plan["queue"] == "default"
    sources = {name: each["source"] for name, each in plan["inputs"].items()}
    assert sources == {
        "arrival_rate": "measured", "service_seconds": "measured", "service_deviation": "measured",
        "slots": "measured", "backlog": "measured", "target_seconds": "unknown",
    }  # fmt: skip
    assert (plan["inputs"]["service_seconds"]["value"], plan["inputs"]["slots"]["value"]) == (2.0, 4)
    assert plan["inputs"]["service_deviation"]["value"] == pytest.approx(1.0)
    rate = plan["inputs"]["arrival_rate"]["value"]
    assert rate == pytest.approx(1, rel=0.2)
    assert plan["forecast"]["wait_mean"] == pytest.approx(queueing.forecast(Load(rate, 2, 4, 1)).wait_mean)
    # Constant times would have 0, these have 0.25; the arrivals' index of dispersion is 0.9.
    assert plan["warnings"] == [
        "Service times vary less than exponential times (1); their squared coefficient of variation is 0.2. "
        "The waits are scaled for it, by an approximation."
    ]


def test_what_is_typed_wins_over_what_was_measured(api: Client, now: datetime) -> None:
    measured(now, arrivals=lambda place: 10)
    plan = asked(api, queue="default", arrival_rate=3, service_seconds=1, slots=5, backlog=7)
    inputs = plan["inputs"]
    for name, value in {"arrival_rate": 3, "service_seconds": 1, "slots": 5, "backlog": 7}.items():
        assert inputs[name] == {"value": value, "source": "typed"}
    assert inputs["service_deviation"] == {"value": None, "source": "unknown"}, "it belonged to the measured mean"
    assert plan["forecast"]["utilisation"] == pytest.approx(0.6)


def test_bursts_and_few_measurements_are_warned_of(api: Client, now: datetime) -> None:
    measured(now, arrivals=lambda place: 100 if place % 10 == 0 else 0, attempts=4)
    warnings = " ".join(asked(api, queue="default")["warnings"])
    assert "Jobs come in bursts: waits are longer than told here (their index of dispersion is 9" in warnings
    assert "Only 4 attempts measured" in warnings


def test_an_even_beat_is_told(api: Client, now: datetime) -> None:
    measured(now, arrivals=lambda place: 10)
    assert "more evenly than by chance" in " ".join(asked(api, queue="default")["warnings"])


def test_slots_have_to_be_given_while_no_worker_listens(api: Client, now: datetime) -> None:
    measured(now, arrivals=lambda place: 10)
    presence.leave("worker@here/1")
    assert "expected slots, got none" in problem(api.get("/api/planner", {"queue": "default"}), 422)["detail"]
    assert asked(api, queue="default", slots=4)["inputs"]["arrival_rate"]["source"] == "measured"


def test_what_nobody_knows_has_to_be_given(api: Client) -> None:
    assert "arrival_rate, service_seconds, slots" in problem(api.get("/api/planner"), 422, "invalid-request")["detail"]
    answer = problem(api.get("/api/planner", {"queue": "default", "slots": 3}), 422, "invalid-request")
    assert "expected arrival_rate, service_seconds, got none" in answer["detail"]
    assert "measured of 'default'" in answer["detail"]


def test_a_queue_that_is_not_there_is_refused(api: Client) -> None:
    answer = problem(api.get("/api/planner", {**TYPED, "queue": "nowhere"}), 422, "invalid-request")
    assert "default" in answer["detail"]
    assert "'nowhere'" in answer["detail"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("arrival_rate", -1), ("arrival_rate", 1e7), ("arrival_rate", "nan"), ("arrival_rate", "inf"),
        ("service_seconds", 0), ("service_seconds", 1e8), ("service_deviation", -1), ("slots", 0), ("slots", 100_001),
        ("slots", 1.5), ("target_seconds", -1), ("backlog", -1), ("backlog", 10**12), ("queue", "x" * 101),
    ],
)  # fmt: skip
def test_figures_out_of_bounds_are_named(api: Client, name: str, value: Any) -> None:
    answer = problem(api.get("/api/planner", {**TYPED, name: value}), 422, "invalid-request")
    assert answer["errors"][0]["pointer"] == f"query.{name}"


def test_an_unknown_parameter_is_refused(api: Client) -> None:
    assert "got lambda" in problem(api.get("/api/planner", {**TYPED, "lambda": 3}), 422)["detail"]


def test_sessions_and_tokens_are_let_in_and_strangers_are_not(alice: User) -> None:
    browser = Client()
    problem(browser.get("/api/planner", TYPED), 401, "not-authenticated")
    browser.force_login(alice)
    assert asked(browser, **TYPED) == asked(client_of(alice), **TYPED)
