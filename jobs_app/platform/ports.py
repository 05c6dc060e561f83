"""Free loopback ports, reserved so that two platforms on one machine never share one.

Granian listens with SO_REUSEPORT: two of them on one port would both start and split the requests between them. A port
is therefore bound here first, which fails if anybody listens on it; only then is the socket made to share, so that our
own process may listen. The socket never listens itself and is kept open as long as the platform runs. Two platforms
that start at the same moment are kept apart by a second, local socket named after the port.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from jobs_app.platform.faults import PlatformError

HOST = "127.0.0.1"
TRIES = 50
HIGHEST = 65_535


@dataclass(frozen=True)
class Wanted:
    """A port to pick: the variable that fixes it, and where to begin looking (0: anywhere)."""

    variable: str
    start: int


def parse(variable: str, text: str) -> int:
    """A port number from an environment variable. Raises PlatformError unless it is 1 to 65535."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= HIGHEST:
        raise PlatformError(f"{variable}: expected a port number from 1 to {HIGHEST}, got {text[:80]!r}")
    return int(text)


class Reservation:
    """A port that is kept for our own process. Close it to give the port up."""

    def __init__(self, port: int) -> None:
        """Reserve ``port`` (0: any). Raises OSError if somebody has it."""
        self._holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._name = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Connections of an earlier run that linger in TIME_WAIT must not make the port look taken.
            self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._holder.bind((HOST, port))
            self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self.port = int(self._holder.getsockname()[1])
            if sys.platform.startswith("linux"):  # a name without a file, gone with its process
                self._name.bind(f"\0weir-port-{self.port}")
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Give the port up."""
        self._holder.close()
        self._name.close()


def reserve(port: int) -> Reservation | None:
    """Reserve ``port`` (0: any) on loopback, or return None if somebody has it."""
    try:
        return Reservation(port)
    except OSError:
        return None


def pick(
    wanted: Mapping[str, Wanted],
    given: Mapping[str, str],
    stack: ExitStack,
    reserve: Callable[[int], Reservation | None] = reserve,
) -> dict[str, int]:
    """A port for each wanted name, reserved until ``stack`` closes.

    A variable in ``given`` fixes the port: if it is taken, PlatformError. Otherwise the first free one from ``start``
    on is used, and any free one after 50 tries.
    """
    picked: dict[str, int] = {}
    for name, want in wanted.items():
        fixed = given.get(want.variable, "")
        if fixed:
            number = parse(want.variable, fixed)
            holder = reserve(number)
            if holder is None:
                raise PlatformError(
                    f"{want.variable}: expected a free port on {HOST}, but {number} is taken or not allowed. "
                    f"Stop what uses it, or unset {want.variable} to have a free one picked."
                )
        else:
            holder = _first_free(want.start, reserve)
        stack.callback(holder.close)
        picked[name] = holder.port
    return picked


def _first_free(start: int, reserve: Callable[[int], Reservation | None]) -> Reservation:
    candidates = [*range(start, min(start + TRIES, HIGHEST + 1)), 0] if start else [0]
    for candidate in candidates:
        holder = reserve(candidate)
        if holder is not None:
            return holder
    raise PlatformError(f"expected a free port on {HOST}, found none from {start} on and none at all")
