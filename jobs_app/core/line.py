"""The line of those who were refused: each is told a time of its own, one after another, as fast as room is made.

So they do not come back as one herd, and each finds room. A caller that comes too early, with the same idempotency key,
keeps its place. The line lives in one process; the processes share the pace.
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

UNMEASURED_SECONDS = 30
"""The time told when jobs leave the queue, as far as is known, but nothing has been measured yet."""


class Line:
    """Places of refused callers. ``clock`` in seconds; ``chance`` in [0, 1), for those without a key."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, chance: Callable[[], float] = random.random
    ) -> None:
        self._clock = clock
        self._chance = chance
        self.forget()

    def forget(self) -> None:
        """Begin anew: in a forked child, and for each test."""
        self._places: OrderedDict[Hashable, float] = OrderedDict()
        self._ends: dict[str, float] = {}
        self._lock = threading.Lock()

    def place(self, queue: str, key: Hashable | None, *, first: float, pace: float, longest: int) -> int:
        """Seconds (1 to ``longest``) until there is room for this caller.

        first: seconds until there is room for anybody. pace: places a second that this process may give away then.
        key: who asks; None for a caller that cannot be told from others, which gets some time along the line.
        """
        with self._lock:
            now = self._clock()
            first = now + MARGIN * max(first, 0.0)
            end = max(self._ends.get(queue, 0.0), first)
            kept = self._places.get((queue, key)) if key is not None else None
            if kept is not None and kept > now:
                return self._told(kept - now, longest)
            if key is None:
                return self._told(first - now + self._chance() * max(end - first, 1.0), longest)
            at = self._ends[queue] = min(end + MARGIN / pace, now + longest)
            self._places[queue, key] = at
            while len(self._places) > REMEMBERED:
                self._places.popitem(last=False)
            return self._told(at - now, longest)

    def _told(self, seconds: float, longest: int) -> int:
        """In whole seconds, never early. At the longest time they are spread over its last fifth."""
        if seconds >= longest:
            return math.ceil(longest * (0.8 + 0.2 * self._chance()))
        return max(1, math.ceil(seconds))


line = Line()
os.register_at_fork(after_in_child=line.forget)
