"""The servers that all peers share: one PostgreSQL that syncs to the disk, one Valkey, as Weir is run for real.

Each peer gets a database of its own on the one, and a numbered one on the other.
"""

from __future__ import annotations

import atexit
import os
import platform
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg

from tests.support import postgres
from tests.support.broker import Valkey


class Servers:
    """Both, up until the program ends."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="weir-peers-"))
        atexit.register(shutil.rmtree, self.directory, ignore_errors=True)
        self.broker = Valkey(self.directory / "broker")
        self.broker.start()
        # As it is for real: what is committed is on the disk.
        postgres.OPTIONS = ("-c", "max_connections=200", "-c", "timezone=UTC")
        self._postgres = postgres.start(self.directory / "postgres").rpartition("/")[0]
        self._numbers: dict[str, int] = {}

    def database(self, name: str) -> str:
        """The URL of a PostgreSQL database of that name, made if it is not there."""
        with psycopg.connect(f"{self._postgres}/postgres", autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                connection.execute(f'CREATE DATABASE "{name}"')
        return f"{self._postgres}/{name}"

    def numbered(self, name: str) -> str:
        """The URL of a numbered database of the broker that is this peer's."""
        number = self._numbers.setdefault(name, len(self._numbers))
        return self.broker.url.rpartition("/")[0] + f"/{number}"

    def quiet(self) -> None:
        """What earlier peers left to be written is written: it is no burden of the next one."""
        with psycopg.connect(f"{self._postgres}/postgres", autocommit=True) as connection:
            connection.execute("CHECKPOINT")

    def used_memory(self) -> int:
        """Bytes that the broker has allocated."""
        with self.broker.client() as client:
            return int(client.info("memory")["used_memory"])

    def versions(self) -> dict[str, Any]:
        """What the figures depend on."""
        with psycopg.connect(f"{self._postgres}/postgres") as connection:
            row = connection.execute("SELECT current_setting('server_version'), current_setting('fsync')").fetchone()
        with self.broker.client() as client:
            server = client.info("server").get("valkey_version") or client.info("server")["redis_version"]
        ledger, synced = row or ("?", "?")
        return {
            "python": platform.python_version(), "celery": version("celery"), "django": version("django"),
            "postgresql": ledger, "fsync": synced, "valkey": str(server), "appendfsync": "everysec",
            "cores": len(os.sched_getaffinity(0)),
        }  # fmt: skip
