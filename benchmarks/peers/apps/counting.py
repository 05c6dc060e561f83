"""Counts the jobs that have run. Every handler of every peer calls ``count``, so that all pay the same: under a
microsecond, and nothing on a server.

Each process has a file of its own, 16 bytes that it maps into memory: when a job began last, and how many have.
Needs the standard library alone: it runs in each peer's virtual environment.
"""

import mmap
import os
import struct
import threading
import time
from pathlib import Path

VARIABLE = "PEER_COUNTS"
STAMP, COUNT = struct.Struct("d"), struct.Struct("q")
SIZE = STAMP.size + COUNT.size

_lock = threading.Lock()
_pid = 0
_memory = None


def count() -> None:
    """One more job has begun, now."""
    global _pid, _memory
    at = time.monotonic()
    with _lock:
        if _memory is None or _pid != os.getpid():  # a worker may have forked since
            _pid, _memory = os.getpid(), _opened()
        STAMP.pack_into(_memory, 0, at)
        COUNT.pack_into(_memory, STAMP.size, COUNT.unpack_from(_memory, STAMP.size)[0] + 1)


def compute(seconds: float = 0.010) -> None:
    """One more job, which computes for so long by the processor's clock: what others take of the core is added."""
    count()
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def _opened() -> mmap.mmap:
    path = Path(os.environ[VARIABLE]) / str(os.getpid())
    with path.open("a+b") as file:
        file.truncate(SIZE)
        return mmap.mmap(file.fileno(), SIZE)


class Tally:
    """What the processes have counted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def clear(self) -> None:
        """Begin anew; no process may be counting."""
        for each in self.folder.iterdir():
            each.unlink()

    def read(self) -> tuple[int, float, int]:
        """How many jobs have begun, when the last did (``time.monotonic()``), and how many processes had any."""
        stamps, counts = [0.0], []
        for each in self.folder.iterdir():
            kept = each.read_bytes()
            if len(kept) == SIZE:
                stamps.append(STAMP.unpack_from(kept)[0])
                counts.append(COUNT.unpack_from(kept, STAMP.size)[0])
        return sum(counts), max(stamps), sum(1 for each in counts if each)
