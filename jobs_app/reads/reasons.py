"""Why the head of a queue waits, in one sentence: the first of these reasons that holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from jobs_app.core.pulses import Pulse, jobs_wait


class Cause(StrEnum):
    """What keeps the head of a queue, so that a page can say where to look."""

    NOTHING = "nothing waits"
    PAUSED = "paused"
    NO_WORKER = "no worker"
    DRAINED = "drained"
    BROKER = "broker"
    TURN = "turn"
    BUSY = "busy"
    FULL = "full"


@dataclass(frozen=True)
class Facts:
    """What is known of a queue beside its pulse. ``last_heard``: when a worker that is gone now spoke last.

    ``publishing``: whether this process may try the broker; False for a moment after it failed. ``drained``: whether
    workers serve it that take no jobs until they are resumed.
    """

    limit: int
    drain_rate: float | None
    last_heard: datetime | None = None
    publishing: bool = True
    drained: bool = False


def because(seen: Pulse, facts: Facts) -> str:
    """The sentence."""
    return explain(seen, facts)[1]


def explain(seen: Pulse, facts: Facts) -> tuple[Cause, str]:
    """The cause and the sentence."""
    if not seen.depth:
        return Cause.NOTHING, "Nothing waits."
    if seen.paused_at is not None:
        paused = spell((seen.at - seen.paused_at).total_seconds())
        return Cause.PAUSED, f"It was paused {paused} ago; whoever may control queues can resume it."
    if not seen.slots:
        return _without_workers(seen, facts)
    free = seen.slots - seen.running
    if seen.unserved:
        slots = f"{free} {'slot is' if free == 1 else 'slots are'} free, yet nothing starts"
        if not facts.publishing:
            return Cause.BROKER, f"The broker takes no messages: {slots}."
        if seen.forsaken:
            words = f"The broker, or upkeep, seems to be away: {slots}, and nothing is measured any more."
            return Cause.BROKER, words
        if seen.stalled:
            words = f"No message reaches a worker: {slots}. Upkeep works; look at the broker and at the workers."
            return Cause.BROKER, words
    if free > 0:
        return Cause.TURN, f"A worker takes the next one in a moment; {_rest(seen, facts)}."
    slots = "The only slot is" if seen.slots == 1 else f"All {seen.slots} slots are"
    if seen.depth >= facts.limit:
        limit = f"the queue is full, with a limit of {facts.limit:,}"
        return Cause.FULL, f"{slots} busy; {_rest(seen, facts)}; {limit}."
    return Cause.BUSY, f"{slots} busy; {_rest(seen, facts)}."


def _without_workers(seen: Pulse, facts: Facts) -> tuple[Cause, str]:
    if facts.drained:
        return Cause.DRAINED, "Its workers are drained and take no jobs; resume one, or start another."
    if facts.last_heard is None:
        return Cause.NO_WORKER, "No worker listens to it; start one for this queue."
    heard = spell((seen.at - facts.last_heard).total_seconds())
    words = f"No worker listens to it; the last one was heard of {heard} ago. Start one for this queue."
    return Cause.NO_WORKER, words


def spell(seconds: float) -> str:
    """A length of time in one unit: ``40 s``, ``5 min``, ``3 h``, ``2 days``."""
    whole = max(int(seconds), 0)
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if whole >= 2 * size:
            return f"{whole // size} {unit}"
    return f"{whole} s"


def rate(value: float) -> str:
    """Jobs a second as a person would say it: ``12 leave a second``, ``one leaves every 20 s``."""
    if value >= 1.5:
        return f"{value:,.0f} leave a second"
    return f"one leaves every {spell(1 / value)}" if value < 0.75 else "one leaves a second"


def _rest(seen: Pulse, facts: Facts) -> str:
    jobs = jobs_wait(seen.depth)
    return f"{jobs}, {rate(facts.drain_rate)}" if facts.drain_rate else f"{jobs}; how fast they leave is not known yet"
