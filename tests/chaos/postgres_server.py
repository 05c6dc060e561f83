"""A PostgreSQL that can crash and come back: the server process, under whichever account can run it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
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


class PostgresServer:
    """One cluster and the process that serves it, on a port that stays its own through restarts."""

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
