"""What the platform says to the person who started it."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any, TextIO

from rich.console import Console


class Deaf:
    """A text stream that ignores a closed terminal or pipe: saying something must never keep the platform from
    stopping what it started."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or do nothing if nobody listens any more."""
        try:
            return self._stream.write(text)
        except (OSError, ValueError):
            self._give_up()
            return len(text)

    def flush(self) -> None:
        """Flush, or do nothing if nobody listens any more."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._give_up()

    def _give_up(self) -> None:
        # Python flushes once more when it ends and would change the exit code if that failed.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def console() -> Console:
    """A console on standard output. Lines are never broken where nobody sees them, as in a CI log."""
    stream = Deaf(sys.stdout)
    width = None if sys.stdout.isatty() else 120
    return Console(file=stream, width=width, highlight=False)  # type: ignore[arg-type]
