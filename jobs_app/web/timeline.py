"""What happened to a job: its events, and its course, a bar that shows how long it stood in each state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from jobs_app.lifecycle import EventName, Outcome, State
from jobs_app.reads.views import AttemptView, EventView
from jobs_app.web import words

LEAST = 1.5
"""The narrowest a stretch is drawn, in per cent, so that a short one is seen too."""

LAST = 60
"""So many of the latest events and stretches are shown."""

WORDS = {
    State.BLOCKED: "blocked",
    State.SCHEDULED: "scheduled",
    State.QUEUED: "waited for a worker",
    State.RETRYING: "waited to try again",
}
AFTER_CHILDREN = "waited for its jobs"


@dataclass(frozen=True)
class Step:
    """One event, and how long the state before it had lasted."""

    event: EventView
    lasted: timedelta | None

    @property
    def place(self) -> str:
        """Which worker took it, of a claim; its name as Celery knows it."""
        return self.event.reason.split("/")[0] if self.event.name == EventName.CLAIMED else ""


@dataclass(frozen=True)
class Stretch:
    """A time in one state: for the bar where it begins and how wide it is, in per cent; ``told`` in words.

    attempt: of one that runs; else 0. open: it goes on. looks: what it is coloured as, a state.
    """

    state: State
    attempt: int
    told: str
    lasted: timedelta
    open: bool
    looks: State
    start: float = 0.0
    width: float = 0.0

    @property
    def middle(self) -> float:
        """Where its label stands."""
        return round(self.start + self.width / 2, 3)


@dataclass(frozen=True)
class Course:
    """The stretches, first to last, and the whole time they took. Told in words too."""

    stretches: list[Stretch]
    began: datetime
    ended: datetime
    open: bool

    @property
    def lasted(self) -> timedelta:
        """From the submission to the end, or until now."""
        return self.ended - self.began

    @property
    def told(self) -> str:
        """The same as the bar, in a sentence."""
        return ", ".join(f"{each.told} ({words.length(each.lasted)})" for each in self.stretches)

    @property
    def tries(self) -> list[Stretch]:
        """The stretches with the number of an attempt above them; none if there was but one."""
        ran = [each for each in self.stretches if each.attempt]
        return ran if len({each.attempt for each in ran}) > 1 else []


@dataclass(frozen=True)
class Story:
    """The events, oldest first: the latest 60."""

    steps: list[Step]
    left_out: int


def tell(events: Sequence[EventView]) -> Story:
    """Put events in order, and measure what lies between them."""
    steps: list[Step] = []
    since: datetime | None = None
    for event in events:
        moved = event.source != event.target
        steps.append(Step(event, event.at - since if moved and since is not None else None))
        if moved:
            since = event.at
    return Story(steps[-LAST:], max(len(steps) - LAST, 0))


def course(events: Sequence[EventView], attempts: Sequence[AttemptView], now: datetime) -> Course | None:
    """The bar of a job's states until its end, or until ``now``; None if nothing has taken any time yet."""
    moves = [event for event in events if event.source != event.target]
    outcomes = {each.number: each.outcome for each in attempts}
    found: list[Stretch] = []
    for place, event in enumerate(moves):
        state, later = State(event.target), moves[place + 1 :]
        if state.final:
            break
        until = later[0].at if later else now
        lasted = max(until - event.at, timedelta(0))
        attempt = event.attempt if state is State.RUNNING else 0
        outcome = outcomes.get(attempt, "")
        looks = State.FAILED if outcome in {Outcome.FAILED, Outcome.LOST} else state
        told = _told(state, event.attempt, outcome)
        found.append(Stretch(state, attempt, told, lasted, open=not later, looks=looks))
    found = [each for each in found if each.lasted or each.open][-LAST:]
    total = sum((each.lasted for each in found), timedelta(0))
    if not total:
        return None
    ended = moves[-1].at if State(moves[-1].target).final else now
    return Course(_placed(found, total), ended - total, ended, open=found[-1].open)


def _told(state: State, attempt: int, outcome: str) -> str:
    if state is State.RUNNING:
        return f"attempt {attempt} {'runs' if outcome in {'', Outcome.RUNNING} else outcome}"
    return AFTER_CHILDREN if state is State.BLOCKED and attempt else WORDS[state]


def _placed(found: Sequence[Stretch], total: timedelta) -> list[Stretch]:
    """Widths in proportion to time, with a least width; they add up to 100."""
    widths = [max(each.lasted / total * 100, LEAST) for each in found]
    scale = 100 / sum(widths)
    placed, start = [], 0.0
    for each, width in zip(found, widths, strict=True):
        placed.append(replace(each, start=round(start, 3), width=round(width * scale, 3)))
        start += width * scale
    return placed
