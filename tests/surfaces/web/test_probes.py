"""/healthz and /readyz: a word for everybody, the reasons for those who may look."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpResponse
from django.test import Client, RequestFactory

from jobs_app.core import clock, lane_control, presence
from jobs_app.errors import BrokerAway, InvalidRequest
from jobs_app.models import Flow
from jobs_app.models.guard import writing
from jobs_app.reads import readiness
from jobs_app.web import patience, probes
from tests.support.ledger import altered, submitted

pytestmark = pytest.mark.django_db
NAMES = ["ledger", "tables", "upkeep", "workers", "age", "disk", "broker"]


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    for each in (probes.kept_checks, readiness._migrated):
        each.clear()
    yield
    for each in (probes.kept_checks, readiness._migrated):
        each.clear()


def measured(age: timedelta = timedelta(0)) -> None:
    """Upkeep measured, so long ago."""
    at = clock.database_now() - age
    with writing():
        Flow.objects.create(
            queue="default", started_at=at, ended_at=at, through=0, arrived=0, left=0, ended=0, busy_seconds=0,
            depth=0, running=0, promised=0, kept=0,
        )  # fmt: skip


def standings() -> dict[str, str]:
    return {check.name: check.standing.value for check in readiness.checks()}


def words(name: str) -> str:
    return next(check.words for check in readiness.checks() if check.name == name)


def here() -> Client:
    return Client(headers={"Host": "localhost"})


def stranger() -> Client:
    return Client(REMOTE_ADDR="203.0.113.7")


def test_all_is_well() -> None:
    measured()
    answer = here().get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ready"
    assert [(check["name"], check["standing"]) for check in answer.json()["checks"]] == [(name, "ok") for name in NAMES]
    assert "no-store" in answer["Cache-Control"]
    assert stranger().get("/readyz").json() == {"status": "ready"}
    assert stranger().get("/healthz").content == b"ok"
    assert stranger().post("/readyz").status_code == 405


def test_strangers_are_told_the_word_alone(configured: Callable[..., None]) -> None:
    configured(metrics_token="a-token-for-prometheus")
    answer = stranger().get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "not ready"}), "upkeep has never measured"
    wrong = stranger().get("/readyz", headers={"Authorization": "Bearer wrong"})
    assert (wrong.status_code, wrong.json()) == (503, {"status": "not ready"})
    told = stranger().get("/readyz", headers={"Authorization": "Bearer a-token-for-prometheus"}).json()
    assert {check["name"]: check["standing"] for check in told["checks"]}["upkeep"] == "failed"


def test_upkeep_that_is_silent(configured: Callable[..., None]) -> None:
    assert "never yet" in words("upkeep")
    measured(timedelta(seconds=100))
    assert standings()["upkeep"] == "failed"
    configured(ready_upkeep_seconds=120)
    assert standings()["upkeep"] == "ok"


def test_a_queue_that_nobody_serves_and_one_that_is_old(alice: User, configured: Callable[..., None]) -> None:
    measured()
    now = clock.database_now()
    job = submitted(owner=alice, now=now)
    assert (standings()["workers"], standings()["age"]) == ("ok", "ok"), "a worker may be about to come"
    altered(job, due_at=now - timedelta(seconds=90))
    assert (standings()["workers"], standings()["age"]) == ("failed", "ok")
    assert words("workers").startswith("no worker takes jobs of default (9")
    presence.announce("worker@a/1", ["default"], 1, now=now)
    assert standings()["workers"] == "ok"
    altered(job, due_at=now - timedelta(hours=2))
    assert standings()["age"] == "failed"
    configured(ready_queue_age_seconds=0)
    assert standings()["age"] == "ok"
    configured(ready_queue_age_seconds=3600)
    lane_control.pause("default", None, now)
    assert standings()["age"] == "ok", "people have stopped it, and know"


def test_tables_of_another_release() -> None:
    measured()
    MigrationRecorder.Migration.objects.filter(app="jobs_app").order_by("name").last().delete()  # type: ignore[union-attr]
    found = standings()
    assert [found[name] for name in ("ledger", "tables", "upkeep", "workers", "age")] == ["ok", *["failed"] * 4]
    assert "manage.py migrate" in words("tables")


def test_a_broker_that_is_away_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    measured()

    def away(_: str) -> int:
        raise BrokerAway("redis://:password@broker is away") from OSError("x")

    monkeypatch.setattr(readiness.transport, "depth", away)
    assert standings()["broker"] == "warning"
    assert "password" not in words("broker")
    assert stranger().get("/readyz").status_code == 200


def test_a_question_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    measured()
    never = threading.Event()
    monkeypatch.setattr(readiness, "ASK_SECONDS", 0.05)
    monkeypatch.setattr(readiness.transport, "depth", lambda _: never.wait(60) and 0)
    try:
        assert standings()["broker"] == "warning"
        assert "no answer within" in words("broker")
    finally:
        never.set()


def test_a_ledger_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Any:
        raise OperationalError("connection to server at 10.0.0.7 failed: password of weir")

    monkeypatch.setattr(readiness.clock, "database_now", away)
    monkeypatch.setattr(readiness.connection, "close", lambda: None)  # it holds this test's transaction
    found = readiness.checks()
    assert [check.name for check in found] == NAMES
    assert {check.name for check in found if check.standing == "failed"} == {*NAMES[:5]}
    assert not any("10.0.0.7" in check.words for check in found)


def test_a_disk_that_is_full(configured: Callable[..., None]) -> None:
    measured()
    configured(ready_free_megabytes=100_000_000)
    assert standings()["disk"] == "failed"
    configured(ready_free_megabytes=0)
    assert standings()["disk"] == "ok"
    configured(ready_free_megabytes=1, data_dir=Path("/nowhere/at/all"))
    assert standings()["disk"] == "failed"


def test_less_may_be_asked_so_that_a_balancer_keeps_a_web_process_whose_queue_is_old() -> None:
    answer = here().get("/readyz?only=ledger,tables,disk")
    assert answer.status_code == 200, "upkeep has measured nothing, and was not asked about"
    assert [check["name"] for check in answer.json()["checks"]] == ["ledger", "tables", "disk"]
    for wrong in ("", "ledger,", "all", "x" * 1000):
        assert stranger().get("/readyz", {"only": wrong}).status_code == 400
    with pytest.raises(InvalidRequest, match="expected checks among ledger, tables"):
        readiness.named("secret")


def test_alive_is_whoever_answers_also_while_the_database_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang() -> None:
        raise AssertionError("the database was asked")

    monkeypatch.setattr(patience.connection, "close_if_health_check_failed", hang)
    monkeypatch.setattr(patience, "ANSWERED_SECONDS", 0.0)
    assert stranger().get("/healthz").status_code == 200
    with pytest.raises(AssertionError, match="was asked"):
        stranger().get("/readyz")


def test_a_connection_that_answered_lately_is_not_asked_whether_it_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(patience.connection, "close_if_health_check_failed", lambda: asked.append("well?"))
    monkeypatch.setattr(patience, "ANSWERED_SECONDS", 3600.0)
    with patience.connection.execute_wrapper(patience._bounded), patience.connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    asked.clear()
    respond = patience.middleware(lambda request: HttpResponse())
    respond(RequestFactory().get("/"))
    assert asked == []
    monkeypatch.setattr(patience, "ANSWERED_SECONDS", 0.0)
    respond(RequestFactory().get("/"))
    assert asked == ["well?"]


def test_probes_are_not_sent_to_https(settings: Any) -> None:
    measured()
    settings.SECURE_SSL_REDIRECT = True
    assert [stranger().get(path).status_code for path in ("/healthz", "/readyz", "/metrics", "/")] == [
        200, 200, 401, 301,
    ]  # fmt: skip


def test_many_who_ask_cost_one_set_of_queries(django_assert_num_queries: Any) -> None:
    measured()
    stranger().get("/readyz")
    with django_assert_num_queries(0):
        for _ in range(5):
            assert stranger().get("/readyz").status_code == 200


def test_what_is_kept_is_made_once_and_old_while_it_is_made() -> None:
    kept: probes.Kept[int] = probes.Kept(0.0)
    assert kept.get(lambda: 1) == 1
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> int:
        begun.set()
        go_on.wait(30)
        return 2

    maker = threading.Thread(target=lambda: kept.get(slow))
    maker.start()
    assert begun.wait(30)
    assert kept.get(lambda: 3) == 1, "what was there before"
    go_on.set()
    maker.join(30)
    assert kept._value == 2
