"""How many messages lie on the broker, looked at all the time."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field

from celery import current_app

LOOK_SECONDS = 0.25

Samples = list[tuple[float, int]]
"""Numbers with their times, in seconds of a monotonic clock."""


@dataclass
class Sending:
    """Messages that chaos itself puts on the broker: how many, and from when until when they came."""

    number: int
    began: float = field(default_factory=time.monotonic)
    ended: float = math.inf

    def end(self) -> None:
        """All of them have come."""
        self.ended = time.monotonic()


class Depths:
    """A thread that looks; a broker that is away says nothing."""

    def __init__(self) -> None:
        self.samples: Samples = []
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin to look."""
        threading.Thread(target=self._watch, name="depths", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            try:
                with current_app.connection_for_read() as link:
                    while not self._stop.wait(LOOK_SECONDS):
                        answer = link.default_channel.queue_declare(queue="default", passive=True)
                        self.samples.append((time.monotonic(), int(answer.message_count)))
            except Exception:
                self._stop.wait(LOOK_SECONDS)
