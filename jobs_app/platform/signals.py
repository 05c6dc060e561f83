"""Ctrl-C and SIGTERM: the first asks for an ordered stop, further ones hurry it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

PR_SET_PDEATHSIG = 1


class Stopped(BaseException):
    """Somebody asked for a stop. A BaseException, so that no ``except Exception`` swallows it."""

    def __init__(self, signal_number: int) -> None:
        self.signal_number = signal_number
        super().__init__(signal.Signals(signal_number).name)


class Signals:
    """Raises Stopped in the main thread at the first signal; counts the others.

    ``count`` is the number of signals so far. Within ``deferred()`` the first is held back until the block ends, so
    that a process that was just started is never lost track of.
    """

    def __init__(self) -> None:
        self.count = 0
        self._first = 0
        self._armed = True
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            previous = signal.getsignal(number)
            # A background job of a plain shell ignores SIGINT; here it must stop all the same. nohup is respected.
            if number == signal.SIGHUP and previous is signal.SIG_IGN:
                continue
            self._previous[number] = previous
            signal.signal(number, self._receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disarm()
        for number, previous in self._previous.items():
            signal.signal(number, previous)

    def disarm(self) -> None:
        """From here on signals are only counted."""
        self._armed = False

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Hold the first signal back until the block ends."""
        armed, self._armed = self._armed, False
        before = self.count
        try:
            yield
        finally:
            self._armed = armed
        if armed and self.count > before:
            self._armed = False
            raise Stopped(self._first)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        self._first = self._first or number
        if self._armed:
            self._armed = False
            raise Stopped(number)


def follow_parent() -> None:
    """Have the kernel send SIGTERM to this process when its parent (make) dies, even by ``kill -9``. Linux only."""
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
