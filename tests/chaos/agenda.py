"""What is to be done later: the ends of faults, second looks, second tries. Everything runs in the run's own thread."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from tests.chaos.journal import Entry


class Agenda:
    """Deeds with their times. ``hurried``: nothing may be put off any more, the run heals everything."""

    def __init__(self) -> None:
        self.hurried = False
        self._deeds: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._starting: list[threading.Thread] = []

    @property
    def done(self) -> bool:
        """Whether nothing is to come, and everything that was started is up."""
        return not self._deeds and not any(thread.is_alive() for thread in self._starting)

    def act(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        while self._deeds and self._deeds[0][0] <= now:
            heapq.heappop(self._deeds)[2]()

    def hurry(self) -> None:
        """Do everything now, in order, and wait for what was started."""
        self.hurried = True
        while self._deeds:
            heapq.heappop(self._deeds)[2]()
        for thread in self._starting:
            thread.join()

    def after(self, seconds: float, deed: Callable[[], None]) -> None:
        """Do something then."""
        heapq.heappush(self._deeds, (time.monotonic() + seconds, next(self._numbers), deed))

    def heal_after(self, seconds: float, heal: Callable[[], object], entry: Entry) -> None:
        """End a fault then, and note in its entry when that was."""
        self.after(seconds, _noting(heal, entry))

    def start_after(self, seconds: float, start: Callable[[], object], entry: Entry) -> None:
        """Start a server then, in a thread: some take ten seconds, and processes must be tended meanwhile."""

        def begin() -> None:
            self._starting.append(threading.Thread(target=_noting(start, entry), daemon=True))
            self._starting[-1].start()

        self.after(seconds, begin)


def _noting(heal: Callable[[], object], entry: Entry) -> Callable[[], None]:
    def healed() -> None:
        heal()
        entry.until = datetime.now(UTC)

    return healed
