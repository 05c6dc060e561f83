"""The platform as a machine would run it: each process of the Procfile, started again by us whenever it dies."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jobs_app.platform import procfile
from jobs_app.platform.waiting import until
from tests.chaos import guard
from tests.chaos.plan import ROOT
from tests.support.servers import launch

MARK = "WEIR_CHAOS_RUN"
"""The variable by which every process of a run is known, also those whose parent is gone."""

PAUSE_SECONDS = 0.3
"""From a death to the next start."""

STOP_SECONDS = 10
SCRIPTS = Path(sys.executable).parent


@dataclass
class Member:
    """One process of the platform, through all its lives. ``left``: its children outlive a kill, once."""

    name: str
    command: str
    log: Path
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    died_at: float = 0.0
    left: bool = False

    @property
    def pid(self) -> int:
        """Its process, or 0 while it is down."""
        return self.process.pid if self.process is not None and self.process.poll() is None else 0

    def children(self) -> list[int]:
        """The processes it has started itself."""
        return children_of(self.pid) if self.pid else []

    def pool(self) -> list[int]:
        """Those of a worker's children that run jobs; it has others that watch over it."""
        return [pid for pid in self.children() if b"celery" in _command_of(pid)]


class Machine:
    """All of them. ``tend`` is called often, by the one thread that also breaks things."""

    def __init__(self, environment: Mapping[str, str], logs: Path) -> None:
        logs.mkdir(exist_ok=True)
        self.environment = {**environment, "PATH": f"{SCRIPTS}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
        self._mark = f"{MARK}={environment[MARK]}"
        self._guard = guard.start(self._mark)
        self.members = {name: Member(name, command, logs / f"{name}.log") for name, command in _commands().items()}

    def of(self, role: str) -> list[Member]:
        """The members of a role: ``worker`` names both workers."""
        return [member for name, member in self.members.items() if name.rstrip("12") == role]

    def tend(self) -> None:
        """Start what is down, a moment after it died."""
        for member in self.members.values():
            if member.pid:
                continue
            if not member.died_at:
                member.died_at = time.monotonic()
                if member.process is not None and not member.left:
                    self._sweep(member)
                member.left = False
            if member.process is None or time.monotonic() >= member.died_at + PAUSE_SECONDS:
                member.process = launch(["/bin/sh", "-c", f"exec {member.command}"], member.log, self.environment)
                member.starts += 1
                member.died_at = 0.0

    def stop(self) -> None:
        """Ask everything to end, then end it by force, orphans too."""
        for pid in guard.living(self._mark):
            strike(pid, signal.SIGCONT)
        for member in self.members.values():
            if member.pid:
                strike(member.pid, signal.SIGTERM)
        until(lambda: not any(member.pid for member in self.members.values()), STOP_SECONDS)
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        self._guard.wait()
        for member in self.members.values():
            if member.process is not None:
                member.process.wait()

    def _sweep(self, member: Member) -> None:
        """End what a dead process left behind, as a supervisor does: it led a group of its own."""
        if member.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(member.process.pid, signal.SIGKILL)


def strike(pid: int, number: signal.Signals) -> bool:
    """Send a signal; returns whether there was somebody to take it. 0 stands for nobody, not for our own group."""
    if not pid:
        return False
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False


def _command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def children_of(pid: int) -> list[int]:
    """The children of a process that has not ended."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == pid and fields[0] != "Z":
                    found.append(int(folder.name))
    return sorted(found)


def _commands() -> dict[str, str]:
    """The Procfile's own commands, with two workers instead of one; the live stream and Flower hold no job."""
    found = {process.name: process.command for process in procfile.read(ROOT / "Procfile")}
    worker = found["worker"]
    if "worker@%h" not in worker:
        raise SystemExit(f"expected the Procfile's worker to be named worker@%h, got: {worker}")
    return {
        "web": found["web"],
        "worker1": worker.replace("worker@%h", "worker1@%h"),
        "worker2": worker.replace("worker@%h", "worker2@%h"),
        "upkeep": found["upkeep"],
        # Where two copies share a folder, a pid file of one would keep the other from starting.
        "beat": f"{found['beat']} --pidfile=",
    }
