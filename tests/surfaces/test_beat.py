"""Beat for real: ticks that run, that do not pile up, that survive restarts of beat and of the broker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

from jobs_app import wire
from jobs_app.core import clock
from jobs_app.models import Job, Schedule, Tick
from tasks.beat import BACKLOG
from tests.support.ledger import altered, fresh, happened, submitted
from tests.support.processes import ROOT, eventually
from tests.surfaces.processes import Broker, Running, celery, environment_with

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quiet")]

TICKS = {wire.REFILL, wire.RESCUE, wire.OBSERVE, wire.ROLL}
RARE = {wire.RETAIN}
"""Ticks that no test waits for."""


class Stage:
    """A broker of the test's own, and the two processes that upkeep needs."""

    def __init__(self, directory: Path, given: dict[str, str]) -> None:
        self.directory = directory
        self.broker = Broker(directory / "broker")
        self.environment = environment_with(self.broker, given)
        self._logs = 0

    def beat(self) -> AbstractContextManager[Running]:
        return celery("beat", "--loglevel", "INFO", environment=self.environment, log=self._log("beat"))

    def upkeep(self) -> AbstractContextManager[Running]:
        arguments = ("worker", "-Q", "system", "-c", "1", "-n", "upkeep@beat-test", "--loglevel", "INFO")
        quiet = ("--without-mingle", "--without-gossip")
        return celery(*arguments, *quiet, environment=self.environment, log=self._log("upkeep"))

    def _log(self, name: str) -> Path:
        self._logs += 1
        return self.directory / f"{name}-{self._logs}.log"


@pytest.fixture
def stage(tmp_path: Path, worker_environment: dict[str, str]) -> Iterator[Stage]:
    made = Stage(tmp_path, worker_environment)
    made.broker.start()
    yield made
    made.broker.stop()


def ran(worker: Running) -> set[str]:
    return {name for name in TICKS if f"Task {name}[" in worker.said and "succeeded" in worker.said}


def test_upkeep_runs_with_one_beat_or_two_and_the_schedule_is_as_it_should_be(stage: Stage) -> None:
    now = clock.database_now()
    due = altered(submitted(due_at=now + timedelta(hours=1)), due_at=now - timedelta(seconds=1))
    expired = submitted(expires_at=now + timedelta(seconds=1))
    before = {each.name for each in ROOT.iterdir()}
    with stage.beat() as beat, stage.beat() as second, stage.upkeep() as worker:
        eventually(lambda: ran(worker) == TICKS, what="every tick to run")
        eventually(lambda: fresh(due).state == "queued", what="refill to promote a due job")
        eventually(lambda: fresh(expired).state == "failed", what="rescue to end an expired job")
        rows = {row.name: row for row in PeriodicTask.objects.all()}
        assert set(rows) == TICKS | RARE  # and no celery.backend_cleanup
        assert {rows[wire.REFILL].interval.every, rows[wire.RESCUE].interval.every} == {1, 2}
        assert {row.expire_seconds for row in rows.values()} == {10}
        assert (beat.stop(), second.stop()) == (0, 0)
        assert "Sending due task" not in beat.said  # every second, it would bury what matters
    assert (PeriodicTask.objects.count(), IntervalSchedule.objects.count(), PeriodicTasks.objects.count()) == (5, 4, 1)
    assert happened(due) == ["submitted", "due"]
    assert {each.name for each in ROOT.iterdir()} == before  # no schedule file, no pid file


def test_ticks_neither_pile_up_nor_run_late(stage: Stage) -> None:
    with stage.beat() as beat:
        eventually(lambda: stage.broker.waiting("system") == BACKLOG, what="ticks to wait")
        newest = json.loads(stage.broker.client.lindex("system", 0))
        expires = datetime.fromisoformat(newest["headers"]["expires"])
        assert timedelta(0) < expires - datetime.now(UTC) <= timedelta(seconds=11)
        eventually(lambda: datetime.now(UTC) > expires, what="the ticks to expire")
        assert stage.broker.waiting("system") == BACKLOG
        assert beat.stop() == 0
    assert sum(PeriodicTask.objects.values_list("total_run_count", flat=True)) > 2 * BACKLOG
    with stage.upkeep() as worker:
        eventually(lambda: stage.broker.waiting("system") == 0, what="the worker to clear the queue")
        eventually(lambda: worker.said.count("Discarding revoked task") == BACKLOG, what="expired ticks to be dropped")
        assert ran(worker) == set()


def each_second(name: str, **columns: object) -> PeriodicTask:
    every, _ = IntervalSchedule.objects.get_or_create(every=1, period="seconds")
    message = {"schedule": name, "kind": "system.echo", "parameters": {"text": "good morning"}}
    return PeriodicTask.objects.create(
        name=name, task=wire.SUBMIT, interval=every, kwargs=json.dumps(message), **columns
    )


def test_what_an_operator_switched_off_stays_off_and_changes_are_heeded_without_a_signal(stage: Stage) -> None:
    greeting = each_second("greeting", enabled=False)
    with stage.beat() as beat:
        eventually(lambda: stage.broker.waiting("system") > 0, what="upkeep to be sent")
        eventually(lambda: Schedule.objects.first(), what="the schedule to be noticed")
        assert not Job.objects.exists()
        PeriodicTask.objects.filter(pk=greeting.pk).update(enabled=True)
        job = eventually(lambda: Job.objects.first(), what="the schedule to submit a job")
        assert (job.kind, job.parameters, job.owner, job.via) == (
            "system.echo", {"text": "good morning"}, None, "schedule",
        )  # fmt: skip
        PeriodicTask.objects.filter(pk=greeting.pk).update(enabled=False)
        eventually(lambda: Schedule.objects.filter(look_at=None).exists(), what="the pause to be noticed")
        count = Job.objects.count()
        assert beat.stop() == 0
        assert wire.SUBMIT not in beat.said
    assert Job.objects.count() == count == Tick.objects.count()


@pytest.mark.parametrize("fault", ["gone", "frozen"])
def test_a_beat_whose_broker_is_away_submits_jobs_all_the_same(stage: Stage, fault: str) -> None:
    each_second("greeting")
    with stage.beat() as beat:
        eventually(lambda: Tick.objects.count() >= 2, what="ticks")
        if fault == "gone":
            stage.broker.stop()
        else:
            stage.broker.freeze()
        seen = Tick.objects.count()
        eventually(lambda: Tick.objects.count() >= seen + 6, what="ticks while the broker is away")
        assert Job.objects.count() == Tick.objects.filter(outcome="submitted").count()
        if fault == "frozen":
            stage.broker.thaw()
        assert beat.stop() == 0


def test_a_beat_whose_connections_are_cut_goes_on(stage: Stage) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no connections to cut")
    each_second("greeting")
    with stage.beat() as beat:
        for _ in range(3):
            seen = Tick.objects.count()
            eventually(lambda seen=seen: Tick.objects.count() >= seen + 2, what="ticks")
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                assert cursor.rowcount >= 2, "beat has one for its messages, and one for what is due"
        seen = Tick.objects.count()
        eventually(lambda: Tick.objects.count() >= seen + 2, what="ticks after the cuts")
        assert beat.stop() == 0
    assert Job.objects.count() == Tick.objects.filter(outcome="submitted").count()


def test_ticks_come_back_after_a_broker_that_went_away_and_after_a_restart(stage: Stage) -> None:
    with stage.beat() as beat:
        eventually(lambda: stage.broker.waiting("system") > 0, what="ticks")
        stage.broker.stop()
        eventually(lambda: "was not sent" in beat.said, what="beat to notice")
        stage.broker.start()
        stage.broker.client.delete("system")
        eventually(lambda: stage.broker.waiting("system") > 0, what="ticks to come back")
        assert beat.stop() == 0
        assert "Traceback" not in beat.said
    stage.broker.client.delete("system")
    with stage.beat() as again:
        eventually(lambda: stage.broker.waiting("system") > 0, what="ticks of a beat that was started again")
        assert again.stop() == 0
    assert (PeriodicTask.objects.count(), IntervalSchedule.objects.count()) == (5, 4)
