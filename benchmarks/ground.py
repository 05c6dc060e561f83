"""What a benchmark stands on: a broker, a ledger and a directory of its own, and the processes of the Procfile.

To be imported before anything that needs Django: importing it reads the command line, starts the servers and sets
Django up. Everything ends with the program, however it ends.
"""

from __future__ import annotations

import argparse
import atexit
import io
import os
import platform
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import django

from jobs_app import conf
from jobs_app.platform import procfile
from jobs_app.platform.waiting import until
from tests.support import postgres
from tests.support.broker import Valkey
from tests.support.servers import launch

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 60.0
STOP_SECONDS = 120.0

_parser = argparse.ArgumentParser()
_parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
_parser.add_argument("--scale", type=float, default=1.0, help="Part of the full size, to try a change: 0.1.")
_parser.add_argument("--jobs", type=int, default=1_000_000, help="Settled jobs in the ledger; for rollups alone.")
_parser.add_argument("--settled", type=int, default=10_000_000, help="For depth: jobs that have ended.")
_parser.add_argument("--queued", type=int, default=1_000_000, help="For depth: jobs that wait.")
_parser.add_argument("--seed", type=int, default=3)
_parser.add_argument(
    "--set", action="append", default=[], metavar="NAME=VALUE", help="A setting of every process: QUEUE_LIMIT=200."
)
options = _parser.parse_args()
chance = random.Random(options.seed)  # noqa: S311 - repeatable on purpose

directory = Path(tempfile.mkdtemp(prefix="weir-measure-"))
atexit.register(shutil.rmtree, directory, ignore_errors=True)
broker = Valkey(directory / "broker")


def scaled(count: int, least: int = 1) -> int:
    """A number of trials or jobs, at the chosen scale."""
    return max(least, round(count * options.scale))


def command_of(name: str) -> str:
    """What the Procfile says of a process."""
    return next(each.command for each in procfile.read(ROOT / "Procfile") if each.name == name)


class Process:
    """One process of the Procfile, in a process group of its own."""

    def __init__(self, name: str, node: str = "", command: str = "", **variables: str) -> None:
        """``node`` renames a Celery worker, so that there can be several; ``variables`` go into its environment.

        ``command`` is run instead of the Procfile's.
        """
        command = (command or command_of(name)).replace(f"-n {name}@", f"-n {node or name}@")
        self.log = directory / f"{node or name}.log"
        self._process = launch(["/bin/sh", "-c", f"exec {command}"], self.log, variables)
        self.pid = self._process.pid
        atexit.register(self.kill)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def wait_for(self, words: str, seconds: float = START_SECONDS) -> None:
        """Wait until its log holds these words."""
        wait(lambda: words in self.log.read_text(errors="replace") or not self.running, seconds, f"{words!r} in a log")
        if not self.running:
            sys.exit(f"{self.log.name} ended:\n{self.log.read_text(errors='replace')[-3000:]}")

    def terminate(self) -> None:
        """Ask it to stop (SIGTERM to the process alone, as a supervisor does)."""
        self._process.terminate()

    def stop(self) -> None:
        """Ask it to stop, wait, and end what is left."""
        self.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL to it and its children."""
        if self.running:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()


def worker(node: str, concurrency: int = 2, **variables: str) -> Process:
    """A worker of jobs that is ready; several may share a machine under different names."""
    return ready("worker", node, WORKER_CONCURRENCY=str(concurrency), **variables)


def ready(name: str, node: str = "", **variables: str) -> Process:
    """A process that has said that it is ready."""
    earlier = directory / f"{node or name}.log"
    earlier.unlink(missing_ok=True)
    process = Process(name, node, **variables)
    process.wait_for(" ready." if name in {"worker", "upkeep"} else "beat: Starting" if name == "beat" else "Started")
    return process


def wait(condition: Callable[[], object], seconds: float, what: str, pause: float = 0.05) -> None:
    """Wait until a condition holds; end the program with words if it does not in time."""
    if not until(lambda: bool(condition()), seconds, pause):
        sys.exit(f"expected {what} within {seconds:g} s; logs: {_last_words()}")


def settings() -> dict[str, Any]:
    """What the figures depend on: versions and settings in force."""
    from django.db import connection

    in_force = conf.current()
    with broker.client() as client:
        server = str(client.info("server").get("valkey_version") or client.info("server")["redis_version"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT sqlite_version()" if options.database == "sqlite" else "SHOW server_version")
        ledger = f"{options.database} {cursor.fetchone()[0]}"
    names = ("celery", "kombu", "redis", "django", "granian")
    return {
        "python": platform.python_version(), **{name: version(name) for name in names},
        "broker": f"valkey {server}", "ledger": ledger, "cores": len(os.sched_getaffinity(0)),
        "lease_seconds": in_force.lease_seconds, "heartbeat_seconds": in_force.heartbeat_seconds,
        "window": in_force.window, "seed": options.seed, "scale": options.scale,
        "load_before": round(os.getloadavg()[0], 2), **dict(each.split("=", 1) for each in options.set),
    }  # fmt: skip


def _last_words() -> str:
    return "".join(f"\n--- {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in directory.glob("*.log"))


def _prepare() -> None:
    os.chdir(ROOT)
    # The kernel ends what was started with this program, but not the web server's own children: those are ended here.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to stop"))
    for name in conf.Configuration.model_fields:
        os.environ.pop(name.upper(), None)
    broker.start()
    os.environ.update(
        SECRET_KEY=secrets.token_hex(32),
        HTTPS="false",
        DATA_DIR=str(directory),
        KIND_MODULES="tests.support.kinds_of_every_type,benchmarks.kinds",
        BROKER_URL=broker.url,
        DJANGO_SETTINGS_MODULE="project.settings",
        PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        PYTHONUNBUFFERED="1",
    )
    if options.database == "postgresql":
        # As it is for real: what is committed is on the disk. The tests' own server is quicker and safe from nothing.
        postgres.OPTIONS = ("-c", "max_connections=200", "-c", "timezone=UTC")
        os.environ["DATABASE_URL"] = postgres.start(directory / "postgres")
    else:
        os.environ["DATABASE_URL"] = f"sqlite:///{directory / 'ledger.sqlite3'}"
    os.environ.update(each.split("=", 1) for each in options.set)
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("prepare", stdout=io.StringIO())


_prepare()
