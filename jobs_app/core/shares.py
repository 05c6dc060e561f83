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
class Passing:
    """Submissions that entered and have not left yet. Nobody is told apart: the oldest leave first."""

    count: int = 0
    entered: deque[tuple[float, int]] = field(default_factory=deque)
    """When how many entered at once, in order."""

    def enter(self, at: float, count: int) -> None:
        """So many entered together."""
        self.count += count
        self.entered.append((at, count))

    def leave(self, count: int) -> None:
        """So many left; of more than are there, all."""
        while self.entered and count > 0:
            at, there = self.entered.popleft()
            gone = min(there, count)
            self.count, count = self.count - gone, count - gone
            if there > gone:
                self.entered.appendleft((at, there - gone))

    def forget(self, before: float) -> None:
        """Those that entered so long ago were rolled back, most likely: nothing tells us of that."""
        while self.entered and self.entered[0][0] < before:
            self.leave(self.entered[0][1])


@dataclass(frozen=True)
class Entered:
    """How many were let in: none if there is no room, and then ``ahead`` jobs go before the first of the share."""

    count: int
    ahead: int = 0


@dataclass
class _Share:
    credits: int = 0
    room: int = 0
    full: bool = False
    until: float = 0.0
    ahead: int = 0
    passing: Passing = field(default_factory=Passing)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Shares:
    """The shares this process remembers. ``clock`` in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shares: OrderedDict[tuple[object, ...], _Share] = OrderedDict()
        self._lock = threading.Lock()

    def enter(
        self, key: tuple[object, ...], limit: int, *,
        count: Callable[[], int], ahead: Callable[[], int], processes: int, unseen: bool = True, wanted: int = 1,
    ) -> Entered:  # fmt: skip
        """Take ``wanted`` more into a share of ``limit`` jobs, or fewer, if there is no room for all or they are not
        to be had at once; the caller says ``leave`` when they are committed, or over.

        count: how many are held. ahead: how many go before the first of them. processes: how many share the room.
        unseen: whether a count will not see them before they are committed; else there is no need to ``leave``.
        """
        share = self._of(key)
        with share.lock:
            if self._clock() >= share.until or not (share.credits or share.full):
                self._count(share, limit, count, ahead, processes, wanted)
            if share.full:
                return Entered(0, share.ahead)
            taken = min(share.credits, wanted)
            share.credits -= taken
            share.room -= taken
            if unseen:
                share.passing.enter(self._clock(), taken)
            return Entered(taken)

    def leave(self, key: tuple[object, ...], count: int = 1) -> None:
        """Submissions that entered were committed, or came to nothing."""
        share = self._of(key)
        with share.lock:
            share.passing.leave(count)

    def give_back(self, key: tuple[object, ...], count: int) -> None:
        """So many that were let in do not come: another bound was nearer."""
        share = self._of(key)
        with share.lock:
            share.credits += count
            share.room += count

    def room(self, key: tuple[object, ...]) -> int | None:
        """About how many more there is room for; None if that was not counted lately."""
        share = self._of(key)
        return max(share.room, 0) if self._clock() < share.until else None

    def _count(
        self, share: _Share, limit: int, count: Callable[[], int], ahead: Callable[[], int], processes: int,
        wanted: int,
    ) -> None:  # fmt: skip
        began = self._clock()
        share.passing.forget(before=self._clock() - gate.HELD_FOR.total_seconds())
        room = share.room = limit - count() - share.passing.count
        share.full = room <= 0
        share.credits = max(min(room, max(room // PART, NEAR)) // processes, min(wanted, room // processes), 1)
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
