"""Stamps: the children of a worker show their parent that they still get a turn.

A handler in one long call into C keeps Python's lock, so no thread of its process runs: no heartbeat, no timeout. Only
another process can end it. So each child that holds jobs stamps the time into memory it shares with its parent since
the fork; the parent ends a child whose stamp is too old.
"""

from __future__ import annotations

import mmap
import os
import struct
import time

FORMAT = struct.Struct("qd")
SLOTS = 4096
"""More than a worker has children. Two whose process ids fall on one slot would only guard each other less well."""


class Stamps:
    """A page of ``(process id, time.monotonic())``; the time is 0 while the process holds nothing."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, FORMAT.size * SLOTS)

    def put(self) -> None:
        """This process is alive and holds jobs."""
        self._write(time.monotonic())

    def clear(self) -> None:
        """This process holds nothing: it may stand still."""
        self._write(0.0)

    def age(self, process: int) -> float:
        """Seconds since a process that holds jobs gave its last sign; 0 for one that holds none or is not known."""
        owner, moment = FORMAT.unpack_from(self._page, FORMAT.size * (process % SLOTS))
        return time.monotonic() - moment if owner == process and moment else 0.0

    def _write(self, moment: float) -> None:
        process = os.getpid()
        FORMAT.pack_into(self._page, FORMAT.size * (process % SLOTS), process, moment)


stamps = Stamps()
"""This worker's. Made when the module is imported, before any child is forked."""
