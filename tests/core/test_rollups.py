"""Rollups: each event is counted once, in its own bucket, whatever comes in between."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection  # noqa: F401 - asked by skipif
from django.db.models import F
from pytest_django import DjangoAssertNumQueries

from jobs_app.authoring import Child
from jobs_app.core import control, families, outcomes, rescue, spawning
from jobs_app.core.rollups import cursor, proof, rolling, store
from jobs_app.core.rollups.sums import EVERYONE
from jobs_app.lifecycle import Reason
from jobs_app.models import Event, Job, QueueLevel, Refusal, Rollup, RollupCursor
from jobs_app.models.guard import writing
from jobs_app.policies import NO_RETRY, Retry
from jobs_app.reads import statistics
from jobs_app.reads.statistics import By
from jobs_app.steps import Step
from tests.support.ledger import claimed, submitted
from tests.support.rollups import Diary, counted, of_all_owners

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 4, 12, 0, 30, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def refused(queue: str = "default", owner: User | None = None, at: datetime = NOON, count: int = 1) -> None:
    with writing():
        Refusal.objects.create(queue=queue, owner=owner, reason=Reason.FULL, at=at, count=count)


def everything(alice: User) -> None:
    """A bit of all that is counted, over three minutes."""
    submitted(now=NOON, owner=alice)
    outcomes.succeed(claimed(submitted(now=NOON, owner=alice), now=NOON + 2 * SECOND), None, 4, now=NOON + 12 * SECOND)
    failed = claimed(submitted(now=NOON), now=NOON + SECOND)
    outcomes.fail(failed, outcomes.Failure("x"), ValueError("x"), NO_RETRY, now=NOON + MINUTE)
    again = claimed(submitted(now=NOON, max_attempts=3), now=NOON + SECOND)
    outcomes.fail(again, outcomes.Failure("x"), Retry(timedelta(0)), NO_RETRY, now=NOON + MINUTE)
    control.cancel(submitted(now=NOON, queue="default").id, actor=None, now=NOON + MINUTE)
    lost = claimed(submitted(now=NOON), now=NOON)
    assert rescue.expired_leases(now=NOON + 2 * MINUTE) == 1
    assert not outcomes.succeed(lost, None, 4, now=NOON + 2 * MINUTE), "a late report counts as nothing"
    refused(owner=alice, count=3)
    refused(queue="other", at=NOON + MINUTE)


def proved() -> None:
    """The rollups equal the ledger, by their own proof."""
    found = proof.extent()
    assert found is not None
    assert [each for _, wrong in proof.verify(*found, clock=lambda: NOON) for each in wrong] == []


def test_everything_is_counted_in_minutes_hours_and_days(alice: User) -> None:
    everything(alice)
    diary = Diary().look()
    assert rolling.roll(now=NOON) == len(diary.events) + len(diary.refusals)
    assert counted() == diary.counts()
    day = Rollup.objects.get(step=Step.DAY, queue="default", kind="probe.nothing", owner=0)
    assert (day.at, day.submitted, day.started) == (NOON.replace(hour=0, minute=0, second=0), 4, 3)
    assert (day.failed, day.retried, day.cancelled, day.rescued) == (1, 1, 1, 1)
    hers = Rollup.objects.get(step=Step.HOUR, kind="probe.nothing", owner=alice.pk)
    assert (hers.submitted, hers.succeeded, hers.wait_micros, hers.run_micros) == (2, 1, 2_000_000, 10_000_000)
    assert Rollup.objects.get(step=Step.HOUR, kind="", owner=alice.pk).refused == {"full": 3}
    proved()


def test_all_owners_are_counted_together_too(alice: User) -> None:
    for _ in range(2):
        everything(alice)
        rolling.roll(now=NOON)
        assert counted(together=True) == of_all_owners(Diary().look().counts())
    day = Rollup.objects.get(step=Step.DAY, queue="default", kind="probe.nothing", owner=EVERYONE)
    assert (day.submitted, day.wait_micros) == (12, 2 * 4_000_000)
    assert sum(day.wait.values()) == 8
    with writing():
        Rollup.objects.filter(step=Step.HOUR, owner=EVERYONE, kind="probe.nothing").update(submitted=1)
        Rollup.objects.filter(step=Step.DAY, owner=EVERYONE, kind="").delete()
    assert [wrong for _, wrong in proof.rebuild(NOON, NOON + SECOND, clock=lambda: NOON)] == [3]
    assert counted(together=True) == of_all_owners(Diary().look().counts())


def test_what_a_release_counts_that_keeps_no_sums_of_all_owners_is_told_all_the_same(alice: User) -> None:
    def told(step: Step) -> int:
        question = statistics.Question(step=step, begin=NOON, end=NOON + timedelta(days=2))
        return statistics.statistics(question, None, now=NOON + timedelta(days=2)).totals.submitted

    everything(alice)
    rolling.roll(now=NOON)
    assert (told(Step.HOUR), told(Step.DAY)) == (6, 6)
    with writing():  # as the older one does: it raises the version, and knows nothing else
        RollupCursor.objects.update(version=F("version") + 1)
        Rollup.objects.filter(owner=0).update(submitted=F("submitted") + 1)
    assert (told(Step.HOUR), told(Step.DAY)) == (8, 8), "the system's of probe.nothing, and the refusal's row"
    with writing():
        Rollup.objects.filter(owner=0).update(submitted=F("submitted") - 1)
        Rollup.objects.filter(owner=EVERYONE).delete()
    submitted(now=NOON + timedelta(days=1))
    submitted(now=NOON)
    rolling.roll(now=NOON + timedelta(days=1))
    assert RollupCursor.objects.get().together_from == Step.DAY.floor(NOON) + timedelta(days=1)
    assert (told(Step.HOUR), told(Step.DAY)) == (8, 8)
    proved()
    rebuilt = proof.rebuild(NOON - timedelta(days=1), NOON + timedelta(days=1), clock=lambda: NOON)
    assert sum(wrong for _, wrong in rebuilt) > 0
    assert RollupCursor.objects.get().together_from == Step.DAY.floor(NOON) - timedelta(days=1)
    assert counted(together=True) == of_all_owners(Diary().look().counts())
    assert (told(Step.HOUR), told(Step.DAY)) == (8, 8)


def test_whoever_sees_all_reads_one_row_for_all_owners(alice: User, bob: User) -> None:
    for owner in (alice, bob, None):
        submitted(now=NOON, owner=owner)
    rolling.roll(now=NOON)
    question, end = statistics.Question(step=Step.DAY), NOON + timedelta(days=1)
    for by, expected in ((By.OWNER, {"alice": 1, "bob": 1, "": 1}), (By.KIND, {"probe.nothing": 3})):
        told = statistics.statistics(replace(question, by=by), None, now=end)
        assert {group.name: group.submitted for group in told.groups} == expected
        assert told.totals.submitted == 3
    assert statistics.statistics(question, alice, now=end).totals.submitted == 1
    with writing():
        Rollup.objects.filter(owner=EVERYONE).update(submitted=50)
    assert statistics.statistics(question, None, now=end).totals.submitted == 50


def test_a_handler_whose_job_waits_for_children_has_run() -> None:
    parent = claimed(submitted("family.parent", {"count": 1, "failing": []}, now=NOON), now=NOON)
    spawning.spawn(parent, [Child("family.child", key="one")], now=NOON)
    outcomes.succeed(parent, None, 4, now=NOON + 5 * SECOND)
    rolling.roll(now=NOON)
    waits = Rollup.objects.get(step=Step.DAY, kind="family.parent", owner=0)
    assert (waits.started, waits.succeeded, waits.run_micros) == (1, 0, 5_000_000)
    families.release("default", now=NOON)
    ended = claimed(Job.objects.get(kind="family.child"), now=NOON + 6 * SECOND)
    outcomes.succeed(ended, None, 4, now=NOON + 7 * SECOND)
    families.settle(parent.id, now=NOON + 7 * SECOND)  # what the child's commit brings about
    rolling.roll(now=NOON)
    waits.refresh_from_db()
    assert (waits.started, waits.succeeded, waits.run_micros) == (1, 1, 5_000_000)
    proved()


def test_what_was_counted_is_not_counted_again(alice: User) -> None:
    everything(alice)
    rolling.roll(now=NOON)
    before = counted()
    assert rolling.roll(now=NOON) == 0
    assert counted() == before
    everything(alice)
    rolling.roll(now=NOON)
    assert counted() == Diary().look().counts()


def test_a_batch_takes_no_more_than_its_size_and_the_rest_follows(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rolling, "BATCH", 4)
    everything(alice)
    events = Event.objects.count()
    assert rolling.roll(now=NOON, batches=1) == 4 + 2
    assert RollupCursor.objects.get().caught_up_at is None, "there was more"
    assert rolling.roll(now=NOON, batches=100) == events - 4
    assert RollupCursor.objects.get().caught_up_at == NOON
    assert counted() == Diary().look().counts()


def test_the_queries_of_a_run_do_not_grow_with_what_is_there(
    alice: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(3):
        everything(alice)
        with django_assert_max_num_queries(36):
            rolling.roll(now=NOON)
    with django_assert_max_num_queries(20):
        assert rolling.roll(now=NOON) == 0


def test_a_row_that_comes_late_lands_in_its_own_bucket(alice: User) -> None:
    everything(alice)
    rolling.roll(now=NOON + timedelta(days=3))
    submitted(now=NOON - timedelta(days=1))
    rolling.roll(now=NOON + timedelta(days=3))
    before = Step.DAY.floor(NOON) - timedelta(days=1)
    assert Rollup.objects.get(step=Step.DAY, at=before, owner=0).submitted == 1
    assert counted() == Diary().look().counts()


def test_while_someone_holds_the_aggregators_off_nothing_is_counted(alice: User) -> None:
    everything(alice)
    assert cursor.hold("one", now=NOON, seconds=60)
    assert cursor.hold("two", now=NOON, seconds=60) is None
    assert rolling.roll(now=NOON) == 0
    assert not Rollup.objects.exists()
    assert rolling.roll(now=NOON + 61 * SECOND) > 0, "who was killed holds nobody off for ever"
    cursor.release("one")
    assert cursor.hold("two", now=NOON, seconds=60)


def test_who_was_second_writes_nothing(alice: User) -> None:
    everything(alice)
    place = cursor.read()
    harvest = rolling._harvest(place, NOON, 100)
    rolling.roll(now=NOON)
    before = counted()
    assert rolling._write(place, harvest, NOON) is False
    assert counted() == before


def test_levels_are_what_upkeep_saw(alice: User) -> None:
    for _ in range(3):
        submitted(now=NOON)
    rolling.roll(now=NOON + SECOND)
    submitted(now=NOON)
    rolling.roll(now=NOON + 11 * SECOND)
    for step in Step:
        seen = QueueLevel.objects.get(step=step, queue="default")
        assert (seen.at, seen.samples, seen.depth_sum, seen.depth_max, seen.depth_last, seen.oldest_max) == (
            step.floor(NOON), 2, 7, 4, 4, 11.0,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("step", "column", "value"),
    [
        (Step.MINUTE, "submitted", 99),
        (Step.HOUR, "run", {"7": 1}),
        (Step.DAY, "wait_micros", 1),
        (Step.DAY, "failed", 9),
    ],
)
def test_verify_says_where_and_rebuild_mends_it(alice: User, step: Step, column: str, value: Any) -> None:
    everything(alice)
    rolling.roll(now=NOON)
    right = counted()
    with writing():
        assert Rollup.objects.filter(step=step, kind="probe.nothing", owner=0).update(**{column: value})
        Rollup.objects.filter(step=Step.HOUR, kind="").delete()
        Rollup.objects.create(step=Step.MINUTE, at=Step.MINUTE.floor(NOON), queue="nowhere", started=1)
    ((day, found),) = proof.verify(NOON, NOON + SECOND, clock=lambda: NOON)
    assert day == Step.DAY.floor(NOON)
    assert {(each.step, each.key.queue) for each in found} >= {(step, "default"), (Step.MINUTE, "nowhere")}
    assert any(column in str(each) and "expected" in str(each) for each in found)
    assert [wrong for _, wrong in proof.rebuild(NOON, NOON + SECOND, clock=lambda: NOON)] == [len(found)]
    assert counted() == right
    proved()


def test_verify_knows_what_is_not_counted_yet(alice: User) -> None:
    everything(alice)
    rolling.roll(now=NOON)
    submitted(now=NOON)
    proved()
    assert [wrong for _, wrong in proof.rebuild(NOON, NOON + SECOND, clock=lambda: NOON)] == [0]
    rolling.roll(now=NOON)
    assert counted() == Diary().look().counts()


def test_a_name_of_a_later_release_counts_as_nothing(alice: User) -> None:
    job = submitted(now=NOON)
    with writing():
        Event.objects.create(job=job, attempt=0, at=NOON, name="teleported", source="queued", target="running")
    rolling.roll(now=NOON)
    assert Rollup.objects.get(step=Step.DAY, owner=0).started == 0


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="PostgreSQL chooses by the size of the table")
def test_a_run_finds_the_rows_it_adds_to_by_their_index() -> None:
    key = store.Key(NOON, "default", "probe.nothing", 0)
    for gone in (False, True):
        plan = store._touched(Step.DAY, (key,), gone).explain()
        assert "USING INDEX" in plan, "SQLite uses none for a condition such as NOT gone: it must come last"
