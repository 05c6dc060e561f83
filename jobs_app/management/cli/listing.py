"""``jobs list``: jobs by pages, newest first."""

from __future__ import annotations

import argparse

from jobs_app import searching
from jobs_app.core import clock
from jobs_app.criteria import JobFilter
from jobs_app.errors import InvalidRequest
from jobs_app.lifecycle import State
from jobs_app.management.cli import calls, moments, parsing, rendering
from jobs_app.management.cli.calls import Call
from jobs_app.management.cli.exits import Exit
from jobs_app.reads import jobs

HELP = "List jobs, newest first."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``jobs list``."""
    parser.add_argument(
        "search", nargs="*", metavar="QUALIFIER",
        help="A search such as state:failed kind:datasets.aggregate tag:nightly param.measure:delay since:2d. "
        f"Qualifiers: {', '.join(searching.NAMES)}. Options must hold as well.",
    )  # fmt: skip
    parser.add_argument(
        "--state", action="append", choices=[state.value for state in State], default=[],
        help="Only jobs in this state; repeat for more.",
    )  # fmt: skip
    parser.add_argument("--kind", default="", help="Only jobs of this kind.")
    parser.add_argument("--queue", default="", help="Only jobs of this queue.")
    parser.add_argument("--owner", metavar="NAME", default="", help="Only jobs of this user.")
    parser.add_argument("--parent", metavar="ID", help="Only the jobs that this one spawned.")
    parser.add_argument("--mine", action="store_true", help="Only jobs of the user given by --user.")
    parser.add_argument("--since", metavar="WHEN", help="Submitted since then: 2h (ago), 2030-01-31, 2030-01-31T09:00.")
    parser.add_argument(
        "--limit", type=int, default=jobs.PAGE, metavar="N",
        help=f"Jobs a page, 1 to {jobs.PAGE_LIMIT} (default: {jobs.PAGE}).",
    )  # fmt: skip
    parser.add_argument("--cursor", help="Where the next page begins, as the page before said.")
    parsing.add_common(parser)


def run(call: Call) -> int:
    """Show one page."""
    typed = call.options
    wanted = _searched(typed["search"]) & JobFilter(
        states=tuple(State(each) for each in typed["state"]),
        kind=typed["kind"],
        queue=typed["queue"],
        owner=typed["owner"],
        mine=typed["mine"],
        parent=calls.job_id(call.user, typed["parent"]) if typed["parent"] else None,
        created_after=moments.past(typed["since"], "--since") if typed["since"] else None,
    )
    if wanted.mine and call.user is None:
        raise InvalidRequest("--mine: expected --user NAME too, to know whose jobs are meant")
    if wanted.relative:
        wanted = wanted.at(clock.database_now())
    page = jobs.job_page(call.user, wanted, cursor=typed["cursor"], limit=typed["limit"])
    if call.output.as_json:
        call.output.document({"jobs": page.jobs, "next_cursor": page.next_cursor})
        return Exit.OK
    if page.jobs:
        rendering.job_table(call.output, page.jobs)
    else:
        call.output.say("There are no such jobs.")
    if page.next_cursor:
        call.output.say(f"There are more: add --cursor {page.next_cursor}")
    return Exit.OK


def _searched(typed: list[str]) -> JobFilter:
    """A search as it comes from a shell, which takes quotes away: ``tag:"two words"`` is one argument with a space."""
    return searching.parse(" ".join(map(_argument, typed)))


def _argument(text: str) -> str:
    try:
        searching.parse(text)
    except InvalidRequest:
        name, colon, value = text.partition(":")
        return str(searching.Word(name, value)) if colon and ":" not in value else text
    return text
