"""Why the head of a queue waits, in one sentence: the first of these reasons that holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from jobs_app.core.pulses import Pulse, jobs_wait


@dataclass(frozen=True)
class Facts:
    """What is known of a queue beside its pulse. ``last_heard``: when a worker that is gone now spoke last.

    ``publishing``: whether this process may try the broker; False for a moment after it failed.
    """

    limit: int
    drain_rate: float | None
    last_heard: datetime | None = None
    publishing: bool = True


def because(seen: Pulse, facts: Facts) -> str:
    """The sentence."""
    if not seen.depth:
        return "Nothing waits."
    if seen.paused_at is not None:
        paused = spell((seen.at - seen.paused_at).total_seconds())
        return f"It was paused {paused} ago; whoever may control queues can resume it."
    if not seen.slots:
        if facts.last_heard is None:
            return "No worker listens to it; start one for this queue."
        heard = spell((seen.at - facts.last_heard).total_seconds())
        return f"No worker listens to it; the last one was heard of {heard} ago. Start one for this queue."
    free = seen.slots - seen.running
    if seen.unserved:
        slots = f"{free} {'slot is' if free == 1 else 'slots are'} free, yet nothing starts"
        if not facts.publishing:
            return f"The broker takes no messages: {slots}."
        if seen.forsaken:
            return f"The broker, or upkeep, seems to be away: {slots}, and nothing is measured any more."
        if seen.stalled:
            return f"No message reaches a worker: {slots}. Upkeep works; look at the broker and at the workers."
    if free > 0:
        return f"A worker takes the next one in a moment; {_rest(seen, facts)}."
    slots = "The only slot is" if seen.slots == 1 else f"All {seen.slots} slots are"
    full = f"; the queue is full, with a limit of {facts.limit:,}" if seen.depth >= facts.limit else ""
    return f"{slots} busy; {_rest(seen, facts)}{full}."


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
