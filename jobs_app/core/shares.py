"""Shares: what one process knows of how much of a queue its users and tokens hold.

A share is counted anew after a second, or when an eighth of its room is used up. Submissions that have not committed
yet are not among the jobs that are counted, so they are kept account of here.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from jobs_app.core import gate

COUNTED_SECONDS = 1.0
REFUSED_SECONDS = 0.1
"""For so long a share without room is not counted again, so that refusals cost nothing."""

PART = 8
NEAR = 16
"""With less room than that all of it is given out: a count for each submission would be dear."""

REMEMBERED = 10_000


@dataclass
class _Share:
    credits: int = 0
    room: int = 0
    full: bool = False
    until: float = 0.0
    ahead: int = 0
    passing: deque[float] = field(default_factory=deque)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Shares:
    """The shares this process remembers. ``clock`` in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shares: OrderedDict[tuple[object, ...], _Share] = OrderedDict()
        self._lock = threading.Lock()

    def enter(
        self, key: tuple[object, ...], limit: int, *,
        count: Callable[[], int], ahead: Callable[[], int], processes: int, unseen: bool = True,
    ) -> int | None:  # fmt: skip
        """Take one more into a share of ``limit`` jobs; the caller says ``leave`` when it is committed, or over.

        count: how many are held. ahead: how many go before the first of them. processes: how many share the room.
        unseen: whether a count will not see it before it is committed.
        Returns None, or if there is no room how many go before the first.
        """
        share = self._of(key)
        with share.lock:
            if self._clock() >= share.until or not (share.credits or share.full):
                self._count(share, limit, count, ahead, processes)
            if share.full:
                return share.ahead
            share.credits -= 1
            share.room -= 1
            if unseen:
                share.passing.append(self._clock())
            return None

    def leave(self, key: tuple[object, ...]) -> None:
        """A submission that entered was committed, or came to nothing."""
        share = self._of(key)
        with share.lock:
            if share.passing:
                share.passing.popleft()

    def room(self, key: tuple[object, ...]) -> int | None:
        """About how many more there is room for; None if that was not counted lately."""
        share = self._of(key)
        return max(share.room, 0) if self._clock() < share.until else None

    def _count(
        self, share: _Share, limit: int, count: Callable[[], int], ahead: Callable[[], int], processes: int
    ) -> None:
        began = self._clock()
        forgotten = self._clock() - gate.HELD_FOR.total_seconds()
        while share.passing and share.passing[0] < forgotten:
            share.passing.popleft()
        room = share.room = limit - count() - len(share.passing)
        share.full = room <= 0
        share.credits = max(min(room, max(room // PART, NEAR)) // processes, 1)
        share.ahead = ahead() if share.full else 0
        rest = gate.DUTY * max(self._clock() - began - gate.CHEAP_SECONDS, 0.0)
        share.until = self._clock() + max(REFUSED_SECONDS if share.full else COUNTED_SECONDS, rest)

    def _of(self, key: tuple[object, ...]) -> _Share:
        with self._lock:
            share = self._shares.setdefault(key, _Share())
            self._shares.move_to_end(key)
            while len(self._shares) > REMEMBERED:
                self._shares.popitem(last=False)
            return share
