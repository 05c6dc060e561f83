"""The course of a run: start the platform, let the clients and the killer go, heal, wait for the end, look."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import DatabaseError, InterfaceError, connection

from jobs_app import conf
from jobs_app.core import clock, tokens
from jobs_app.lifecycle import FINAL
from jobs_app.models import Job
from jobs_app.platform.waiting import until
from tests.chaos import plan, report, verify
from tests.chaos.databases import Ledger
from tests.chaos.depths import Depths
from tests.chaos.killer import Killer
from tests.chaos.kinds import TABLE
from tests.chaos.load import Load
from tests.chaos.machine import MARK, Machine
from tests.chaos.options import WINDOW, Options
from tests.support.servers import Broker

USER = "chaos"

START_SECONDS = 180
TEND_SECONDS = 0.05
DONE_SECONDS = 0.5
"""Between two looks whether everything has come to its end."""

SAY_SECONDS = 10
"""Between two words about how far it is."""

LATE_SECONDS = 8
"""What a thawed process has to say, it says within this time."""


class Course:
    """One run on a database and a broker that are up, in a process that is set up for them."""

    def __init__(
        self, options: Options, directory: Path, stack: ExitStack, ledger: Ledger, broker: Broker, port: int
    ) -> None:
        self.options, self.ledger, self.broker = options, ledger, broker
        self.record = directory / "record"
        self.url = f"http://127.0.0.1:{port}"
        self.machine = Machine(
            {**os.environ, MARK: directory.name, "PORT": str(port), "WORKER_CONCURRENCY": "2", "WEB_WORKERS": "2"},
            directory / "logs",
        )
        stack.callback(self.machine.stop)
        self.plan = plan.make(
            options.seed, seconds=options.seconds, jobs=options.jobs, database=options.database, broker=options.broker,
            lease=conf.current().lease_seconds,
        )  # fmt: skip
        self.depths = Depths()

    def run(self) -> report.Report:
        """All of it; the platform is stopped afterwards."""
        owner, token = self._prepare()
        self._wait_for_start()
        load = Load(self.plan.orders, url=self.url, token=token, owner=owner)
        killer = Killer(
            self.plan.faults, machine=self.machine, broker=self.broker, ledger=self.ledger, window=WINDOW,
            accepted=lambda: list(load.known.accepted.values()),
        )  # fmt: skip
        took = self._trouble(load, killer)
        found = verify.read()
        verify.check(found, self.plan.orders, load.known, killer.journal, max_kills=self.options.max_kills)
        return report.make(
            self.options, found, load.known, killer, self.depths.samples, record=self.record, window=WINDOW,
            took=took, starts={member.name: member.starts for member in self.machine.members.values()},
        )  # fmt: skip

    def _prepare(self) -> tuple[User, str]:
        call_command("migrate", interactive=False, verbosity=0)
        with (self.machine.members["web"].log.parent / "prepare.log").open("w") as log:
            call_command("prepare", stdout=log)
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE TABLE {TABLE} (job varchar(40) NOT NULL, attempt integer NOT NULL)")
        owner = User.objects.create_user(USER)
        _, token = tokens.issue(owner, "chaos", now=clock.database_now())
        return owner, token

    def _wait_for_start(self) -> None:
        """Until the pages answer and a job of each worker could run: the faults are to meet a platform that is up."""

        def up() -> bool:
            self.machine.tend()
            try:
                return httpx.get(f"{self.url}/api/openapi.json", timeout=2, trust_env=False).status_code < 500
            except httpx.TransportError:
                return False

        def ready() -> bool:
            return all(len(member.pool()) >= 1 for member in self.machine.of("worker"))

        if not until(lambda: up() and ready(), START_SECONDS, pause=0.3):
            logs = self.machine.members["web"].log.parent
            said = "\n".join(f"--- {log.name}\n{log.read_text()[-1500:]}" for log in sorted(logs.glob("*.log")))
            raise SystemExit(f"expected the platform to be up within {START_SECONDS} s:\n{said}")

    def _trouble(self, load: Load, killer: Killer) -> tuple[float, float]:
        """Until every job has ended; returns the seconds up to the last fault's end, and from there."""
        self.depths.start()
        began = time.monotonic()
        load.start()
        limit = self.options.seconds + self.options.patience
        self._tend(lambda: load.done and killer.done, limit, killer.act, lambda: len(load.known.accepted))
        killer.heal_all()
        load.stop()
        healed = time.monotonic()
        self._tend(lambda: not _unfinished(), self.options.patience, killer.act, lambda: -_unfinished())
        drained = time.monotonic()
        if any(entry.survivors for entry in killer.journal):
            self._tend(lambda: False, LATE_SECONDS, killer.act, lambda: 0)
        self.depths.stop()
        self.machine.stop()
        return healed - began, drained - healed

    def _tend(
        self, done: Callable[[], bool], seconds: float, act: Callable[[], None], count: Callable[[], int]
    ) -> None:
        """Keep everything up and do what is due. ``count``: how many were accepted, or, below 0, are to end."""
        told = time.monotonic()
        deadline = told + seconds
        asked = 0.0
        while time.monotonic() < deadline:
            self.machine.tend()
            act()
            now = time.monotonic()
            if now >= asked + DONE_SECONDS:
                asked = now
                if done():
                    return
            if now >= told + SAY_SECONDS:
                told = now
                number = count()
                if number:
                    words = f"{number} accepted" if number > 0 else f"{-number} to end"
                    self.options.say(f"  {self.options.database}, {self.options.broker}: {words}")
            threading.Event().wait(TEND_SECONDS)


def _unfinished() -> int:
    try:
        return Job.objects.exclude(state__in=FINAL).count()
    except (DatabaseError, InterfaceError):
        connection.close()
        return 1
