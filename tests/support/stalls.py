"""How long the machine itself stood still: what a bound on time must not be blamed on the code for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

EACH_SECONDS = 0.05


class Stalls:
    """Wakes up twenty times a second, and adds up how much later than asked that was."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.over = threading.Event()

    def watch(self) -> None:
        """The thread."""
        began = time.monotonic()
        while not self.over.wait(EACH_SECONDS):
            now = time.monotonic()
            self.seconds += now - began - EACH_SECONDS
            began = now


@contextmanager
def stalls() -> Iterator[Stalls]:
    """Watch the machine while the block runs; ``seconds`` tells what it lost."""
    found = Stalls()
    thread = threading.Thread(target=found.watch)
    thread.start()
    try:
        yield found
    finally:
        found.over.set()
        thread.join()
