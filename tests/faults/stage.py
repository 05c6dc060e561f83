"""The stage of the faults: every process of the product, and a relay before its broker and before its PostgreSQL.

It stands for the whole run. A test breaks one thing, and what recovers must be the very processes that met the fault.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from django.contrib.auth.models import User

from jobs_app.core import clock, control
from jobs_app.errors import Conflict
from jobs_app.lifecycle import FINAL, State
from jobs_app.models import Job, Queue
from jobs_app.models.guard import writing
from tests.support.ledger import submitted
from tests.support.processes import eventually, finished
from tests.support.relays import Relay
from tests.support.servers import Broker, launch
from tests.surfaces.api.support import Servers, processes_below, token_of

CELERY = [sys.executable, "-m", "celery", "-A", "project"]
QUIET = ["--without-mingle", "--without-gossip", "--loglevel", "INFO"]
COMMANDS = {
    "worker": [*CELERY, "worker", "-Q", "default", "-c", "2", "-n", "worker@stage", *QUIET],
    "second": [*CELERY, "worker", "-Q", "default", "-c", "2", "-n", "second@stage", *QUIET],
    "upkeep": [*CELERY, "worker", "-Q", "system", "-c", "1", "-n", "upkeep@stage", *QUIET],
    "beat": [*CELERY, "beat", "--pidfile=", "-S", "tests.support.beats:Scheduler"],
}
USUAL = ("worker", "upkeep", "beat")
STOP_SECONDS = 60.0
SHORT_TIMES = {"LEDGER_PATIENCE_SECONDS": "3", "WATCHDOG_SECONDS": "20"}


class Stage:
    """The processes by name, the broker, and the ways to both servers.

    Stages share the ledger, so only one has workers at a time: those of the others are ended when one is used.
    """

    used: Stage | None = None

    def __init__(self, directory: Path, broker: Broker, given: Mapping[str, str]) -> None:
        self.directory = directory
        self.broker = broker
        broker.start()
        self.way_to_broker = Relay(_address(broker.url))
        self.environment = {
            **given,
            "BROKER_URL": self.way_to_broker.at(broker.url),
            "LOG_LEVEL": "INFO",
            "PYTHONFAULTHANDLER": "1",
            **SHORT_TIMES,
        }
        self.way_to_database: Relay | None = None
        if given["DATABASE_URL"].startswith("postgres"):
            self.way_to_database = Relay(_address(given["DATABASE_URL"]))
            self.environment["DATABASE_URL"] = self.way_to_database.at(given["DATABASE_URL"])
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._ready_before: dict[str, int] = {}
        self._web: Servers | None = None

    @property
    def web(self) -> str:
        """The address of a web server of this stage's, started when first asked for."""
        if self._web is None:
            self._web = Servers(self.environment, self.directory)
            self._web.start_web()
        return self._web.web

    @property
    def web_processes(self) -> list[int]:
        """The web server and its workers."""
        assert self.web
        assert self._web is not None
        return processes_below(self._web.processes["web"].pid)

    def ensure(self, *names: str) -> None:
        """Start what is not running."""
        if Stage.used is not None and Stage.used is not self:
            Stage.used.rest()
        Stage.used = self
        for name in names or USUAL:
            if not self.alive(name):
                self.start(name)

    def start(self, name: str, **more: str) -> None:
        """Start one process; ``more`` goes into its environment."""
        self._ready_before[name] = self.said(name).count(" ready.")
        self.processes[name] = launch(COMMANDS[name], self.directory / f"{name}.log", {**self.environment, **more})

    def await_ready(self, name: str) -> None:
        """Wait until a worker that was just started takes messages, and signals."""
        before = self._ready_before[name]
        eventually(lambda: self.said(name).count(" ready.") > before, what=f"{name} to be ready")

    def alive(self, name: str) -> bool:
        """Whether a process runs (frozen or not)."""
        return name in self.processes and self.processes[name].poll() is None

    def pids(self, *names: str) -> dict[str, int]:
        """The ids of processes that run: equal before and after a fault if nothing had to be started anew."""
        return {name: self.processes[name].pid for name in names or USUAL if self.alive(name)}

    def children(self, name: str = "worker") -> list[int]:
        """The processes in which a worker runs jobs."""
        return processes_below(self.processes[name].pid)[1:]

    def freeze(self, name: str) -> None:
        """Stop the parent alone, in its tracks."""
        self.processes[name].send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let a frozen parent go on."""
        self.processes[name].send_signal(signal.SIGCONT)

    def kill(self, name: str) -> None:
        """End a process and its children as a power cut does."""
        os.killpg(self.processes[name].pid, signal.SIGKILL)
        self.processes[name].wait()

    def stop(self, *names: str) -> int:
        """Ask processes to end, all at once, and wait for them; returns the worst exit code."""
        ended = [self.processes.pop(name) for name in names if self.alive(name)]
        for process in ended:
            process.terminate()
        return max((process.wait(STOP_SECONDS) for process in ended), default=0)

    def said(self, name: str) -> str:
        """What a process has logged."""
        path = self.directory / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def serves(self, seconds: float = 60.0) -> None:
        """A job submitted now is run, within ``seconds``."""
        try:
            row = finished(submitted("system.echo", {"text": "still here"}).id, seconds)
        except AssertionError as error:
            for name in self.processes:
                error.add_note(f"{name} (alive: {self.alive(name)}) said last: {self.said(name)[-2000:]}")
            raise
        assert (row.state, row.result) == ("succeeded", {"text": "still here"}), row.error

    def heal(self) -> None:
        """After a test: undo its fault, whatever became of it, and let running jobs end."""
        self.broker.start()
        self.broker.thaw()
        for process in list(self.processes.values()):
            for pid in processes_below(process.pid) if process.poll() is None else ():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        for way in (self.way_to_broker, self.way_to_database):
            if way is not None:
                way.mend()
        self.ensure()
        for job in Job.objects.exclude(state__in=FINAL):  # of a test that failed
            with suppress(Conflict):  # it has just ended
                control.cancel(job.id, actor=None, now=clock.database_now())
        eventually(lambda: not Job.objects.filter(state=State.RUNNING).exists(), what="running jobs to end")

    def rest(self) -> None:
        """End every worker, and beat, by force."""
        for name in list(self.processes):
            with suppress(ProcessLookupError):
                os.killpg(self.processes[name].pid, signal.SIGKILL)
            self.processes.pop(name).wait()

    def close(self) -> None:
        """End everything."""
        self.rest()
        if self._web is not None:
            self._web.stop()
        for way in (self.way_to_broker, self.way_to_database):
            if way is not None:
                way.close()
        self.broker.close()


@contextmanager
def api_of(stage: Stage, user: User) -> Iterator[httpx.Client]:
    """A client of the stage's web server."""
    headers = {"Authorization": f"Bearer {token_of(user)}"}
    with httpx.Client(base_url=stage.web, headers=headers, timeout=60) as client:
        yield client


def set_window(messages: int) -> None:
    """The window of the default queue."""
    with writing():
        Queue.objects.update_or_create(name="default", defaults={"window": messages})


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port
