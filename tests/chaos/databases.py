"""The ledger's database of a chaos run, and what is done to it."""

from __future__ import annotations

import contextlib
import sqlite3
from abc import ABC, abstractmethod
from pathlib import Path

import psycopg

from tests.chaos.postgres_server import PostgresServer

LOOK_SECONDS = 0.3
"""How long a look whether somebody may write waits for the lock."""


class Ledger(ABC):
    """A database that the run may trouble."""

    url: str

    @property
    def locked(self) -> bool:
        """Whether the run itself keeps every writer out now."""
        return False

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

    @property
    def locked(self) -> bool:
        """Whether the lock is ours."""
        return self._holding is not None

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


class PostgreSQL(Ledger):
    """A server of the run's own."""

    def __init__(self, directory: Path) -> None:
        self.server = PostgresServer(directory)
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
