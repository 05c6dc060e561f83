"""The last to leave: ends what a run has left behind, however the run itself ended.

``python -m tests.chaos.guard MARK`` reads its standard input until whoever started it is gone. The kernel takes the
run's direct children with it, but not theirs: a worker's child in the middle of a job would go on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


def living(mark: str) -> Iterator[int]:
    """Every process that has ``mark`` (``NAME=value``) in its environment, whoever its parent is; never this one."""
    wanted = mark.encode()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    yield int(folder.name)


def end(mark: str) -> None:
    """Kill them, and look again: one may have started another meanwhile."""
    while found := list(living(mark)):
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def start(mark: str) -> subprocess.Popen[bytes]:
    """Start a guard in a session of its own; it acts when this process has closed its standard input, or has ended."""
    command = [sys.executable, "-m", "tests.chaos.guard", mark]
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    end(sys.argv[1])
