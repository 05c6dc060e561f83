"""What becomes of ticks that are due: every policy for missed ones with every one for overlapping ones, by table."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from jobs_app.core.schedules.verdicts import ON_TIME, RECORDED, Policy, Scene, in_words, judge
from jobs_app.ticking import Missed, Overlap

MINUTE = timedelta(minutes=1)
FREE, BUSY, FULL = Scene(), Scene(busy=True), Scene(busy=True, waiting=True)
SHORT = {"submitted": "S", "missed": "m", "overlapped": "o", "waiting": "w"}


def told(
    now: datetime, ages: list[float], missed: Missed, overlap: Overlap = Overlap.ALLOW, *, scene: Scene = FREE,
    cap: int = 3, once: bool = False, earlier: bool = False,
) -> str:  # fmt: skip
    """The outcomes, a letter each. ages: how many minutes ago each tick was due."""
    due = [now - age * MINUTE for age in ages]
    policy = Policy(missed, cap, overlap, once)
    found = list(judge(due, earlier=earlier, policy=policy, scene=scene, now=now))
    assert [each.due_at for each in found] == sorted(each.due_at for each in found)
    return "".join(SHORT[each.outcome] for each in found)


ON, LATE, DOWN = [0.0], [360.0], [5.0, 4.0, 3.0, 2.0, 1.0, 0.0]
LONG = [9.0, 8.0, 7.0, 6.0]


@pytest.mark.parametrize(
    ("ages", "missed", "expected"),
    [
        (ON, Missed.SKIP, "S"), (ON, Missed.LATEST, "S"), (ON, Missed.ALL, "S"),
        (LATE, Missed.SKIP, "m"), (LATE, Missed.LATEST, "S"), (LATE, Missed.ALL, "S"),
        (LONG, Missed.SKIP, "mmmm"), (LONG, Missed.LATEST, "mmmS"), (LONG, Missed.ALL, "mSSS"),
        (DOWN, Missed.SKIP, "mmmmmS"), (DOWN, Missed.LATEST, "mmmmmS"), (DOWN, Missed.ALL, "mmSSSS"),
        ([], Missed.ALL, ""),
    ],
)  # fmt: skip
def test_missed_ticks(noon: datetime, ages: list[float], missed: Missed, expected: str) -> None:
    assert told(noon, ages, missed) == expected


@pytest.mark.parametrize(
    ("overlap", "scene", "missed", "expected"),
    [
        (Overlap.ALLOW, BUSY, Missed.LATEST, "mmmmmS"),
        (Overlap.ALLOW, BUSY, Missed.ALL, "mmSSSS"),
        (Overlap.SKIP, FREE, Missed.ALL, "mmSooo"),
        (Overlap.SKIP, BUSY, Missed.ALL, "mmoooo"),
        (Overlap.SKIP, BUSY, Missed.LATEST, "mmmmmo"),
        (Overlap.SKIP, BUSY, Missed.SKIP, "mmmmmo"),
        (Overlap.SKIP, FREE, Missed.LATEST, "mmmmmS"),
        (Overlap.QUEUE_ONE, FREE, Missed.ALL, "mmSwoo"),
        (Overlap.QUEUE_ONE, BUSY, Missed.ALL, "mmwooo"),
        (Overlap.QUEUE_ONE, FULL, Missed.ALL, "mmoooo"),
        (Overlap.QUEUE_ONE, BUSY, Missed.LATEST, "mmmmmw"),
        (Overlap.QUEUE_ONE, FULL, Missed.LATEST, "mmmmmo"),
        (Overlap.QUEUE_ONE, FREE, Missed.SKIP, "mmmmmS"),
    ],
)
def test_ticks_that_overlap(noon: datetime, overlap: Overlap, scene: Scene, missed: Missed, expected: str) -> None:
    assert told(noon, DOWN, missed, overlap, scene=scene) == expected


def test_a_tick_is_on_time_for_ten_seconds(noon: datetime) -> None:
    seconds = [each / 60 for each in (12, 11, 10, 9, 1, 0)]
    assert told(noon, seconds, Missed.SKIP) == told(noon, seconds, Missed.LATEST) == "mmSSSS"
    assert timedelta(seconds=10) == ON_TIME


@pytest.mark.parametrize("overlap", Overlap)
def test_a_schedule_that_ticks_once_has_one_job_whatever_runs(noon: datetime, overlap: Overlap) -> None:
    assert told(noon, DOWN, Missed.ALL, overlap, once=True, scene=BUSY) == "mmS"
    assert told(noon, LATE, Missed.SKIP, overlap, once=True) == "m"


def test_what_was_missed_long_ago_is_told_in_one_row(noon: datetime) -> None:
    ages = [float(each) for each in range(200, 0, -1)]
    policy = Policy(Missed.SKIP, 3, Overlap.ALLOW)
    due = [noon - age * MINUTE for age in ages]
    found = list(judge(due, earlier=False, policy=policy, scene=FREE, now=noon))
    assert len(found) == RECORDED
    assert found[0].reason.endswith("leaves out what it missed; those before it were left out too")
    assert found[1].reason == "could be decided 1 h 39 min late, and this schedule leaves out what it missed"
    (only,) = judge(due[-1:], earlier=True, policy=policy, scene=FREE, now=noon)
    assert "those before it" in only.reason


def test_most_covers_what_is_made_up_for_what_is_recorded_and_what_is_on_time() -> None:
    assert Policy(Missed.ALL, 1000, Overlap.ALLOW).most >= 1000 + RECORDED + 10
    assert Policy(Missed.SKIP, 1000, Overlap.ALLOW).most < 200


def test_lengths_in_words() -> None:
    spans = [timedelta(0), timedelta(seconds=59), timedelta(hours=6, minutes=3), timedelta(days=2, seconds=5)]
    assert [in_words(each) for each in spans] == ["0 s", "59 s", "6 h 3 min", "2 d 5 s"]
