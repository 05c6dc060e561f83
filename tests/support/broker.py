"""A Valkey server of the test run's own."""

from __future__ import annotations

import atexit
import secrets
import subprocess
from pathlib import Path

from jobs_app.platform import ports, valkey
from jobs_app.platform.waiting import until


def start(directory: Path) -> str:
    """Start a server on a free loopback port and return its URL; it stops when this process ends."""
    directory.mkdir(parents=True)
    reservation, password = ports.Reservation(0), secrets.token_hex(16)
    reservation.close()
    port = reservation.port
    configuration = directory / "valkey.conf"
    configuration.write_text(valkey.configuration(port=port, directory=directory, password=password))
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([valkey.find().binary, configuration], stdout=log, stderr=log)
    atexit.register(_stop, process)
    if not until(lambda: valkey.answers(port, password), 10):
        raise SystemExit(f"expected the test broker to answer within 10 s; its log:\n{(directory / 'log').read_text()}")
    return f"redis://:{password}@127.0.0.1:{port}/0"


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(10)
