"""``jobs cancel``: stop jobs."""

from __future__ import annotations

import argparse

from jobs_app.core import clock, control
from jobs_app.errors import WeirError
from jobs_app.lifecycle import State
from jobs_app.management.cli import calls, exits, parsing
from jobs_app.management.cli.calls import Call
from jobs_app.management.cli.exits import Exit
from jobs_app.reads.views import JobView

HELP = "Cancel jobs: a waiting one ends at once, a running one is told to stop."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``jobs cancel ID…``."""
    parser.add_argument("jobs", metavar="ID", nargs="+", help="Ids of jobs, or their first digits.")
    parsing.add_common(parser)


def run(call: Call) -> int:
    """Cancel each; one that cannot be cancelled does not keep the others. Ends with the first fault's code.

    The JSON document is the list of those that could be.
    """
    done: list[JobView] = []
    ended = int(Exit.OK)
    for text in call.options["jobs"]:
        try:
            row = control.cancel(calls.job_id(call.user, text), actor=call.user, now=clock.database_now())
        except WeirError as error:
            call.output.say(f"{text}: {exits.sentence(error)}")
            ended = ended or error.exit_code
            continue
        done.append(JobView.of(row, call.user))
        said = "cancelled" if done[-1].state is State.CANCELLED else "asked to stop"
        call.output.line(f"{done[-1].id}  {said}")
    if call.output.as_json:
        call.output.document(done)
    return ended
