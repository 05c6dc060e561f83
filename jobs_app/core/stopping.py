"""The signs that a worker is to stop, or to take no more jobs, seen by all of its processes at once.

The parent process gets the signal to stop; its children hold the jobs. That the worker is drained its children learn
from the ledger, which the parent never opens; the parent takes the messages. A page of memory that they share since the
fork tells them without a message, a lock or a database.
"""

from __future__ import annotations

import mmap
import struct
import time

FORMAT = struct.Struct("d")


class StopSign:
    """Raised once, by the process that was told. Times are of ``time.monotonic``, one clock for all of them."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, FORMAT.size)

    def raise_(self) -> None:
        """Tell every process of this worker. Safe in a signal handler; raising it again changes nothing."""
        if self.raised_at is None:
            FORMAT.pack_into(self._page, 0, time.monotonic())

    def lower(self) -> None:
        """Take the sign down: a worker that is resumed; a process that is used again (tests)."""
        FORMAT.pack_into(self._page, 0, 0.0)

    @property
    def raised_at(self) -> float | None:
        """When it was raised, or None."""
        (moment,) = FORMAT.unpack_from(self._page, 0)
        return moment or None


sign = StopSign()
"""This worker's sign to stop. Made when the module is imported, before any child is forked."""

draining = StopSign()
"""Raised while this worker is drained: it finishes what it runs and begins nothing."""


def begins_jobs() -> bool:
    """Whether this worker may begin jobs: it was not told to stop, and it is not drained."""
    return sign.raised_at is None and draining.raised_at is None
