"""``manage.py rollups``: how far statistics are, whether they equal the ledger, and mending them."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError

from jobs_app.core.clock import database_now
from jobs_app.core.rollups import cursor, proof, rolling
from jobs_app.errors import InvalidRequest, WeirError
from jobs_app.management.cli import exits, moments
from jobs_app.models import Event, Refusal, Rollup
from jobs_app.steps import Step

SHOWN = 20
"""Differences of a day that are printed; the rest is counted."""


class Command(BaseCommand):
    """The command."""

    help = (
        "Statistics of the ledger. status: how far they are. verify: compare them with the ledger, day by day (UTC); "
        "ends with 1 if they differ. rebuild: write those that differ anew. Aggregators wait meanwhile, jobs do not."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The three verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("status", help="How far statistics are, and how many rows they have.")
        for verb, what in (("verify", "Compare with the ledger."), ("rebuild", "Mend what differs from the ledger.")):
            added = verbs.add_parser(verb, help=what)
            added.add_argument("--from", dest="begin", help="The first day, or how long ago: 2030-01-31, 7d.")
            added.add_argument("--to", dest="end", help="The last moment (default: now).")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        """Do it. Ends with 1 for a difference, 2 for wrong usage, 5 while another holds the aggregators off."""
        try:
            if verb == "status":
                self._status()
                return
            period = _period(options["begin"], options["end"])
            if period is None:
                self.stdout.write("There is nothing in the ledger.")
            elif verb == "verify":
                self._verify(*period)
            else:
                self._rebuild(*period)
        except WeirError as error:
            raise exits.Stopped(error.exit_code, exits.sentence(error)) from None
        except (DatabaseError, InterfaceError) as error:
            told = exits.from_database(error)
            raise exits.Stopped(told.exit_code, exits.sentence(told)) from None

    def _status(self) -> None:
        place, now = cursor.read(), database_now()
        left = Event.objects.filter(id__gt=place.through["events_through"]).count()
        left += Refusal.objects.filter(id__gt=place.through["refusals_through"]).count()
        self.stdout.write(f"counted up to   {moments.shown(place.caught_up_at) or 'never'}")
        self.stdout.write(f"not counted     {left:,} rows")
        self.stdout.write(f"gaps            {len(place.gaps)}, of transactions that had not ended")
        if place.held(now):
            self.stdout.write(f"held until      {moments.shown(place.held_until)}")
        for step in Step:
            since = place.kept_from[step]
            kept = f", since {moments.shown(since)}" if since else ""
            self.stdout.write(f"{step + 's':<15} {Rollup.objects.filter(step=step, gone=False).count():,} rows{kept}")

    def _verify(self, begin: datetime, end: datetime) -> None:
        days = wrong = 0
        for day, differences in proof.verify(begin, end, clock=database_now):
            days, wrong = days + 1, wrong + len(differences)
            for each in differences[:SHOWN]:
                self.stdout.write(str(each))
            if len(differences) > SHOWN:
                self.stdout.write(f"{day:%Y-%m-%d}: {len(differences) - SHOWN:,} more")
        if wrong:
            raise exits.Stopped(
                exits.Exit.FAILED,
                f"expected the statistics to equal the ledger, and {wrong:,} rows do not; "
                "`manage.py rollups rebuild` writes them anew",
            )
        self.stdout.write(f"The statistics of {days:,} days equal the ledger.")

    def _rebuild(self, begin: datetime, end: datetime) -> None:
        while rolling.roll(now=database_now(), batch=rolling.LARGE_BATCH) > 0:
            pass
        for day, wrong in proof.rebuild(begin, end, clock=database_now):
            self.stdout.write(f"{day:%Y-%m-%d} {f'{wrong:,} rows were wrong' if wrong else 'was right'}")


def _period(begin: str | None, end: str | None) -> tuple[datetime, datetime] | None:
    """The period that was asked for, at most what the ledger has. Raises InvalidRequest."""
    known = proof.extent()
    if known is None:
        return None
    first = moments.past(begin, "--from") if begin else known[0]
    last = moments.past(end, "--to") if end else known[1]
    if last < first:
        raise InvalidRequest(f"expected --to after --from, got {last:%Y-%m-%d %H:%M} and {first:%Y-%m-%d %H:%M}")
    return max(first, known[0]), min(last, known[1])
