"""One run: start everything, let the clients and the killer go, heal, wait for the end, look."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs_app.platform import ports
from jobs_app.platform.waiting import until
from tests.chaos import databases, plan
from tests.support import broker as brokers

if TYPE_CHECKING:
    from tests.chaos.report import Report

START_SECONDS = 180
DEPTH_SECONDS = 0.25
TEND_SECONDS = 0.05
LATE_SECONDS = 8
"""What a thawed process has to say, it says within this time."""

USER = "chaos"
SHORT_TIMES = {"HEARTBEAT_SECONDS": "0.5", "LEASE_SECONDS": "5", "CANCEL_GRACE_SECONDS": "1"}
WINDOW = 60


@dataclass(frozen=True)
class Options:
    """What one run is to be. ``patience``: seconds from the last fault until every job must be final."""

    seed: int
    seconds: float
    jobs: int
    database: str
    broker: str
    production_times: bool = False
    patience: float = 180.0
    keep: bool = False
    say: Callable[[str], None] = lambda words: print(words, file=sys.stderr, flush=True)


def run(options: Options) -> Report:
    """One run from nothing to the report; nothing of it is left but, when something is wrong, its directory."""
    directory = Path(tempfile.mkdtemp(prefix="weir-chaos-"))
    with ExitStack() as stack:
        ledger = databases.make(options.database, directory / "ledger")
        stack.callback(ledger.close)
        ledger.start()
        broker = brokers.make(options.broker, directory / "broker")
        stack.callback(broker.close)
        broker.start()
        reservation = ports.Reservation(0)
        stack.callback(reservation.close)
        environment = _environment(options, directory, ledger.url, broker.url)
        os.environ.update(environment)  # this process submits and verifies by the same settings
        import django

        django.setup()
        _log_to(directory / "logs" / "harness.log")
        report = _Run(options, directory, stack, ledger, broker, reservation.port).go()
    if report.faults or options.keep:
        report.kept = str(directory)
    else:
        shutil.rmtree(directory, ignore_errors=True)
    return report


def _environment(options: Options, directory: Path, database: str, broker: str) -> dict[str, str]:
    (directory / "data").mkdir()
    return {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "SECRET_KEY": secrets.token_hex(32),
        "HTTPS": "false",
        "DATA_DIR": str(directory / "data"),
        "DATABASE_URL": database,
        "BROKER_URL": broker,
        "KIND_MODULES": "tests.chaos.kinds",
        "WEIR_CHAOS_RECORD": str(directory / "record"),
        "ALLOWED_HOSTS": "127.0.0.1",
        "LOG_LEVEL": "WARNING",
        "WINDOW": str(WINDOW),
        # A job that happens to be hit again and again is no poison: how it ends must not depend on the killer's luck.
        "MAX_KILLS": "100",
        "PYTHONFAULTHANDLER": "1",
        **({} if options.production_times else SHORT_TIMES),
    }


def _log_to(path: Path) -> None:
    """What this process's own publisher logs goes beside the other logs."""
    import logging

    path.parent.mkdir(exist_ok=True)
    root = logging.getLogger()
    root.handlers = [logging.FileHandler(path)]


class _Run:
    """What needs Django, once it is set up."""

    def __init__(
        self, options: Options, directory: Path, stack: ExitStack, ledger: databases.Ledger, broker: Any, port: int
    ) -> None:
        from jobs_app import conf
        from tests.chaos.machine import MARK, Machine

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
        self.depths: list[tuple[float, int]] = []

    def go(self) -> Report:
        from tests.chaos import report, verify
        from tests.chaos.faults import Killer
        from tests.chaos.load import Load

        token, owner = self._prepare()
        self._wait_for_start()
        load = Load(self.plan.orders, url=self.url, token=token, owner=owner)
        killer = Killer(
            self.plan.faults, machine=self.machine, broker=self.broker, ledger=self.ledger, window=WINDOW,
            accepted=lambda: list(load.known.accepted.values()),
        )  # fmt: skip
        stop = threading.Event()
        threading.Thread(target=self._watch_depth, args=(stop,), daemon=True).start()
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
        stop.set()
        self.machine.stop()
        found = verify.read()
        verify.check(found, self.plan.orders, load.known, killer.journal)
        return report.make(
            self.options, found, load.known, killer, self.depths, record=self.record, window=WINDOW,
            took=(healed - began, drained - healed), starts={m.name: m.starts for m in self.machine.members.values()},
        )  # fmt: skip

    def _prepare(self) -> tuple[str, Any]:
        from django.contrib.auth.models import User
        from django.core.management import call_command
        from django.db import connection

        from jobs_app.core import clock, tokens
        from tests.chaos.kinds import TABLE

        call_command("migrate", interactive=False, verbosity=0)
        call_command("prepare", stdout=(self.machine.members["web"].log.parent / "prepare.log").open("w"))
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE TABLE {TABLE} (job varchar(40) NOT NULL, attempt integer NOT NULL)")
        owner = User.objects.create_user(USER)
        _, token = tokens.issue(owner, "chaos", now=clock.database_now())
        return token, owner

    def _wait_for_start(self) -> None:
        """Until the pages answer and a job of each worker could run: the faults are to meet a platform that is up."""
        import httpx

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

    def _tend(
        self, done: Callable[[], bool], seconds: float, act: Callable[[], None], count: Callable[[], int]
    ) -> None:
        told = time.monotonic()
        deadline = told + seconds
        asked = 0.0
        while time.monotonic() < deadline:
            self.machine.tend()
            act()
            now = time.monotonic()
            if now >= asked + 0.5:
                asked = now
                if done():
                    return
            if now >= told + 10:
                told = now
                number = count()
                if number:
                    words = f"{number} accepted" if number > 0 else f"{-number} to end"
                    self.options.say(f"  {self.options.database}, {self.options.broker}: {words}")
            threading.Event().wait(TEND_SECONDS)

    def _watch_depth(self, stop: threading.Event) -> None:
        """Look how many messages lie on the broker, now and again; a broker that is away says nothing."""
        from celery import current_app

        while not stop.wait(DEPTH_SECONDS):
            try:
                with current_app.connection_for_read() as link:
                    while not stop.wait(DEPTH_SECONDS):
                        answer = link.default_channel.queue_declare(queue="default", passive=True)
                        self.depths.append((time.monotonic(), int(answer.message_count)))
            except Exception:
                stop.wait(DEPTH_SECONDS)


def _unfinished() -> int:
    from django.db import DatabaseError, InterfaceError, connection

    from jobs_app.lifecycle import FINAL
    from jobs_app.models import Job

    try:
        return Job.objects.exclude(state__in=FINAL).count()
    except (DatabaseError, InterfaceError):
        connection.close()
        return 1
