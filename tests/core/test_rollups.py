"""Rollups: each event is counted once, in its own bucket, whatever comes in between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User

from jobs_app.core import control, outcomes, rescue
from jobs_app.core.rollups import proof, rolling
from jobs_app.lifecycle import Reason
from jobs_app.models import Refusal, Rollup
from jobs_app.models.guard import writing
from jobs_app.policies import NO_RETRY, Retry
from jobs_app.steps import Step
from tests.support.ledger import claimed, submitted
from tests.support.rollups import Diary, counted

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


def test_what_was_counted_is_not_counted_again(alice: User) -> None:
    everything(alice)
    rolling.roll(now=NOON)
    before = counted()
    assert rolling.roll(now=NOON) == 0
    assert counted() == before
    everything(alice)
    rolling.roll(now=NOON)
    assert counted() == Diary().look().counts()
