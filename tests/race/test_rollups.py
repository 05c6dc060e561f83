"""Aggregators on connections of their own, and rows that commit out of order."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import pytest
from django.db import connection, transaction

from jobs_app.core import clock
from jobs_app.core.rollups import cursor, rolling
from jobs_app.lifecycle import State
from jobs_app.models import Event, RollupCursor
from tests.support.ledger import reaching, submitted
from tests.support.rollups import Diary, counted
from tests.support.together import HELD_SECONDS, against, at_once

pytestmark = pytest.mark.usefixtures("quiet", "nudged")

NOON = datetime(2026, 3, 4, 12, 0, 30, tzinfo=UTC)


def test_of_two_aggregators_at_once_one_counts_and_the_other_writes_nothing() -> None:
    for _ in range(5):
        reaching(State.SUCCEEDED, now=NOON)
    place = cursor.read()
    mine = rolling._harvest(place, NOON, 100)
    with against(partial(rolling.roll, now=NOON)) as rival:
        assert rolling._write(place, mine, NOON) is False
    assert rival.waited >= HELD_SECONDS, "they met at the cursor's row"
    assert counted() == Diary().look().counts()


def test_many_aggregators_count_each_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rolling, "BATCH", 7)
    for _ in range(40):
        reaching(State.SUCCEEDED, now=NOON)
    taken = at_once(*(partial(rolling.roll, now=NOON, batches=50) for _ in range(4)))
    while rolling.roll(now=NOON):
        pass
    assert sum(taken) <= Event.objects.count() == 120
    assert sum(each > 0 for each in taken) >= 1
    assert counted() == Diary().look().counts()


def test_what_commits_after_a_later_id_was_counted_is_counted_too() -> None:
    submitted(now=NOON)
    rolling.roll(now=NOON)
    with against(lambda: [submitted(now=NOON) for _ in range(3)], seconds=2) as rival:
        if connection.vendor == "postgresql":
            submitted(now=NOON)  # its event has a higher id, and commits first
            assert rolling.roll(now=NOON) == 1
            assert not rival.committed.is_set()
            (gap,) = cursor.read().gaps
            assert sum(last - first + 1 for first, last in gap.ranges) == 3
            assert rolling.roll(now=NOON) == 0, "its writer goes on"
            assert cursor.read().gaps == (gap,)
            assert RollupCursor.objects.get().caught_up_at == datetime.fromisoformat(gap.seen_at)
        submitted(now=NOON)  # on SQLite it has to wait for the other
    assert rolling.roll(now=NOON) == 4
    assert cursor.read().gaps == ()
    assert counted() == Diary().look().counts()


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has one writer: its ids appear in order")
def test_a_gap_that_was_rolled_back_is_closed() -> None:
    def in_vain() -> None:
        submitted(now=NOON)
        transaction.set_rollback(True)

    submitted(now=NOON)
    rolling.roll(now=NOON)
    with against(in_vain, seconds=2):
        submitted(now=NOON)
        assert rolling.roll(now=NOON) == 1
        assert len(cursor.read().gaps) == 1
    assert rolling.roll(now=NOON) == 0
    assert cursor.read().gaps == ()
    assert counted() == Diary().look().counts()


def test_writers_and_aggregators_at_once_lose_nothing() -> None:
    def write(number: int) -> int:
        for each in range(12):
            try:
                with transaction.atomic():
                    reaching(State.SUCCEEDED, now=NOON)
                    if (each + number) % 3 == 0:
                        raise ValueError("rolled back, on purpose")
            except ValueError:
                continue
        return 0

    def roll() -> int:
        return sum(rolling.roll(now=clock.database_now()) for _ in range(15))

    at_once(partial(write, 0), partial(write, 1), partial(write, 2), roll, roll)
    while rolling.roll(now=clock.database_now()):
        pass
    assert Event.objects.count() == 3 * 8 * 3
    assert counted() == Diary().look().counts()
