"""The sign that a worker is to stop, seen by all of its processes at once.

The parent process gets the signal; its children hold the jobs. A page of memory that they share since the fork tells
them without a message, a lock or a database.
"""

from __future__ import annotations

import mmap
import struct
import time

FORMAT = struct.Struct("d")


class StopSign:
    """Raised once, by the process that was told to stop. Times are of ``time.monotonic``, one clock for all of them."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, FORMAT.size)

    def raise_(self) -> None:
        """Tell every process of this worker. Safe in a signal handler; raising it again changes nothing."""
        if self.raised_at is None:
            FORMAT.pack_into(self._page, 0, time.monotonic())

    def lower(self) -> None:
        """Take the sign down (a process that is used again: tests)."""
        FORMAT.pack_into(self._page, 0, 0.0)

    @property
    def raised_at(self) -> float | None:
        """When it was raised, or None."""
        (moment,) = FORMAT.unpack_from(self._page, 0)
        return moment or None


sign = StopSign()
"""This worker's. Made when the module is imported, before any child is forked."""
