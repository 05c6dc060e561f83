"""Retention: what is due goes, with all that is its; what is needed stays; nothing goes that is not counted."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import models
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from pytest_django import DjangoAssertNumQueries

from jobs_app import conf, registry
from jobs_app.core import artifacts, control, submission
from jobs_app.core.retention import batches, orphans, pruning, reports, rules
from jobs_app.core.rollups import cursor, proof, rolling
from jobs_app.core.turns import Turns
from jobs_app.lifecycle import FINAL, Reason, State
from jobs_app.models import (
    Artifact,
    Attempt,
    Checkpoint,
    Event,
    Job,
    JobInput,
    LogLine,
    QueueLevel,
    Refusal,
    Rollup,
    Tick,
    UniqueKey,
)  # fmt: skip
from jobs_app.models.guard import writing
from jobs_app.models.identity import new_id
from jobs_app.policies import Unique
from jobs_app.steps import Step
from tests.support.ledger import altered, log, reaching, submitted, succeeded_with_everything
from tests.support.rollups import Diary, counted
from tests.support.schedules import scheduled

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, configured: Callable[..., None]) -> Path:
    """A data directory of the test's own, and short times."""
    configured(
        data_dir=tmp_path, keep_succeeded_days=10, keep_failed_days=20, keep_cancelled_days=5, keep_uploads_days=3,
        keep_refusals_days=2, keep_kinds_days=("system.echo=1", "probe.files/failed=0"),
    )  # fmt: skip
    return conf.current().artifact_dir


def pruned(now: datetime) -> dict[str, int]:
    """Roll up and prune, as upkeep would."""
    rolling.roll(now=now)
    return dict(pruning.run(now=now))


def files_in(directory: Path) -> set[Path]:
    return {path for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("state", "days"), [("succeeded", 10), ("failed", 20), ("cancelled", 5)])
def test_a_job_is_kept_as_long_as_its_state_says(state: str, days: int) -> None:
    reaching(State(state), now=NOON)
    assert "jobs" not in pruned(NOON + days * DAY)
    assert pruned(NOON + days * DAY + timedelta(seconds=1))["jobs"] == 1
    assert not Job.objects.exists()
    assert not Event.objects.exists()
    assert not Attempt.objects.exists()


def test_kinds_have_times_of_their_own() -> None:
    echo = submitted("system.echo", {"text": "x"}, now=NOON)
    control.cancel(echo.id, actor=None, now=NOON)
    other = reaching(State.CANCELLED, now=NOON)
    assert pruned(NOON + 2 * DAY)["jobs"] == 1
    assert Job.objects.get() == other
    assert conf.current().kept_for("probe.files", State.FAILED) is None, "0 is for ever"
    assert conf.current().kept_for("probe.files", State.CANCELLED) == 5 * DAY


@pytest.mark.parametrize("state", sorted(set(State) - FINAL))
def test_what_has_not_ended_is_never_pruned(state: State) -> None:
    job = reaching(state, now=NOON)
    assert "jobs" not in pruned(NOON + 9000 * DAY)
    assert Job.objects.get() == job


def test_all_that_is_a_jobs_goes_with_it_files_after_rows(alice: User, directory: Path) -> None:
    job = succeeded_with_everything(alice, NOON)
    rerun = Job.objects.get(rerun_of=job)
    upload = Artifact.objects.get(job=None)
    with writing():
        Checkpoint.objects.create(job=job, attempt=1, value=1, saved_at=NOON)
    assert pruned(NOON + 11 * DAY)["jobs"] == 1
    assert not Job.objects.filter(id=job.id).exists()
    for model in (Attempt, LogLine, Checkpoint):
        assert not model.objects.exists(), model
    assert Job.objects.get().rerun_of is None, "history goes on without it"
    assert set(Event.objects.values_list("job", flat=True)) == {rerun.id}
    assert files_in(directory) == {artifacts.path_of(upload.id)}, "the rerun takes the upload"
    assert JobInput.objects.get().job == rerun


def test_nothing_goes_before_it_is_counted() -> None:
    job = reaching(State.SUCCEEDED, now=NOON)
    assert not pruning.run(now=NOON + 11 * DAY)
    assert Job.objects.get() == job
    assert pruned(NOON + 11 * DAY)["jobs"] == 1


def test_what_goes_stays_counted_and_proved(alice: User) -> None:
    for state in (State.SUCCEEDED, State.FAILED, State.CANCELLED):
        reaching(state, now=NOON, owner=alice)
    with writing():
        Refusal.objects.create(queue="default", at=NOON, reason=Reason.FULL, count=7)
    diary = Diary().look()
    pruned(NOON + 6 * DAY)
    assert (Job.objects.count(), Refusal.objects.count()) == (2, 0)
    assert counted() == diary.counts()
    ((_, differences),) = proof.verify(NOON, NOON + DAY / 3, clock=lambda: NOON)
    assert differences == []
    assert [wrong for _, wrong in proof.rebuild(NOON, NOON + DAY / 3, clock=lambda: NOON)] == [0]
    with writing():
        Rollup.objects.filter(gone=False).delete()
    list(proof.rebuild(NOON, NOON + DAY / 3, clock=lambda: NOON))
    assert counted() == diary.counts(), "what is gone comes back from what was noted of it"


def test_a_file_that_another_job_takes_keeps_its_job(alice: User) -> None:
    maker = reaching(State.SUCCEEDED, now=NOON, owner=alice)
    made = artifacts.save_output(maker, 1, "made.txt", b"made", now=NOON)
    taker = submitted("probe.files", {"first": str(made.id), "others": []}, owner=alice, now=NOON)
    assert "jobs" not in pruned(NOON + 11 * DAY)
    control.cancel(taker.id, actor=None, now=NOON)
    assert pruned(NOON + 11 * DAY)["jobs"] == 2
    assert not Artifact.objects.exists()


def test_children_go_before_their_parent() -> None:
    parent, child = reaching(State.SUCCEEDED, now=NOON), reaching(State.FAILED, now=NOON)
    altered(child, parent=parent)
    assert "jobs" not in pruned(NOON + 11 * DAY)
    assert pruned(NOON + 21 * DAY)["jobs"] == 2
    assert not Job.objects.exists()


def test_a_unique_key_that_holds_keeps_its_job(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = Unique(period=15 * DAY, states=frozenset(State))
    monkeypatch.setattr(registry, "get", lambda name, get=registry.get: _with(get(name), rule))
    job = reaching(State.SUCCEEDED, now=NOON)
    assert UniqueKey.objects.get().until == NOON + 15 * DAY
    assert "jobs" not in pruned(NOON + 11 * DAY)
    assert submission.accept(
        "probe.nothing", {}, owner=None, options=submission.Options(), now=NOON + 11 * DAY
    ).replayed
    assert pruned(NOON + 16 * DAY)["jobs"] == 1
    assert submitted(now=NOON + 16 * DAY).id != job.id


def _with(kind: registry.Kind, rule: Unique) -> registry.Kind:
    from dataclasses import replace

    return replace(kind, unique=rule)


def test_an_idempotency_key_goes_with_its_job() -> None:
    job = submitted(now=NOON, idempotency_key="mine")
    control.cancel(job.id, actor=None, now=NOON)
    assert submitted(now=NOON + 4 * DAY, idempotency_key="mine").id == job.id
    pruned(NOON + 6 * DAY)
    assert submitted(now=NOON + 6 * DAY, idempotency_key="mine").id != job.id


def test_what_is_spared_stays(monkeypatch: pytest.MonkeyPatch, alice: User) -> None:
    spared, other = reaching(State.SUCCEEDED, now=NOON), reaching(State.SUCCEEDED, now=NOON)
    upload = artifacts.take_upload("a.txt", [b"x"], owner=alice, now=NOON)
    monkeypatch.setattr(rules, "SPARED_JOBS", [lambda now: Job.objects.filter(id=spared.id)])
    monkeypatch.setattr(rules, "SPARED_UPLOADS", [lambda now: Artifact.objects.all()])
    assert pruned(NOON + 11 * DAY) == {"jobs": 1}
    assert Job.objects.get() == spared
    assert Artifact.objects.get() == upload
    assert other.id != spared.id


def test_unused_uploads_go_and_those_of_schedules_stay(alice: User, directory: Path) -> None:
    unused, used, of_schedule = (artifacts.take_upload(f"{n}.txt", [b"x"], owner=alice, now=NOON) for n in range(3))
    sample = artifacts.take_upload("sample.csv", [b"x"], owner=None, now=NOON)
    submitted("probe.files", {"first": str(used.id), "others": []}, owner=alice, now=NOON)
    maker = reaching(State.SUCCEEDED, now=NOON, owner=alice)
    made = artifacts.save_output(maker, 1, "made.txt", b"made", now=NOON)
    every = IntervalSchedule.objects.create(every=1, period="days")
    PeriodicTask.objects.create(
        name="daily", task="x", interval=every, kwargs=json.dumps({"parameters": [str(of_schedule.id), str(made.id)]})
    )
    assert "uploads" not in pruned(NOON + 3 * DAY)
    assert pruned(NOON + 12 * DAY) == {"uploads": 1}
    kept = {used.id, of_schedule.id, sample.id, made.id}
    assert set(Artifact.objects.values_list("id", flat=True)) == kept
    assert files_in(directory) == {artifacts.path_of(each) for each in kept}
    assert unused.id not in kept


def test_one_that_cannot_go_keeps_no_other_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = [reaching(State.CANCELLED, now=NOON) for _ in range(5)]
    prune = pruning._prune_jobs

    def refuse(ids: list[UUID]) -> set[UUID]:
        if jobs[1].id in ids:
            raise models.ProtectedError("a report needs it", set())
        return prune(ids)

    monkeypatch.setattr(pruning, "_prune_jobs", refuse)
    assert pruned(NOON + 6 * DAY)["jobs"] == 4
    assert Job.objects.get() == jobs[1]
    assert "a report needs it" in caplog.text


def test_batches_bound_what_one_run_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "JOBS", 2)
    monkeypatch.setattr(batches, "ROWS", 3)
    jobs = [reaching(State.CANCELLED, now=NOON) for _ in range(7)]
    for job in jobs:
        log(job, "one", "two")
    rolling.roll(now=NOON)
    assert pruning.prune_jobs(now=NOON + 6 * DAY, turns=Turns(2)) == 4
    assert Job.objects.count() == 3
    assert LogLine.objects.count() == 6
    assert pruning.prune_jobs(now=NOON + 6 * DAY, turns=Turns(9)) == 3


def test_a_run_whose_time_is_up_begins_nothing() -> None:
    reaching(State.CANCELLED, now=NOON)
    assert rolling.roll(now=NOON, seconds=0) == 0
    rolling.roll(now=NOON)
    assert not pruning.run(now=NOON + 6 * DAY, seconds=0)
    assert pruning.run(now=NOON + 6 * DAY, seconds=60)["jobs"] == 1


def test_statistics_of_short_steps_go_first_and_do_not_come_back(configured: Callable[..., None]) -> None:
    configured(keep_minute_rollups_days=2, keep_hour_rollups_days=4, keep_day_rollups_days=6, keep_succeeded_days=0)
    reaching(State.SUCCEEDED, now=NOON)
    rolling.roll(now=NOON)

    def steps() -> list[set[str]]:
        of_then = (model.objects.filter(at__lt=NOON + DAY) for model in (Rollup, QueueLevel))
        return [set(rows.values_list("step", flat=True)) for rows in of_then]

    assert steps() == [set(Step), set(Step)]
    for days, left in ((3, {"hour", "day"}), (5, {"day"}), (7, set())):
        pruning.run(now=NOON + days * DAY)
        assert steps() == [left, left]
        submitted(now=NOON)  # late, of a time whose minutes are gone
        rolling.roll(now=NOON + days * DAY)
        assert {row.step for row in Rollup.objects.all()} == left
        ((_, differences),) = proof.verify(NOON, NOON + DAY / 3, clock=lambda: NOON)
        assert differences == []
        list(proof.rebuild(NOON, NOON + DAY / 3, clock=lambda: NOON))
        assert {row.step for row in Rollup.objects.all()} == left


def test_while_a_proof_goes_on_nothing_is_pruned() -> None:
    reaching(State.CANCELLED, now=NOON)
    rolling.roll(now=NOON)
    cursor.hold("proof", now=NOON + 6 * DAY, seconds=60)
    assert not pruning.run(now=NOON + 6 * DAY)
    assert pruning.run(now=NOON + 6 * DAY + timedelta(seconds=61))["jobs"] == 1


def test_a_run_with_nothing_to_do_asks_little(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    for _ in range(20):
        reaching(State.SUCCEEDED, now=NOON)
    pruned(NOON)
    with django_assert_max_num_queries(40):
        assert not pruning.run(now=NOON)


def old_file(directory: Path, name: str, now: datetime, age: timedelta = 2 * DAY) -> Path:
    path = directory / name[-2:] / name[-4:-2] / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"12345")
    os.utime(path, ((now - age).timestamp(),) * 2)
    return path


def test_orphans_are_found_either_way(alice: User, directory: Path) -> None:
    kept = artifacts.take_upload("kept.txt", [b"x"], owner=alice, now=NOON)
    lost = artifacts.take_upload("lost.txt", [b"x"], owner=alice, now=NOON)
    now = datetime.fromtimestamp(artifacts.path_of(kept.id).stat().st_mtime, UTC) + 3 * DAY
    artifacts.path_of(lost.id).unlink()
    orphan, young = new_id().hex, new_id().hex
    found = {old_file(directory, orphan, now), old_file(directory, "incoming-abcd", now)}
    old_file(directory, young, now, DAY / 2)
    old_file(directory, "somebody-elses.txt", now)
    assert {each.path for each in orphans.files(now=now)} == found
    assert [row.id for row in orphans.rows()] == [lost.id]
    report = reports.make(now=now)
    assert (report.files_count, report.files_bytes, report.rows_count) == (2, 10, 1)
    assert orphans.sweep(now=now) == 2
    assert len(files_in(directory)) == 3
    assert set(Artifact.objects.values_list("id", flat=True)) == {kept.id, lost.id}


def test_the_report_tells_what_is_due_and_what_is_spared() -> None:
    parent, child = reaching(State.CANCELLED, now=NOON), reaching(State.SUCCEEDED, now=NOON)
    altered(child, parent=parent)
    reaching(State.CANCELLED, now=NOON)
    reaching(State.CANCELLED, now=NOON + 5 * DAY)
    report = reports.make(now=NOON + 6 * DAY, files=False)
    found = {(each.state, each.count, each.old, each.due) for each in report.settled}
    assert found == {("cancelled", 3, 2, 1), ("succeeded", 1, 0, 0)}


def test_old_ticks_go_but_the_latest_hundred_of_each_schedule(configured: Callable[..., None]) -> None:
    many, few = (scheduled(name, every=86_400, now=NOON) for name in ("many", "few"))
    with writing():
        for schedule, count in ((many, 250), (few, 30)):
            days = [NOON + number * DAY for number in range(count)]
            Tick.objects.bulk_create(Tick(schedule=schedule, due_at=at, decided_at=at, outcome="missed") for at in days)
        Tick.objects.filter(schedule=many, due_at=NOON).update(outcome="waiting")
    assert "ticks" not in pruned(NOON + 20 * DAY)
    assert pruned(NOON + 121 * DAY)["ticks"] == 100  # those older than twenty days, but for the one that waits
    assert pruned(NOON + 900 * DAY)["ticks"] == 49
    left = Tick.objects.filter(schedule=many)
    assert (left.count(), left.latest("due_at").due_at) == (101, NOON + 249 * DAY)
    assert Tick.objects.filter(schedule=few).count() == 30
    configured(keep_failed_days=0)
    assert rules.ticks_kept() is None


def test_every_schedule_comes_up_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {scheduled(f"number {number}", every=60, now=NOON).pk for number in range(7)}
    monkeypatch.setattr(rules, "SCHEDULES", 2)
    seen = [rules.schedules_in_turn(NOON + timedelta(minutes=minute)) for minute in range(4)]
    assert {key for each in seen for key in each} == keys
    assert max(map(len, seen)) <= 2
