"""Real processes of the platform, each on a broker of the test's own, stopped by their ids."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import redis

from jobs_app.platform import ports, valkey
from jobs_app.platform.waiting import until
from tests.support.processes import ROOT

PASSWORD = "only-for-tests"
STOP_SECONDS = 15


class Broker:
    """A Valkey server that may be stopped and started again on its port."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.directory = directory
        self.port = free_port()
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"
        self.client = redis.Redis(port=self.port, password=PASSWORD)
        text = valkey.configuration(port=self.port, directory=directory, password=PASSWORD)
        (directory / "valkey.conf").write_text(text)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.directory / "log").open("ab") as log:
            command = [valkey.find().binary, self.directory / "valkey.conf"]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        assert until(lambda: valkey.answers(self.port, PASSWORD), 10), (self.directory / "log").read_text()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self.thaw()
            self._process.wait(10)

    def freeze(self) -> None:
        """Stop it in its tracks: it takes connections, and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def waiting(self, queue: str) -> int:
        """How many messages lie in a queue."""
        return int(self.client.llen(queue))


class Running:
    """A process, and what it has said so far."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def said(self) -> str:
        return self._log.read_text()

    def stop(self) -> int:
        """Ask it to end; returns its exit code. Fails if it takes longer than 15 s, and says where it stood."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # with PYTHONFAULTHANDLER: a traceback of every thread
            self.process.wait()
            raise AssertionError(f"expected it to end within {STOP_SECONDS} s; it said:\n{self.said[-8000:]}") from None


@contextmanager
def celery(*arguments: str, environment: Mapping[str, str], log: Path) -> Iterator[Running]:
    """``celery -A project …``, ended when the block ends."""
    command = [sys.executable, "-m", "celery", "-A", "project", *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=dict(environment), stdout=output, stderr=output)
    running = Running(process, log)
    try:
        yield running
    finally:
        running.stop()


def environment_with(broker: Broker, given: Mapping[str, str], **more: str) -> dict[str, str]:
    """An environment for a process that uses this broker."""
    kept = {name: value for name, value in (given or os.environ).items() if not name.startswith("FLOWER_")}
    return {**kept, "BROKER_URL": broker.url, "LOG_LEVEL": "INFO", "PYTHONFAULTHANDLER": "1", **more}


def free_port() -> int:
    reservation = ports.Reservation(0)
    reservation.close()
    return reservation.port
