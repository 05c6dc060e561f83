"""``jobs failures`` and ``jobs failure``: look at failures that are alike; resolve one, ignore it, open it again."""

from __future__ import annotations

import argparse
from datetime import timedelta

from jobs_app.core import clock, failure_control
from jobs_app.errors import InvalidRequest
from jobs_app.management.cli import parsing
from jobs_app.management.cli.calls import Call
from jobs_app.management.cli.exits import Exit
from jobs_app.management.cli.moments import shown
from jobs_app.reads import failures
from jobs_app.reads.failure_views import GroupDetailView
from jobs_app.reads.failures import Sort, Tab, Wanted

HELP = "List failures that are alike: how often each was seen, and when last."
ONE_HELP = "Show a group of failures with its latest jobs; resolve it, ignore it, or open it again."
MOST_DAYS = 366


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``jobs failures``."""
    parser.add_argument("--tab", choices=[each.value for each in Tab], default=Tab.OPEN.value, help="Which to list.")
    parser.add_argument("--kind", default="", help="Those of this kind alone.")
    parser.add_argument("--sort", choices=[each.value for each in Sort], default=Sort.LATEST.value, help="What first.")
    parser.add_argument("--limit", type=int, default=failures.PAGE, metavar="N", help="How many, 1 to 100.")
    parsing.add_common(parser)


def run(call: Call) -> int:
    """List them."""
    typed = call.options
    wanted = Wanted(tab=Tab(typed["tab"]), kind=typed["kind"], sort=Sort(typed["sort"]))
    page = failures.group_page(call.user, wanted, now=clock.database_now(), limit=typed["limit"])
    if call.output.as_json:
        call.output.document(page)
        return Exit.OK
    columns = ("FINGERPRINT", "STATUS", "KIND", "ERROR", "TIMES", "STILL FAILED", "SEEN LAST", "PLACE")
    rows = [
        (each.fingerprint, each.status.value, each.kind, each.error_type or "-", f"{each.times:,}",
         f"{each.still_failed}", shown(each.last_seen), each.place or "-")
        for each in page.failures
    ]  # fmt: skip
    call.output.table(columns, rows)
    return Exit.OK


def add_one_arguments(parser: argparse.ArgumentParser) -> None:
    """``jobs failure FINGERPRINT``."""
    parser.add_argument("fingerprint", metavar="FINGERPRINT", help="16 hex digits, as `jobs failures` lists them.")
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--resolve", action="store_true", help="Say that it is mended; seen again, it is open again.")
    either.add_argument("--ignore", action="store_true", help="Say that nobody is to be told of it.")
    either.add_argument("--reopen", action="store_true", help="Take that back.")
    parser.add_argument("--days", type=int, metavar="N", help="With --ignore: so long, at most a year.")
    parser.add_argument("--note", default="", help="What is said with it, for those who look at it next.")
    parsing.add_common(parser)


def run_one(call: Call) -> int:
    """Do what was asked; then show the group."""
    typed, now, fingerprint = call.options, clock.database_now(), call.options["fingerprint"]
    said = {"actor": call.user, "now": now, "note": typed["note"]}
    if typed["days"] is not None and not typed["ignore"]:
        raise InvalidRequest("expected --days with --ignore alone")
    if typed["days"] is not None and not 1 <= typed["days"] <= MOST_DAYS:
        raise InvalidRequest(f"expected 1 to {MOST_DAYS} days, got {typed['days']}")
    if typed["resolve"]:
        failure_control.resolve(fingerprint, **said)
    if typed["ignore"]:
        until = now + timedelta(days=typed["days"]) if typed["days"] is not None else None
        failure_control.ignore(fingerprint, until=until, **said)
    if typed["reopen"]:
        failure_control.reopen(fingerprint, **said)
    view = failures.group(call.user, fingerprint, now=now)
    if call.output.as_json:
        call.output.document(view)
    else:
        _tell(call, view)
    return Exit.OK


def _tell(call: Call, view: GroupDetailView) -> None:
    until = f" until {shown(view.ignored_until)}" if view.ignored_until else ""
    call.output.line(f"{view.fingerprint}  {view.status}{until}{f'  {view.note}' if view.note else ''}")
    call.output.line(f"{view.error_type or 'failure'} in {view.kind}{f', {view.place}' if view.place else ''}")
    call.output.line(view.words_hidden or view.message)
    call.output.line(
        f"seen {view.times:,} times, {shown(view.first_seen)} to {shown(view.last_seen)}; "
        f"{view.jobs:,} jobs failed for good"
    )
    for job in view.latest:
        call.output.line(f"job   {job.id}  {job.state.value}  {job.error[:120]}")
