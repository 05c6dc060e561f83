"""A peer that is run: its databases, its control process and its workers."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers import environments
from benchmarks.peers.apps.counting import VARIABLE, Tally
from benchmarks.peers.catalog import Peer
from benchmarks.peers.servers import Servers
from jobs_app.platform import procfile
from jobs_app.platform.processes import tether
from tests.support.servers import launch

ROOT = Path(__file__).resolve().parents[2]
APPS = Path(__file__).with_name("apps")
STOP_SECONDS = 15.0
QUEUE_LIMIT = 5_000_000
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE")


class Control:
    """The process in the peer's environment that loads, submits and counts."""

    def __init__(self, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*tether(), *command], cwd=APPS, env=dict(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=output, text=True,
            )  # fmt: skip

    def ask(self, verb: str, *arguments: object) -> Any:
        """Have a verb of the app done; returns what it returned. Ends the program with its log if it fails."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([verb, *arguments]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise Failed(f"{verb} ended:\n{_end_of(self._log)}")
        return json.loads(line)

    def close(self) -> None:
        """End it."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Failed(Exception):
    """A peer did not do what it was asked to."""


class Contestant:
    """A peer with databases of its own, prepared. Raises NotInstalled."""

    def __init__(self, peer: Peer, servers: Servers, settings: Mapping[str, str]) -> None:
        self.peer, self.servers = peer, servers
        slug = re.sub(r"\W+", "_", peer.name)
        self.folder = servers.directory / slug
        counts = self.folder / "counts"
        counts.mkdir(parents=True)
        self.tally = Tally(counts)
        self.python = (
            environments.python_of(peer.environment, needs=peer.needs) if peer.environment else Path(sys.executable)
        )
        self.environment = {
            **{name: os.environ[name] for name in KEPT if name in os.environ},
            "PYTHONPATH": str(APPS),
            "PYTHONUNBUFFERED": "1",
            "PEER_DATABASE": servers.database(slug).replace("postgres://", "postgresql://"),
            "PEER_BROKER": "" if peer.app == "app_floor" else servers.numbered(slug),
            VARIABLE: str(counts),
            **peer.variables,
        }
        if peer.app == "app_weir":
            self.environment |= self._of_weir(settings)
        with self.control() as control:
            control.ask("prepare")

    @contextmanager
    def control(self) -> Iterator[Control]:
        """Its control process, for a while."""
        control = Control([str(self.python), "control.py", self.peer.app], self.environment, self._log("control"))
        try:
            yield control
        finally:
            control.close()

    @contextmanager
    def workers(self) -> Iterator[None]:
        """Its workers, for a while."""
        started = [
            launch(
                ["/usr/bin/env", "-i", *self._variables(), "/bin/sh", "-c", command], self._log(f"worker{place}"), {}
            )
            for place, command in enumerate(self._commands())
        ]
        try:
            yield
            if any(each.poll() is not None for each in started):
                raise Failed("a worker ended by itself")
        except Failed as error:
            words = "\n".join(_end_of(self._log(f"worker{place}")) for place in range(len(started)))
            raise Failed(f"{error}; its workers' logs:\n{words}") from None
        finally:
            for each in started:
                each.terminate()
            for each in started:
                _end(each)

    def _commands(self) -> Iterator[str]:
        binaries = self.python.parent
        for worker in self.peer.workers:
            kind, _, name = worker.partition(" ")
            if kind == "procfile":
                line = next(each for each in procfile.read(ROOT / "Procfile") if each.name == name)
                yield f"cd '{ROOT}' && exec {line.command}"
            else:
                yield f"cd '{APPS}' && exec {worker.format(bin=binaries)}"

    def _variables(self) -> list[str]:
        return [f"{name}={value}" for name, value in self.environment.items()]

    def _of_weir(self, settings: Mapping[str, str]) -> dict[str, str]:
        data = self.folder / "data"
        data.mkdir()
        ledger = self.environment["PEER_DATABASE"]
        return {
            "SECRET_KEY": secrets.token_hex(32),
            "HTTPS": "false",
            "DATA_DIR": str(data),
            "KIND_MODULES": "benchmarks.peers.kinds",
            "BROKER_URL": self.environment["PEER_BROKER"],
            "DATABASE_URL": f"sqlite:///{data / 'ledger.sqlite3'}" if "PEER_SQLITE" in self.peer.variables else ledger,
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "LOG_LEVEL": "WARNING",
            "QUEUE_LIMIT": str(QUEUE_LIMIT),
            "PATH": os.pathsep.join([str(self.python.parent), os.environ.get("PATH", os.defpath)]),
            **settings,
        }

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-3000:]
