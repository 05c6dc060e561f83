"""How much upkeep may do, so that others get their turn: transactions of one run, and a part of the time in the end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

DEEP = 100_000
DUTY = 20
"""So what is dear takes at most a twentieth of a core."""


class Turns:
    """So many transactions, each begun within so many seconds from now."""

    def __init__(self, most: int, seconds: float = math.inf) -> None:
        self._left = most
        self._until = time.monotonic() + seconds

    def take(self) -> bool:
        """Whether one more may begin; it is counted."""
        self._left -= 1
        return self._left >= 0 and time.monotonic() < self._until


class Seldom:
    """What reads all that wait is done the more seldom, the more there are: again at the earliest after twenty times
    what it took. Of fewer than ``DEEP`` it is done each time. ``clock`` in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = -math.inf

    @property
    def due(self) -> bool:
        """Whether it may be done."""
        return self._clock() >= self._until

    def read(self, work: Callable[[], T], rows: Callable[[T], int]) -> T:
        """Do it, and note what it took. ``rows``: how many it read, from its result."""
        began = self._clock()
        found = work()
        ended = self._clock()
        self._until = ended + DUTY * (ended - began) if rows(found) >= DEEP else -math.inf
        return found
