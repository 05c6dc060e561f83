"""One run from nothing to the report: its database, its broker, its settings, its course, and nothing left of it."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import django

from jobs_app.platform import ports
from tests.chaos import databases
from tests.chaos.options import Options, environment
from tests.support import broker as brokers

if TYPE_CHECKING:
    from tests.chaos.report import Report


def run(options: Options) -> Report:
    """One run; nothing of it is left but, when something is wrong, its directory."""
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
        os.environ.update(environment(options, directory, ledger.url, broker.url))  # this process submits by them, too
        django.setup()
        _log_to(directory / "logs" / "harness.log")
        from tests.chaos.course import Course  # models can be imported only now

        report = Course(options, directory, stack, ledger, broker, reservation.port).run()
    if report.faults or options.keep:
        report.kept = str(directory)
    else:
        shutil.rmtree(directory, ignore_errors=True)
    return report


def _log_to(path: Path) -> None:
    """What this process's own publisher logs goes beside the other logs."""
    path.parent.mkdir(exist_ok=True)
    root = logging.getLogger()
    root.handlers = [logging.FileHandler(path)]
