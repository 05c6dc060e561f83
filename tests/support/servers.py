"""Servers of the tests' own: real processes that can be killed, frozen and emptied, and that never outlive the run."""

from __future__ import annotations

import atexit
import os
import queue
import shutil
import signal
import subprocess
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

from jobs_app.platform import ports
from jobs_app.platform.processes import tether
from jobs_app.platform.waiting import until

STOP_SECONDS = 20


class Server(ABC):
    """One server on a loopback port that stays its own through restarts."""

    url: str
    """What BROKER_URL is to be."""
    start_seconds = 10.0

    def __init__(self, directory: Path) -> None:
        """Everything the server writes goes below ``directory``, its output to the file ``log`` in it."""
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.log = directory / "log"
        self._reservation = ports.Reservation(0)
        self.port = self._reservation.port
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    @property
    def pid(self) -> int:
        """The process id of the server itself; 0 while it is down."""
        return self._process.pid if self._process is not None and self.running else 0

    @property
    def running(self) -> bool:
        """Whether the process is there (frozen or not)."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it if it is down and wait until it answers. What it kept on its disk is there again."""
        if self.running:
            return
        self._process = launch(self.command(), self.log, self.environment())
        if not until(lambda: not self.running or self.answers(), self.start_seconds) or not self.running:
            self.kill()
            raise SystemExit(
                f"expected {self} to answer within {self.start_seconds:g} s; its log:\n{self._last_words()}"
            )

    def stop(self) -> None:
        """Ask it to end, and wait for that."""
        if self._process is None:
            return
        self.thaw()
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it as a power cut does (SIGKILL)."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait()

    def freeze(self) -> None:
        """Stop it in its tracks (SIGSTOP): its connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen one go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End it for good and give its port back."""
        self.stop()
        self._reservation.close()

    @abstractmethod
    def command(self) -> Sequence[str]:
        """What starts the server in the foreground."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it serves."""

    def environment(self) -> Mapping[str, str]:
        """What the server finds in its environment besides ours."""
        return {}

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def _last_words(self) -> str:
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""

    def __str__(self) -> str:
        return f"{type(self).__name__} on port {self.port}"


class Broker(Server):
    """A server that holds queues of messages. Every broker of the tests is one of these."""

    def lose(self) -> None:
        """End it as a power cut does, and its disk with it: it starts empty."""
        self.kill()
        for each in self.kept():
            shutil.rmtree(each, ignore_errors=True)

    @abstractmethod
    def kept(self) -> Sequence[Path]:
        """The directories of what outlives a restart."""

    @abstractmethod
    def delete_queues(self) -> None:
        """Lose every queue, with what is in it. The server must be up."""

    @abstractmethod
    def flush(self) -> None:
        """Lose every message. The server must be up."""


def launch(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a process that the kernel kills when this process ends, however that comes about."""
    answer: Future[subprocess.Popen[bytes]] = Future()
    _wanted().put((command, log, environment, answer))
    return answer.result()


Wanted = queue.SimpleQueue[tuple[Sequence[str], Path, Mapping[str, str], "Future[subprocess.Popen[bytes]]"]]
_launcher: Wanted | None = None
_lock = threading.Lock()


def _wanted() -> Wanted:
    global _launcher
    with _lock:
        if _launcher is None:
            _launcher = queue.SimpleQueue()
            threading.Thread(target=_launch_all, args=[_launcher], name="servers", daemon=True).start()
        return _launcher


def _launch_all(wanted: Wanted) -> None:
    # The kernel's signal at a parent's death is really at the death of the thread that started the child. So one
    # thread that lives as long as the process starts them all; else a server would die with a test's own thread.
    prefix = [*tether()[:-1], "KILL"] if tether() else []  # SIGKILL ends a frozen one too
    while True:
        command, log, environment, answer = wanted.get()
        try:
            with log.open("ab") as output:
                process = subprocess.Popen(
                    [*prefix, *command], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                    env={**os.environ, **environment}, start_new_session=True,
                )  # fmt: skip
        except BaseException as error:
            answer.set_exception(error)
        else:
            answer.set_result(process)
