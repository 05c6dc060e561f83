"""The time a call may take in all, and tenacity's loop on top of the decisions."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import Any

from tenacity import RetryCallState

from jobs_app.client.calls import Setback
from jobs_app.client.decisions import decide

logger = logging.getLogger("jobs_app.client")

SHORTEST_TRY = 1.0
"""Seconds that each try has at least, however little is left."""

OnWait = Callable[[float, str], None]


class Patience:
    """One call's.

    seconds: for all its tries and the waits between them. on_wait: hears how long each wait is, and why.
    """

    def __init__(
        self,
        seconds: float,
        on_wait: OnWait | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.seconds = seconds
        self._on_wait, self._clock, self._chance = on_wait, clock, chance
        self._began = self._try_began = clock()
        self._pause = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since the call began, or since it last got on."""
        return self._clock() - self._began

    def renew(self) -> None:
        """Count from now: something of a long transfer has come."""
        self._began = self._clock()

    def begin_try(self, longest: float) -> float:
        """A try begins; returns the seconds that a single wait on the network may last."""
        self._try_began = self._clock()
        return min(longest, max(self.seconds - self.elapsed, SHORTEST_TRY))

    @property
    def exhausted(self) -> bool:
        """Whether this try has to end, though its answer still trickles in."""
        return self.elapsed > self.seconds and self._clock() - self._try_began > SHORTEST_TRY

    def loop(self) -> dict[str, Any]:
        """For tenacity's Retrying and AsyncRetrying."""
        return {"retry": self._is_retried, "wait": self._wait, "before_sleep": self._tell}

    def _is_retried(self, state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome is not None and state.outcome.failed else None
        if not isinstance(error, Setback):
            return False
        self._pause = decide(
            error.failure,
            attempt=state.attempt_number, elapsed=self.elapsed, budget=self.seconds, chance=self._chance(),
        )  # fmt: skip
        return True

    def _wait(self, state: RetryCallState) -> float:
        return self._pause

    def _tell(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        words = f"{error.failure.asked}: {error.failure.words}" if isinstance(error, Setback) else ""
        if self._on_wait is not None:
            self._on_wait(self._pause, words)
        else:
            logger.info("Trying again in %.1f s. %s", self._pause, words)
