"""Whether a report is stale, and why: pure, as tables. Which number of a result is a run's value."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobs_app.lifecycle import State
from jobs_app.reads import run_values, staleness
from jobs_app.reads.staleness import Because, Facts
from jobs_app.ticking import TickOutcome

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
FRESH = Facts(enabled=True, broken=False, held_up=False, has_result=True, latest=None, awaited_at=NOON + 60 * SECOND)


def why(**changes: Any) -> Because | None:
    return staleness.because(replace(FRESH, **changes), now=NOON)


def test_a_report_is_fresh_until_its_next_time() -> None:
    assert why() is None
    assert why(awaited_at=None) is None, "it is never due again"
    assert why(awaited_at=NOON) is Because.DUE
    assert why(awaited_at=NOON + SECOND) is None


def test_beat_has_a_moment_before_it_is_said_to_be_away() -> None:
    assert why(awaited_at=NOON - 15 * SECOND) is Because.DUE
    assert why(awaited_at=NOON - 16 * SECOND) is Because.BEAT_AWAY
    assert why(awaited_at=NOON - 16 * SECOND, latest=Because.FAILED) is Because.BEAT_AWAY
    assert why(awaited_at=NOON - 15 * SECOND, latest=Because.FAILED) is Because.FAILED


def test_a_time_that_is_put_off_is_not_blamed_on_beat() -> None:
    assert why(awaited_at=NOON - 60 * SECOND, held_up=True) is Because.PUT_OFF


def test_a_pause_makes_a_report_stale_only_when_a_time_has_passed() -> None:
    assert why(enabled=False) is None
    assert why(enabled=False, awaited_at=NOON - 60 * SECOND) is Because.PAUSED
    assert why(enabled=False, latest=Because.FAILED) is Because.FAILED


def test_what_is_broken_is_said_before_all_else() -> None:
    assert why(broken=True) is Because.BROKEN
    assert why(broken=True, enabled=False, awaited_at=NOON - SECOND, latest=Because.FAILED) is Because.BROKEN


def test_without_a_result_nothing_has_been_due_or_the_latest_tick_says_why() -> None:
    assert why(has_result=False) is Because.NEVER
    assert why(has_result=False, latest=Because.ON_ITS_WAY) is Because.ON_ITS_WAY


@pytest.mark.parametrize(
    ("outcome", "state", "reason"),
    [
        (TickOutcome.SUBMITTED, State.SUCCEEDED, None),
        (TickOutcome.SUBMITTED, State.QUEUED, Because.ON_ITS_WAY),
        (TickOutcome.SUBMITTED, State.RUNNING, Because.ON_ITS_WAY),
        (TickOutcome.SUBMITTED, State.RETRYING, Because.ON_ITS_WAY),
        (TickOutcome.SUBMITTED, State.FAILED, Because.FAILED),
        (TickOutcome.SUBMITTED, State.CANCELLED, Because.CANCELLED),
        (TickOutcome.SUBMITTED, None, Because.REMOVED),
        (TickOutcome.MISSED, None, Because.MISSED),
        (TickOutcome.OVERLAPPED, None, Because.OVERLAPPED),
        (TickOutcome.WAITING, None, Because.HELD),
        (TickOutcome.REFUSED, None, Because.REFUSED),
    ],
)
def test_a_tick_says_why_it_has_brought_nothing(
    outcome: TickOutcome, state: State | None, reason: Because | None
) -> None:
    assert staleness.of_tick(outcome, state) is reason


def test_every_reason_is_a_sentence() -> None:
    for reason in Because:
        assert reason.meaning[0].isupper()
        assert reason.meaning.endswith(".")


@pytest.mark.parametrize(
    ("pointer", "names"),
    [("", []), ("/", [""]), ("/facts/rows", ["facts", "rows"]), ("/a~1b/~01/0", ["a/b", "~1", "0"])],
)
def test_a_pointer_is_read_as_rfc_6901_has_it(pointer: str, names: list[str]) -> None:
    assert run_values.steps(pointer) == names


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (5, 5.0), (0.5, 0.5), ("12.50", 12.5), (True, None), (None, None), ("many", None), ({"a": 1}, None),
        ([1], None), ("nan", None), ("inf", None), (10**400, None), (1e301, None),
    ],
)  # fmt: skip
def test_numbers_are_told_from_what_is_none(value: Any, number: float | None) -> None:
    assert run_values.number(value) == number
