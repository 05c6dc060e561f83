"""The line of those who were refused: each is told a time of its own, one after another, as fast as room is made.

So they do not come back as one herd, and each finds room. A caller that comes too early, with the same idempotency key,
keeps its place. One without a key cannot be told from others: it gets one of so many places of its user, so that who
asks again and again does not make the line longer without end. Lines live in one process; the processes share the pace.
"""

from __future__ import annotations

import math
import os
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

REMEMBERED = 10_000

MARGIN = 1.1
"""What is measured is only about right: told times are so much longer."""

UNMEASURED_SECONDS = (30, 40)
"""The time told, from and to, when jobs leave the queue, as far as is known, but nothing has been measured yet."""

KEYLESS = 500
"""Places in one line of one user's callers without a key."""


class Line:
    """Places of refused callers. ``clock`` in seconds; ``chance`` in [0, 1)."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, chance: Callable[[], float] = random.random
    ) -> None:
        self._clock = clock
        self._chance = chance
        self.forget()

    def forget(self) -> None:
        """Begin anew: in a forked child, and for each test."""
        self._places: OrderedDict[Hashable, float] = OrderedDict()
        self._ends: OrderedDict[Hashable, float] = OrderedDict()
        self._lock = threading.Lock()

    def place(
        self, lane: Hashable, key: str | None, *, first: float, pace: float, longest: int, user: int | None = None
    ) -> int:
        """Seconds (1 to ``longest``) until there is room for this caller.

        lane: what they stand in line for. first: seconds until there is room for the first of them. pace: places a
        second that this process may give away then. key, user: who asks; no key if it cannot be told from others.
        """
        with self._lock:
            now = self._clock()
            place = (lane, user, int(self._chance() * KEYLESS) if key is None else key)
            at = self._places.get(place, 0.0)
            if at <= now:
                after_others = self._ends.get(lane, 0.0) + MARGIN / pace
                at = min(max(after_others, now + MARGIN * max(first, 0.0)), now + longest)
                _keep(self._ends, lane, at)
                _keep(self._places, place, at)
            return self._told(at - now, longest)

    def somewhen(self, least: int, most: int) -> int:
        """Any of these seconds: for who cannot stand in line, since nobody knows how fast it moves."""
        return math.floor(least + self._chance() * (most - least + 1))

    def _told(self, seconds: float, longest: int) -> int:
        """In whole seconds, never early. At the longest time they are spread over its last fifth."""
        if seconds >= longest:
            return math.ceil(longest * (0.8 + 0.2 * self._chance()))
        return max(1, math.ceil(seconds))


def _keep(times: OrderedDict[Hashable, float], key: Hashable, at: float) -> None:
    times[key] = at
    times.move_to_end(key)
    while len(times) > REMEMBERED:
        times.popitem(last=False)


line = Line()
os.register_at_fork(after_in_child=line.forget)
