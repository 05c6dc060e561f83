"""The ledger's database of a chaos run, and what is done to it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import psycopg

from jobs_app.platform import ports
from jobs_app.platform.ports import HOST
from jobs_app.platform.waiting import until
from tests.support import postgres
from tests.support.servers import launch

START_SECONDS = 60
STOP_SECONDS = 20
LOOK_SECONDS = 0.3
"""How long a look whether somebody may write waits for the lock."""


class Ledger(ABC):
    """A database that the run may trouble."""

    url: str

    @abstractmethod
    def start(self) -> None:
        """Have it answer."""

    @abstractmethod
    def close(self) -> None:
        """End it for good."""

    def takes_writes(self) -> bool:
        """Whether somebody else may write now: a process frozen in the middle of a write may keep all out."""
        return True


class SQLite(Ledger):
    """A file."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.path = directory / "weir.sqlite3"
        self.url = f"sqlite:///{self.path}"
        self._holding: sqlite3.Connection | None = None

    def start(self) -> None:
        """Nothing: the file is made by the first who opens it."""

    def close(self) -> None:
        """Let go of the lock."""
        self.unlock()

    def takes_writes(self) -> bool:
        """Whether the write lock can be had."""
        with contextlib.closing(self._connect(LOOK_SECONDS)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
            except sqlite3.OperationalError:
                return False
        return True

    def lock(self) -> bool:
        """Keep every writer out; returns whether the lock could be had."""
        if self._holding is not None:
            return False
        connection = self._connect(5)
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            connection.close()
            return False
        self._holding = connection
        return True

    def unlock(self) -> None:
        """Let writers in again."""
        if self._holding is not None:
            self._holding.execute("ROLLBACK")
            self._holding.close()
            self._holding = None

    def _connect(self, timeout: float) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=timeout, isolation_level=None)


class _Postgres:
    """The server process, under whichever account can run it."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._log = directory / "log"
        self._reservation = ports.Reservation(0)
        self._process: subprocess.Popen[bytes] | None = None
        self._programs = postgres.binaries()
        ways = [way for way in postgres.accounts() if self._run([*way.prefix, str(self._programs / "initdb"), "-V"])]
        if not ways:
            raise SystemExit("expected to run PostgreSQL as an unprivileged user, and no way works")
        self._account = ways[0]
        self._home = directory
        if self._account.owner is not None:
            self._home = Path(tempfile.mkdtemp(prefix="weir-chaos-postgres-"))
            os.chown(self._home, self._account.owner, self._account.owner)

    def prepare(self) -> None:
        """Make the cluster and its database ``weir``."""
        words = [
            "-D",
            str(self._home / "data"),
            "-U",
            "postgres",
            "--auth=trust",
            "-N",
            "--encoding=UTF8",
            "--no-locale",
        ]
        if not self._run([*self._account.prefix, str(self._programs / "initdb"), *words]):
            raise SystemExit("expected initdb to make a database, it failed")
        self.start()
        with psycopg.connect(f"{self.address}/postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE weir")

    @property
    def address(self) -> str:
        """The URL without a database."""
        return f"postgres://postgres@{HOST}:{self._reservation.port}"

    def start(self) -> None:
        """Start it if it is down, and wait until it answers."""
        if self._process is not None and self._process.poll() is None:
            return
        programs = [str(self._programs / "postgres"), "-D", str(self._home / "data"), "-k", ""]
        address = ["-h", HOST, "-p", str(self._reservation.port)]
        self._process = launch([*self._account.prefix, *programs, *address, *postgres.OPTIONS], self._log, {})
        if not until(self._answers, START_SECONDS):
            raise SystemExit(f"expected PostgreSQL to answer; its log:\n{self._log.read_text()[-4000:]}")

    def close(self) -> None:
        """A fast stop, and the end of its data."""
        self._end(signal.SIGINT)
        self._reservation.close()
        shutil.rmtree(self._home / "data", ignore_errors=True)
        if self._account.owner is not None:
            shutil.rmtree(self._home, ignore_errors=True)

    def halt(self) -> None:
        """An immediate stop, as a crash: it recovers from its log when it starts."""
        self._end(signal.SIGQUIT)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        try:
            psycopg.connect(f"{self.address}/postgres", connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, command: Sequence[str]) -> bool:
        ended = subprocess.run(command, capture_output=True, check=False, cwd="/")
        with self._log.open("ab") as log:
            log.write(ended.stdout + ended.stderr)
        return ended.returncode == 0


class PostgreSQL(Ledger):
    """A server of the run's own."""

    def __init__(self, directory: Path) -> None:
        self.server = _Postgres(directory)
        self.url = f"{self.server.address}/weir"

    def start(self) -> None:
        """Make the cluster and start it."""
        self.server.prepare()

    def close(self) -> None:
        """Stop it for good."""
        self.server.close()

    def cut(self) -> int:
        """End every connection to the ledger; returns how many there were."""
        with psycopg.connect(f"{self.server.address}/postgres", autocommit=True, connect_timeout=5) as connection:
            query = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = 'weir'"
            row = connection.execute(query).fetchone()
        return int(row[0]) if row else 0


def make(name: str, directory: Path) -> Ledger:
    """The database of that name, not started yet."""
    return PostgreSQL(directory) if name == "postgresql" else SQLite(directory)
