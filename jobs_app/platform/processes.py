"""Starting supervisord, watching its processes and stopping them in order."""

from __future__ import annotations

import contextlib
import functools
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import xmlrpc.client
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs_app.platform import supervision
from jobs_app.platform.faults import PlatformError, ProcessError
from jobs_app.platform.locking import RUN_PREFIX, alive
from jobs_app.platform.supervision import Program
from jobs_app.platform.waiting import until

PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_-.")
LONGEST_DIRECTORY = 60
"""A Unix socket's path may have 108 bytes (104 on macOS), and supervisord adds its process id while it binds."""
SUPERVISOR_SECONDS = 20
ENDED = frozenset({"STOPPED", "EXITED", "FATAL", "UNKNOWN"})


class UnixTransport(xmlrpc.client.Transport):
    """XML-RPC over a Unix socket, with a timeout."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        """A connection to the socket; the host in the URL means nothing."""
        connection = http.client.HTTPConnection("localhost", timeout=10)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(10)
        connection.sock.connect(self.path)
        return connection


@dataclass(frozen=True)
class Standing:
    """How one process stands, as supervisord sees it. ``pid`` is 0 when there is none."""

    name: str
    group: str
    state: str
    pid: int
    exit_code: int


@functools.cache
def tether() -> tuple[str, ...]:
    """The command prefix with which a process gets SIGTERM when its parent dies; empty where there is no such thing."""
    prefix = ("setpriv", "--pdeathsig", "TERM")
    found = shutil.which(prefix[0])
    if found is None or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
        return ()
    return (found, *prefix[1:])


def make_run_directory() -> Path:
    """A private directory with a short, plain path: for the control socket, the scripts and the configuration."""
    base = tempfile.gettempdir()
    if len(base) > LONGEST_DIRECTORY or not PLAIN.issuperset(base):
        base = "/tmp"  # noqa: S108 - mkdtemp makes a private directory in it
    return Path(tempfile.mkdtemp(prefix=RUN_PREFIX, dir=base))


class Supervised:
    """The platform's processes under one supervisord."""

    def __init__(self, programs: Sequence[Program], *, run: Path, logs: Path, root: Path) -> None:
        self.programs = programs
        self.run = run
        self.logs = logs
        self.root = root
        self.pid = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._last: dict[str, Standing] = {}

    def start(self, variables: Mapping[str, str]) -> None:
        """Write the configuration and start supervisord in a session of its own, so that Ctrl-C reaches only us."""
        (self.run / "logs").symlink_to(self.logs, target_is_directory=True)
        for program in self.programs:
            (self.run / f"{program.name}.sh").write_text(supervision.script(program.process))
        settings = self.run / "supervisord.conf"
        settings.write_text(supervision.configuration(self.programs, str(self.run), tether()))
        command = [*tether(), sys.executable, "-m", "supervisor.supervisord", "--configuration", str(settings)]
        with (self.logs / "supervisord.out.log").open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=self.root,
                env=dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def wait_for_control(self) -> None:
        """Wait until supervisord answers."""
        if not until(lambda: not self.running or self._answers(), SUPERVISOR_SECONDS) or not self.running:
            raise ProcessError("supervisord did not start.", self.logs / "supervisord.out.log")

    @property
    def running(self) -> bool:
        """Whether supervisord itself runs."""
        return self._process is not None and self._process.poll() is None

    def standings(self) -> dict[str, Standing]:
        """How each process stands. Raises PlatformError if supervisord is gone."""
        try:
            rows: Any = self._call("supervisor.getAllProcessInfo")
        except (OSError, xmlrpc.client.Error, http.client.HTTPException) as error:
            raise PlatformError(
                f"supervisord no longer answers ({error or type(error).__name__}). "
                f"Its log: {self.logs / 'supervisord.log'}"
            ) from None
        standings = {
            row["name"]: Standing(row["name"], row["group"], row["statename"], row["pid"], row["exitstatus"])
            for row in rows
        }
        self._sweep(standings)
        self._last = standings
        return standings

    def log(self, name: str) -> Path:
        """The log of a process."""
        return self.logs / f"{name}.log"

    def stop(self, hurry: Callable[[], int], say: Callable[[str], None]) -> None:
        """Stop the groups in order, each waited for, then supervisord.

        ``hurry()`` counts requests to be quicker: from 1 on workers give up what they run, from 2 on all are killed.
        """
        try:
            for group in supervision.STOP_ORDER:
                self._stop_group(group, hurry, say)
            self._call("supervisor.shutdown")
        except (PlatformError, OSError, xmlrpc.client.Error, http.client.HTTPException):
            self._signal_supervisor(signal.SIGTERM)  # it stops the groups in the same order by itself
        limit = sum(supervision.STOP_SECONDS.values())
        if not until(lambda: not self.running or hurry() >= 2, limit) or self.running:
            self._signal_supervisor(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
        self._end_survivors(hurry)

    def _stop_group(self, group: str, hurry: Callable[[], int], say: Callable[[str], None]) -> None:
        members = [standing for standing in self.standings().values() if standing.group == group]
        if not members:
            return
        self._call("supervisor.stopProcessGroup", group, False)
        urged = 0
        told = set[str]()

        def stopped() -> bool:
            nonlocal urged
            standings = [standing for standing in self.standings().values() if standing.group == group]
            for standing in standings:
                if standing.state in ENDED and standing.name not in told:
                    told.add(standing.name)
                    say(f"stopped {standing.name}")
            if hurry() > urged:
                urged = hurry()
                self._urge(group, signal.SIGKILL if urged >= 2 else signal.SIGQUIT)
            return all(standing.state in ENDED for standing in standings)

        until(stopped, supervision.STOP_SECONDS[group] + 10)

    def _urge(self, group: str, signal_number: signal.Signals) -> None:
        # SIGQUIT is Celery's cold stop. The others stop in seconds anyway and are left to it.
        if signal_number == signal.SIGKILL or group == supervision.WORKERS:
            for standing in self._last.values():
                if standing.group == group and standing.pid and standing.state not in ENDED:
                    _signal(standing.pid, signal_number, group=signal_number == signal.SIGKILL)

    def _sweep(self, standings: Mapping[str, Standing]) -> None:
        """End what a process that was killed left behind: each leads a process group of its own."""
        for name, before in self._last.items():
            now = standings.get(name)
            if before.pid and (now is None or now.pid != before.pid):
                _signal(before.pid, signal.SIGKILL, group=True)

    def _end_survivors(self, hurry: Callable[[], int]) -> None:
        """If supervisord was killed, its processes got SIGTERM from the kernel: wait for them, then end them."""
        pids = [standing.pid for standing in self._last.values() if standing.pid]
        until(lambda: not any(map(alive, pids)) or hurry() >= 2, supervision.STOP_SECONDS[supervision.WORKERS])
        for pid in pids:
            _signal(pid, signal.SIGKILL, group=True)

    def _signal_supervisor(self, signal_number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal_number)

    def _answers(self) -> bool:
        try:
            self._call("supervisor.getState")
        except (OSError, xmlrpc.client.Error, http.client.HTTPException):
            return False
        return True

    def _call(self, method: str, *arguments: Any) -> Any:
        with xmlrpc.client.ServerProxy("http://localhost", transport=UnixTransport(str(self.run / "control"))) as proxy:
            return getattr(proxy, method)(*arguments)


def _signal(pid: int, signal_number: signal.Signals, *, group: bool) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        (os.killpg if group else os.kill)(pid, signal_number)
