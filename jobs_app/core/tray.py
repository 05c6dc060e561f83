"""The tray: jobs of this process whose handlers have returned, and that are to be settled together in a moment.

A statement for each would cost as much as a short job, or more. Nothing stays on the tray for longer than a tenth of a
second; a process that is killed with jobs on it has them run again, as when it had been killed in their handlers.
"""

from __future__ import annotations

import logging
import os
import threading
import time

from jobs_app.core import families, liveness, outcomes, settlement
from jobs_app.core.encoding import Encoded
from jobs_app.core.failures import LEDGER_ERRORS
from jobs_app.core.held import Held
from jobs_app.core.liveness import heart
from jobs_app.core.transitions import Success
from jobs_app.registry import Kind

logger = logging.getLogger(__name__)

RIPE_SECONDS = 0.1
BYTES = 1_000_000
"""Results on a tray at once."""


def takes(kind: Kind, encoded: Encoded) -> bool:
    """Whether a job may be settled with others: no transaction waits for it, no child, and its result is small."""
    return not (kind.atomic or kind.alone) and encoded.inline and families.policy_of(kind.name) is None


class Tray:
    """One process's. Its threads put jobs on it; whoever finds it ripe empties it."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew: in a forked child, and for each test."""
        self._lock = threading.Lock()
        self._emptying = threading.Lock()
        self._waiting: list[tuple[Held, Success]] = []
        self._bytes = 0
        self._since = 0.0

    def put(self, held: Held, done: Success) -> None:
        """Have a job settled soon."""
        with self._lock:
            if not self._waiting:
                self._since = time.monotonic()
            held.done = True
            self._waiting.append((held, done))
            self._bytes += done.size

    @property
    def ripe(self) -> bool:
        """Whether it is time to empty it."""
        waited = self._waiting and time.monotonic() - self._since >= RIPE_SECONDS
        return bool(waited) or self._bytes >= BYTES

    def empty(self) -> None:
        """Settle what is on it, again and again while the ledger is away. What can never be settled is rescued."""
        with self._emptying:
            taken = self._take()
            if not taken:
                return
            try:
                settlement.insist(f"{len(taken)} jobs", lambda: _settle(taken))
            except Exception:
                logger.exception("%s jobs could not be settled; they will be rescued", len(taken))
            heart.release(*(held for held, _ in taken))

    def empty_if_ripe(self) -> None:
        """The same, from the heart: once, and never while another thread is at it. Raises what the ledger raises."""
        if not self.ripe or not self._emptying.acquire(blocking=False):
            return
        try:
            taken = self._take()
            try:
                if taken:
                    _settle(taken)
            except LEDGER_ERRORS:
                with self._lock:
                    self._waiting = taken + self._waiting
                raise
            heart.release(*(held for held, _ in taken))
        finally:
            self._emptying.release()

    def _take(self) -> list[tuple[Held, Success]]:
        with self._lock:
            taken, self._waiting, self._bytes = self._waiting, [], 0
        return taken


def _settle(taken: list[tuple[Held, Success]]) -> bool:
    for held, _ in taken:
        if held.has_reports:
            # What a handler reported last is written before its job is final and readers stop looking.
            liveness.flush(held)
    outcomes.succeed_many([done for _, done in taken])
    return True


tray = Tray()
os.register_at_fork(after_in_child=tray.forget)
