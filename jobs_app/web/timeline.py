"""What happened to a job, with how long it stood in each state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jobs_app.lifecycle import State
from jobs_app.reads.views import EventView

LEAST = 1.5
"""The narrowest a stretch is drawn, in per cent, so that a short one is seen too."""

LAST = 60
"""So many of the latest events are shown."""


@dataclass(frozen=True)
class Step:
    """One event, and how long the state before it had lasted."""

    event: EventView
    lasted: timedelta | None


@dataclass(frozen=True)
class Stretch:
    """A time in one state, for the bar: where it begins and how wide it is, in per cent."""

    state: State
    lasted: timedelta
    start: float
    width: float


@dataclass(frozen=True)
class Story:
    """The events, oldest first (the latest 60), the bar above them, and the total of each state."""

    steps: list[Step]
    left_out: int
    stretches: list[Stretch]
    totals: list[tuple[State, timedelta]]


def tell(events: Sequence[EventView]) -> Story:
    """Put events in order and measure what lies between them. The bar and the totals are for jobs that have ended."""
    steps: list[Step] = []
    spans: list[tuple[State, timedelta]] = []
    since: datetime | None = None
    for event in events:
        moved = event.source != event.target
        lasted = event.at - since if moved and since is not None else None
        if lasted is not None and event.source:
            spans.append((State(event.source), max(lasted, timedelta(0))))
        steps.append(Step(event, lasted))
        if moved:
            since = event.at
    totals: dict[State, timedelta] = {}
    for state, lasted in spans:
        totals[state] = totals.get(state, timedelta(0)) + lasted
    return Story(steps[-LAST:], max(len(steps) - LAST, 0), _bar(spans), list(totals.items()))


def _bar(spans: Sequence[tuple[State, timedelta]]) -> list[Stretch]:
    """Widths in proportion to time, with a least width; they add up to 100."""
    spans = [span for span in spans if span[1] > timedelta(0)][-LAST:]
    total = sum((lasted for _, lasted in spans), timedelta(0))
    if not total:
        return []
    widths = [max(lasted / total * 100, LEAST) for _, lasted in spans]
    scale = 100 / sum(widths)
    stretches, start = [], 0.0
    for (state, lasted), width in zip(spans, widths, strict=True):
        stretches.append(Stretch(state, lasted, round(start, 3), round(width * scale, 3)))
        start += width * scale
    return stretches
