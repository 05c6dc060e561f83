"""Waiting on a condition, with a limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

PAUSE_SECONDS = 0.1


def until(condition: Callable[[], bool], seconds: float, pause: float = PAUSE_SECONDS) -> bool:
    """Ask ``condition`` again and again until it is true or ``seconds`` have passed; returns which.

    It is asked at least once. A signal's Stopped passes through.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        threading.Event().wait(pause)
    return True
