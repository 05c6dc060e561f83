"""A PgBouncer of the tests' own, in transaction mode: few connections to the server for many clients."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from jobs_app.platform.ports import HOST
from tests.support.missing import missing
from tests.support.postgres import NOBODY
from tests.support.servers import Server

CONFIGURATION = """[databases]
{database} = host={host} port={server_port} dbname={database} user={user}
[pgbouncer]
listen_addr = {listen}
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 200
server_reset_query_always = 0
query_wait_timeout = 30
"""


class PgBouncer(Server):
    """Pools connections to the server that a URL names. ``url`` is the same database through it."""

    def __init__(self, directory: Path, server: str, *, size: int = 4) -> None:
        self._program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
        if self._program is None:
            missing("expected PgBouncer, found none. Debian, Ubuntu: apt install pgbouncer")
        super().__init__(directory)
        parts = urlsplit(server)
        self.database = parts.path.lstrip("/")
        self.url = f"postgres://{parts.username}@{HOST}:{self.port}/{self.database}"
        # Nobody, who runs it, may not look into the directories of a test run.
        self._private = Path(tempfile.mkdtemp(prefix="weir-pgbouncer-"))
        self._configuration = self._private / "pgbouncer.ini"
        self._configuration.write_text(
            CONFIGURATION.format(
                database=self.database, host=parts.hostname, server_port=parts.port, user=parts.username,
                listen=HOST, port=self.port, size=size,
            )
        )  # fmt: skip
        if os.geteuid() == 0:
            for path in (self._private, self._configuration):
                os.chown(path, NOBODY, NOBODY)

    def command(self) -> Sequence[str]:
        """What starts the server in the foreground; it refuses to run as root."""
        drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--pdeathsig", "KILL"]
        return [*(drop if os.geteuid() == 0 else ()), str(self._program), str(self._configuration)]

    def answers(self) -> bool:
        """Whether it serves."""
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def server_connections(self) -> int:
        """How many connections to the server it has, by its own count."""
        with psycopg.connect(
            self.url.rsplit("/", 1)[0] + "/pgbouncer", autocommit=True, prepare_threshold=None
        ) as console:
            rows = psycopg.ClientCursor(console).execute("SHOW SERVERS").fetchall()
        return len(rows)

    def close(self) -> None:
        """End it for good."""
        super().close()
        shutil.rmtree(self._private, ignore_errors=True)
