"""Whether a report is stale, and why, in one sentence: the first of these reasons that holds.

Stale is a report if a time at which its schedule was due has passed since, and has not brought a result. The sentences
name no moments, so that the same report reads the same a second later.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from jobs_app.lifecycle import State
from jobs_app.ticking import TickOutcome

PATIENCE = timedelta(seconds=15)
"""Beat looks every second, and picks up an edit within ten; longer, and it is not there."""


class Because(StrEnum):
    """What keeps a newer result back."""

    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> Because:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    BROKEN = "broken", "The schedule is broken: it makes no jobs until somebody mends it."
    PAUSED = "paused", "The schedule is paused: nothing newer comes until it is resumed."
    PUT_OFF = "put-off", "A newer result is due, and is put off until there is room for its job."
    BEAT_AWAY = "beat-away", "A newer result is due and nobody makes it: beat seems to be away."
    DUE = "due", "A newer result is due, and its job is submitted in a moment."
    ON_ITS_WAY = "running", "A newer result is on its way: its job has not ended yet."
    HELD = "held", "A newer result is on its way: its job waits for the one before it to end."
    FAILED = "failed", "The latest run failed."
    CANCELLED = "cancelled", "The latest run was cancelled."
    MISSED = "missed", "The latest run was missed, and is not made up for."
    OVERLAPPED = "overlapped", "The latest run was left out, since the one before it had not ended."
    REFUSED = "refused", "The latest run was refused: there was no room for its job, or it did not fit its kind."
    REMOVED = "removed", "What came of the latest run is no longer kept."
    NEVER = "never", "Nothing has been due yet."


@dataclass(frozen=True)
class Facts:
    """What is known of a schedule's last ticks.

    ``latest``: why the latest tick has brought no result; None if it has, or if there is none. ``awaited_at``: the
    first due time that no tick tells of, None if there is none; ``held_up``: that it is put off, for want of room.
    """

    enabled: bool
    broken: bool
    held_up: bool
    has_result: bool
    latest: Because | None
    awaited_at: datetime | None


def because(facts: Facts, *, now: datetime) -> Because | None:
    """The reason; None for a report that is fresh."""
    if facts.broken:
        return Because.BROKEN
    if facts.awaited_at is not None and facts.awaited_at <= now:
        if not facts.enabled:
            return Because.PAUSED
        if facts.held_up:
            return Because.PUT_OFF
        if now - facts.awaited_at > PATIENCE:
            return Because.BEAT_AWAY
        return facts.latest or Because.DUE
    return facts.latest if facts.latest is not None or facts.has_result else Because.NEVER


def of_tick(outcome: TickOutcome, state: State | None) -> Because | None:
    """Why a tick has brought no result; None if it has. ``state``: of its job, None without one."""
    if state is None:
        return OUTCOMES.get(outcome, Because.REMOVED)
    return None if state is State.SUCCEEDED else ENDS.get(state, Because.ON_ITS_WAY)


OUTCOMES = {
    TickOutcome.MISSED: Because.MISSED,
    TickOutcome.OVERLAPPED: Because.OVERLAPPED,
    TickOutcome.WAITING: Because.HELD,
    TickOutcome.REFUSED: Because.REFUSED,
}
ENDS = {State.FAILED: Because.FAILED, State.CANCELLED: Because.CANCELLED}
