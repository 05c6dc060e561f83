"""The watchdog: a small process beside a worker that ends it when its loop stands still.

A worker's parent does everything in one thread: broker, time limits, children. When that thread hangs (a socket that
never answers, a stopped process), nothing inside can help. So it tells this process every few seconds within how many
seconds it will write again; when it does not, it is killed, its children die with it, and whoever supervises it
starts it anew. Its jobs are rescued like those of any dead worker.

Run as a plain script, without the application: ``python watchdog.py PID``, the words on standard input, a line each.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time


def words(read: bytes) -> float | None:
    """The last whole promise in what was read, in seconds."""
    lines = read.split(b"\n")[:-1]
    return float(lines[-1]) if lines else None


def guard(process: int, source: int) -> None:
    """Watch until the process has ended (its end of the pipe is closed), or broke its word and was killed."""
    due_at = float("inf")
    rest = b""
    while True:
        wait = max(due_at - time.monotonic(), 0.0)
        ready, _, _ = select.select([source], [], [], None if wait == float("inf") else wait)
        if not ready:
            print(f"The worker process {process} stood still for too long: ending it", file=sys.stderr, flush=True)
            os.kill(process, signal.SIGKILL)
            return
        read = os.read(source, 4096)
        if not read:
            return
        rest = (rest + read)[-4096:]
        promised = words(rest)
        if promised is not None:
            due_at = time.monotonic() + promised


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends when its worker does, and not before
    guard(int(sys.argv[1]), sys.stdin.fileno())
