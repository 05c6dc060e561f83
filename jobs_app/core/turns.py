"""How much one run of upkeep may do, so that others get their turn: transactions, and time to begin them in."""

from __future__ import annotations

import math
import time


class Turns:
    """So many transactions, each begun within so many seconds from now."""

    def __init__(self, most: int, seconds: float = math.inf) -> None:
        self._left = most
        self._until = time.monotonic() + seconds

    def take(self) -> bool:
        """Whether one more may begin; it is counted."""
        self._left -= 1
        return self._left >= 0 and time.monotonic() < self._until
