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
from uuid import UUID

SIGN = struct.Struct("qd")
WORK = struct.Struct("16s16s")
SIZE = SIGN.size + WORK.size
NOBODY = bytes(16)
SLOTS = 4096
"""More than a worker has children. Two whose process ids fall on one slot would only guard each other less well."""


class Stamps:
    """A page of ``(process id, time.monotonic())``; the time is 0 while the process holds nothing.

    Beside them stand the message that the process works on, and the job whose handler it is in: so it is known which
    of a message's jobs has ended its process.
    """

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, SIZE * SLOTS)

    def put(self) -> None:
        """This process is alive and holds jobs."""
        self._write(time.monotonic())

    def clear(self) -> None:
        """This process holds nothing: it may stand still."""
        self._write(0.0)

    def age(self, process: int) -> float:
        """Seconds since a process that holds jobs gave its last sign; 0 for one that holds none or is not known."""
        owner, moment = SIGN.unpack_from(self._page, _place(process))
        return time.monotonic() - moment if owner == process and moment else 0.0

    def work(self, message: UUID, job: UUID | None) -> None:
        """This process works on a message: it runs that job, or none of them just now."""
        WORK.pack_into(self._page, _place(os.getpid()) + SIGN.size, message.bytes, job.bytes if job else NOBODY)

    def at_work(self, message: UUID) -> list[UUID] | None:
        """The job of a message that a process was last seen to run, or none; None if no process has it."""
        for place in range(0, SIZE * SLOTS, SIZE):
            found, job = WORK.unpack_from(self._page, place + SIGN.size)
            if found == message.bytes:
                return [UUID(bytes=job)] if job != NOBODY else []
        return None

    def _write(self, moment: float) -> None:
        SIGN.pack_into(self._page, _place(os.getpid()), os.getpid(), moment)


def _place(process: int) -> int:
    return SIZE * (process % SLOTS)


stamps = Stamps()
"""This worker's. Made when the module is imported, before any child is forked."""
