"""``manage.py retention``: what would be pruned, and pruning it now."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError

from jobs_app.core.clock import database_now
from jobs_app.core.retention import orphans, pruning, reports
from jobs_app.core.retention.reports import Report
from jobs_app.errors import WeirError
from jobs_app.management.cli import exits


class Command(BaseCommand):
    """The command."""

    help = (
        "What is kept, and for how long (KEEP_… settings). report: what is due, and files without rows or rows without "
        "files. run: prune all that is due, in short transactions; upkeep does the same every minute, bit by bit."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The two verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        report = verbs.add_parser("report", help="Tell what would be pruned.")
        report.add_argument("--no-files", action="store_true", help="Do not look at every file.")
        run = verbs.add_parser("run", help="Prune now.")
        run.add_argument("--orphans", action="store_true", help="Delete files without rows as well, if a day old.")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        """Do it."""
        try:
            if verb == "report":
                self._report(reports.make(now=database_now(), files=not options["no_files"]), not options["no_files"])
            else:
                self._run(options["orphans"])
        except WeirError as error:
            raise exits.Stopped(error.exit_code, exits.sentence(error)) from None
        except (DatabaseError, InterfaceError) as error:
            told = exits.from_database(error)
            raise exits.Stopped(told.exit_code, exits.sentence(told)) from None

    def _run(self, with_orphans: bool) -> None:
        done: Counter[str] = Counter()
        while now := pruning.run(now=database_now()):
            done.update(now)
        if with_orphans:
            done["files without rows"] = orphans.sweep(now=database_now())
        for what, count in sorted((+done).items()):
            self.stdout.write(f"{count:>9,} {what}")
        self.stdout.write("Nothing more is due." if done else "Nothing was due.")

    def _report(self, report: Report, with_files: bool) -> None:
        self.stdout.write(f"{'jobs':>9} {'due':>9} {'spared':>9}  kept      state, kind")
        for each in report.settled:
            kept = "for ever" if each.kept is None else f"{each.kept.total_seconds() / 86_400:g} days"
            spared = each.old - each.due
            self.stdout.write(f"{each.count:>9,} {each.due:>9,} {spared:>9,}  {kept:<9} {each.state} {each.kind}")
        self.stdout.write(f"{report.uploads:,} uploads that no job takes and {report.refusals:,} refusals are due.")
        rows = ", ".join(f"{count:,} of {step}s" for step, count in report.rollups.items())
        self.stdout.write(f"Statistics: {rows}; {report.levels:,} levels of queues.")
        if not with_files:
            return
        self.stdout.write(f"{report.files_count:,} files without a row, {report.files_bytes:,} bytes:")
        for line in report.files:
            self.stdout.write(f"  {line}")
        self.stdout.write(f"{report.rows_count:,} rows without their file:")
        for line in report.rows:
            self.stdout.write(f"  {line}")
