"""The whole platform, as one context manager."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from jobs_app.conf import Configuration
from jobs_app.platform import environment as environments
from jobs_app.platform import locking, ports, procfile, readiness, supervision, valkey
from jobs_app.platform.environment import BROKER_PORT, Environment
from jobs_app.platform.faults import PlatformError, ProcessError
from jobs_app.platform.preparation import Management
from jobs_app.platform.processes import Supervised, make_run_directory
from jobs_app.platform.procfile import Process
from jobs_app.platform.signals import Signals
from jobs_app.platform.waiting import until

ROOT = Path(__file__).resolve().parents[2]
BROKER_NAME = "valkey"
ENVIRONMENT_FILE = "environment"
WATCH_SECONDS = 1.0


@dataclass(frozen=True)
class Platform:
    """A running platform: its environment, its processes and its ``manage.py``.

    ``admin_password`` is that of the administrator if the user was created by this start.
    """

    data_dir: Path
    environment: Environment
    supervised: Supervised
    manage: Management
    admin_password: str | None

    def check(self) -> None:
        """Raise ProcessError if a process could not be kept running."""
        for standing in self.supervised.standings().values():
            if standing.state == "FATAL":
                raise ProcessError(f"{standing.name} could not be kept running.", self.supervised.log(standing.name))

    def watch(self, console: Console) -> NoReturn:
        """Look at the processes until Stopped is raised, and say when one had to be started again.

        Raises ProcessError for one that cannot be kept running.
        """
        known = {standing.name: standing.pid for standing in self.supervised.standings().values()}
        while True:
            until(lambda: False, WATCH_SECONDS, pause=WATCH_SECONDS)
            self.check()
            for standing in self.supervised.standings().values():
                if standing.pid and standing.pid != known.get(standing.name):
                    known[standing.name] = standing.pid
                    log = self.supervised.log(standing.name)
                    console.print(f"{standing.name} ended and was started again; its log: {log}", markup=False)


@contextmanager
def running(
    name: str,
    console: Console,
    signals: Signals,
    *,
    administrator: str = "",
    given: Mapping[str, str] = os.environ,
) -> Iterator[Platform]:
    """Start everything, yield the platform once every process answers, and stop everything in order.

    name: the data directory is ``var/NAME`` of the project unless DATA_DIR is given.
    administrator: a superuser to create if there is none of that name yet.
    Raises PlatformError or ImproperlyConfigured, after stopping whatever had been started.
    """
    os.umask(0o077)  # the ledger, its secret and uploads are nobody else's
    environments.check(given)
    processes = procfile.read(ROOT / "Procfile")
    data_dir = Path(given.get("DATA_DIR") or ROOT / "var" / name).absolute()
    logs = _directory(data_dir, "logs")
    with ExitStack() as stack:
        stack.enter_context(locking.held(data_dir))
        if locking.clear_leftovers(data_dir):
            console.print("An earlier run was ended by force; it has been cleared away.")
        picked = ports.pick(environments.wanted_ports(given), given, stack)
        readiness.require_broker(given.get("BROKER_URL", ""))
        secret = given.get("SECRET_KEY") or environments.secret_key(data_dir)
        environment = environments.compose(given, data_dir=data_dir, ports=picked, secret_key=secret)
        run = make_run_directory()
        stack.callback(shutil.rmtree, run, ignore_errors=True)
        note = locking.Running(os.getpid(), environment.url, run=str(run))
        locking.write(data_dir, note)
        console.print(
            f"Weir starts from {data_dir} (ledger: {environment.ledger}, broker: {environment.broker})",
            markup=False,
            soft_wrap=True,
        )
        manage = Management(ROOT, environment.variables, logs, signals)
        password = manage.prepare(administrator)
        broker = _broker(environment, run, data_dir) if environment.embedded_broker else None
        if not environment.shows_flower:
            processes = tuple(process for process in processes if not process.is_flower)
        supervised = Supervised(supervision.programs(processes, broker), run=run, logs=logs, root=ROOT)
        _write_environment(environment, data_dir, stack)
        with signals.deferred():
            stack.callback(_stop, supervised, console, signals)
            supervised.start(environment.variables)
            locking.write(data_dir, locking.Running(note.pid, note.url, supervised.pid, note.run))
        supervised.wait_for_control()
        readiness.wait(supervised, environment)
        yield Platform(data_dir, environment, supervised, manage, password)


def _stop(supervised: Supervised, console: Console, signals: Signals) -> None:
    signals.disarm()
    before = signals.count
    console.print("Stopping: workers finish what they run. Ctrl-C again hurries them.")
    supervised.stop(lambda: signals.count - before, lambda line: console.print(f"  {line}", markup=False))


def _directory(parent: Path, name: str) -> Path:
    directory = parent / name
    try:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise PlatformError(f"DATA_DIR: expected a directory that can be written, got {parent}: {error}") from None
    return directory


def _broker(environment: Environment, run: Path, data_dir: Path) -> Process:
    server = valkey.find()
    directory = _directory(data_dir, server.family)
    settings = run / "valkey.conf"
    with os.fdopen(os.open(settings, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(
            valkey.configuration(
                port=environment.ports[BROKER_PORT], directory=directory, password=environment.broker_password
            )
        )
    command = [sys.executable, "-m", valkey.__name__, str(server.binary), str(settings), str(directory)]
    return Process(BROKER_NAME, shlex.join(command))


def _write_environment(environment: Environment, data_dir: Path, stack: ExitStack) -> None:
    """Write a file that a shell can source, so that ``manage.py`` commands reach the running platform."""
    path = data_dir / ENVIRONMENT_FILE
    names = {field.upper() for field in Configuration.model_fields} & set(environment.variables)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.writelines(f"export {name}={shlex.quote(environment.variables[name])}\n" for name in sorted(names))
    stack.callback(path.unlink, missing_ok=True)
