"""/metrics: right whichever web process answers, closed to strangers, and cheap."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

import jobs_app
from jobs_app.core import clock, lane_control, outcomes, presence, tokens, transport
from jobs_app.core.retention import pruning
from jobs_app.core.rollups import rolling
from jobs_app.histograms import ERROR, bin_of
from jobs_app.lifecycle import Reason, State
from jobs_app.models import Event, Flow, Refusal, Rollup
from jobs_app.models.guard import writing
from jobs_app.reads import figures
from jobs_app.web import metrics, probes
from tests.support.ledger import altered, claimed, reaching, submitted
from tests.surfaces.web.conftest import logged_in

pytestmark = pytest.mark.django_db

TOKEN = "a-token-for-prometheus"
NAME = re.compile(r"weir_[a-z_]+")
UNITS = ("_seconds", "_bytes", "_jobs", "_messages")
WITHOUT_UNIT = {
    "weir_jobs", "weir_build", "weir_ledger_up", "weir_broker_circuit_open", "weir_queue_paused",
    "weir_queue_workers", "weir_queue_slots", "weir_schedules_late", "weir_schedules_broken",
}  # fmt: skip
ROOT = Path(jobs_app.__file__).parents[1]


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    probes.kept_metrics.forget()
    yield
    probes.kept_metrics.forget()


def families() -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(metrics.text().decode())}


def value(found: dict[str, Metric], sample: str, **labels: str) -> float:
    (one,) = [
        each.value
        for family in found.values()
        for each in family.samples
        if each.name == sample and labels.items() <= each.labels.items()
    ]
    return one


def stranger(**meta: Any) -> Client:
    """Somebody from elsewhere; Django's test client comes from 127.0.0.1 and calls itself testserver."""
    return Client(REMOTE_ADDR="203.0.113.7", **meta)


def test_names_and_units_are_as_prometheus_wants_them() -> None:
    found = families()
    assert len(found) > 20
    for name, family in found.items():
        assert NAME.fullmatch(name), name
        assert family.documentation.endswith("."), name
        assert family.type in {"gauge", "counter", "histogram"}, name
        assert name.endswith(UNITS) or family.type == "counter" or name in WITHOUT_UNIT | {"weir_build_info"}, name
        for sample in family.samples:
            assert family.type != "counter" or sample.name == f"{name}_total"
            assert set(sample.labels) <= {"queue", "state", "kind", "reason", "le", "version", "python", "database"}
    keys = [(sample.name, *sorted(sample.labels.items())) for family in found.values() for sample in family.samples]
    assert len(keys) == len(set(keys)), "a series is told once"


def test_it_tells_how_queues_stand(alice: User, carol: User) -> None:
    now = clock.database_now()
    for state in (State.SCHEDULED, State.QUEUED, State.QUEUED, State.RUNNING, State.RETRYING, State.SUCCEEDED):
        reaching(state, owner=alice, now=now)
    reaching(State.BLOCKED)
    altered(submitted(priority=5, now=now), due_at=now - timedelta(minutes=4))
    altered(submitted(priority=-5, now=now), due_at=now - timedelta(minutes=9))
    altered(submitted(priority=7, now=now), due_at=now - timedelta(minutes=2), dispatched_at=now)
    presence.announce("worker@a/1", ["default"], 3, now=now)
    lane_control.pause("default", None, now)
    lane_control.set_limits("default", actor=None, now=now, limit=70, window=7)
    found = families()
    counted = {state: value(found, "weir_jobs", queue="default", state=state) for state in metrics.UNFINISHED}
    assert counted == {"blocked": 1, "scheduled": 1, "queued": 5, "running": 1, "retrying": 1}
    assert 540 <= value(found, "weir_queue_oldest_age_seconds", queue="default") < 600
    assert value(found, "weir_queue_limit_jobs", queue="default") == 70
    assert value(found, "weir_queue_window_messages", queue="default") == 7
    assert value(found, "weir_queue_paused", queue="default") == 1
    assert (value(found, "weir_queue_workers"), value(found, "weir_queue_slots")) == (1, 3)
    assert value(found, "weir_ledger_up") == 1
    assert value(found, "weir_upkeep_age_seconds") == float("inf"), "nobody has measured"
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert value(found, "weir_build_info", version=version, database=connection.vendor) == 1


def test_counters_are_the_rollups_and_outlive_them(alice: User, configured: Callable[..., None]) -> None:
    now = clock.database_now()
    past = now - timedelta(days=40)
    for moment, owner in ((past, alice), (past, None), (now, alice)):
        started = claimed(submitted(owner=owner, now=moment), now=moment + timedelta(seconds=2))
        assert outcomes.succeed(started, None, 4, now=moment + timedelta(seconds=12))
    with writing():
        Refusal.objects.create(queue="default", owner=alice, reason=Reason.FULL, at=past, count=3)
    assert value(families(), "weir_jobs_submitted_total", kind="probe.nothing") == 0, "nothing is rolled up"
    rolling.roll(now=now)
    before = families()
    kind = {"queue": "default", "kind": "probe.nothing"}
    assert value(before, "weir_jobs_submitted_total", **kind) == 3
    assert value(before, "weir_jobs_succeeded_total", **kind) == 3
    assert value(before, "weir_submissions_refused_total", queue="default", reason="full") == 3
    assert value(before, "weir_attempt_run_seconds_count", **kind) == 3
    assert value(before, "weir_attempt_run_seconds_sum", **kind) == 30
    assert value(before, "weir_attempt_run_seconds_bucket", **kind, le="5.0") == 0
    assert value(before, "weir_attempt_run_seconds_bucket", **kind, le="30.0") == 3
    assert value(before, "weir_job_wait_seconds_sum", **kind) == 6
    configured(
        keep_minute_rollups_days=1, keep_hour_rollups_days=1, keep_day_rollups_days=1, keep_succeeded_days=1,
        keep_refusals_days=1,
    )  # fmt: skip
    pruning.run(now=now)
    assert not Rollup.objects.filter(gone=False, at__lt=past + timedelta(days=1)).exists()
    assert Event.objects.count() == 3, "one job of three is left"
    after = families()
    for name in before:
        if before[name].type in {"counter", "histogram"}:
            assert after[name].samples == before[name].samples, name


def test_buckets_are_cumulative_and_within_the_error_of_the_bins() -> None:
    durations = [0.0, 0.0051, 0.09, 0.3, 9.0, 61.0, 1e6]
    bins: dict[int, int] = {}
    for seconds in durations:
        number = bin_of(round(seconds * 1e6))
        bins[number] = bins.get(number, 0) + 1
    found = metrics.buckets(bins)
    assert [float(bound) for bound, _ in found] == [*metrics.BOUNDS, float("inf")]
    for bound, count in found:
        least = sum(each <= float(bound) * (1 - ERROR) for each in durations)
        assert least <= count <= sum(each <= float(bound) * (1 + ERROR) for each in durations)
    assert found[-1] == ("+Inf", len(durations))


def test_only_registered_kinds_are_told_and_no_owner(alice: User) -> None:
    altered(submitted(owner=alice), kind="once.upon_a_time")
    altered(submitted(owner=alice), kind="probe.nothing")
    rolling.roll(now=clock.database_now())
    text = metrics.text().decode()
    assert "once.upon_a_time" not in text
    assert "alice" not in text
    assert 'weir_jobs_submitted_total{kind="probe.nothing",queue="default"} 1.0' in text


def test_strangers_and_those_who_see_only_their_own_get_nothing(
    alice: User, carol: User, configured: Callable[..., None]
) -> None:
    configured(metrics_token=TOKEN)
    refused = stranger().get("/metrics")
    assert refused.status_code == 401
    assert refused["WWW-Authenticate"].startswith("Bearer")
    assert b"weir_" not in refused.content
    ask: dict[str, Callable[[], Any]] = {
        "alice": lambda: _as(alice).get("/metrics"),
        "alice's token": lambda: stranger().get("/metrics", headers=_bearer(_token(alice))),
        "wrong token": lambda: stranger().get("/metrics", headers=_bearer(TOKEN + "x")),
        "no token": lambda: stranger().get("/metrics", headers=_bearer("")),
        "basic": lambda: stranger().get("/metrics", headers={"Authorization": "Basic YTpi"}),
        "carol": lambda: _as(carol).get("/metrics"),
        "carol's token": lambda: stranger().get("/metrics", headers=_bearer(_token(carol))),
        "carol's token for something else": lambda: stranger().get(
            "/metrics", headers=_bearer(tokens.issue(carol, "x", now=clock.database_now(), grants=["jobs:submit"])[1])
        ),
        "the token": lambda: stranger().get("/metrics", headers=_bearer(TOKEN)),
    }
    assert {who: asked().status_code for who, asked in ask.items()} == {
        "alice": 404, "alice's token": 404, "wrong token": 401, "no token": 401, "basic": 401, "carol": 200,
        "carol's token": 200, "carol's token for something else": 404, "the token": 200,
    }  # fmt: skip
    assert stranger().post("/metrics", headers=_bearer(TOKEN)).status_code == 405


def test_this_machine_may_look_unless_a_proxy_may_be_between(configured: Callable[..., None]) -> None:
    def answer(address: str = "127.0.0.1", host: str = "localhost:8000", **headers: str) -> int:
        return Client(REMOTE_ADDR=address).get("/metrics", headers={"Host": host, **headers}).status_code

    assert [answer(), answer("::1"), answer("::ffff:127.0.0.1", "127.0.0.1")] == [200, 200, 200]
    assert answer("203.0.113.7") == 401
    assert answer("") == 401
    assert answer(host="testserver") == 401, "a proxy on this machine hands on the name that was asked for"
    for header in ("X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via"):
        assert answer(**{header: "1"}) == 401, header
    configured(behind_proxy=True)
    assert answer() == 401


def test_many_scrapers_cost_one_set_of_queries(configured: Callable[..., None]) -> None:
    configured(metrics_token=TOKEN)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        answers = [stranger().get("/metrics", headers=_bearer(TOKEN)) for _ in range(5)]
    assert {answer.content for answer in answers} == {answers[0].content}
    assert answers[0]["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "no-store" in answers[0]["Cache-Control"]
    assert len(asked) <= 22, [each["sql"] for each in asked]


def test_the_number_of_queries_does_not_grow_with_jobs_and_kinds(alice: User) -> None:
    metrics.text()
    with CaptureQueriesContext(connection) as few:
        submitted(owner=alice)
        few.initial_queries = len(connection.queries_log)
        metrics.text()
    for state in State:
        for _ in range(4):
            reaching(state, owner=alice)
    rolling.roll(now=clock.database_now())
    with CaptureQueriesContext(connection) as many:
        metrics.text()
    assert len(many) == len(few) <= 24, [each["sql"] for each in many]


def test_a_deep_queue_is_counted_so_far_and_then_believed_to_upkeep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "COUNTED", 2)
    now = clock.database_now()
    for _ in range(4):
        submitted(now=now)
    assert value(families(), "weir_jobs", queue="default", state="queued") == 2
    with writing():
        Flow.objects.create(
            queue="default", started_at=now, ended_at=now, through=0, arrived=0, left=0, ended=0, busy_seconds=0,
            depth=4, running=0, promised=0, kept=0,
        )  # fmt: skip
    found = families()
    assert value(found, "weir_jobs", queue="default", state="queued") == 4
    assert value(found, "weir_upkeep_age_seconds") < 60


def test_what_is_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "circuit", transport.Circuit())
    assert value(families(), "weir_broker_circuit_open") == 0
    transport.circuit.trip()
    assert value(families(), "weir_broker_circuit_open") == 1


def test_a_ledger_that_is_away_is_told_and_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Any:
        raise OperationalError("no")

    monkeypatch.setattr(metrics.clock, "database_now", away)
    monkeypatch.setattr(metrics.connection, "close", lambda: None)  # it holds this test's transaction
    found = families()
    assert value(found, "weir_ledger_up") == 0
    assert not any(name.startswith("weir_queue") for name in found)


def _as(user: User) -> Client:
    client = logged_in(user)
    client.defaults["REMOTE_ADDR"] = "203.0.113.7"
    return client


def _token(user: User) -> str:
    return tokens.issue(user, "scraper", now=clock.database_now())[1]


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
