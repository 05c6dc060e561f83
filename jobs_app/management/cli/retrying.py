"""``jobs retry`` and ``jobs reprioritise``: jobs that wait, or that did not end well."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from uuid import UUID

from jobs_app.core import clock, control
from jobs_app.errors import WeirError
from jobs_app.lifecycle import Via
from jobs_app.management.cli import calls, exits, parsing
from jobs_app.management.cli.calls import Call
from jobs_app.management.cli.exits import Exit
from jobs_app.models import Job
from jobs_app.reads.views import JobView

HELP = "Try jobs at once: one that waits for its time is due now, one that failed or was cancelled is run again."
PRIORITY_HELP = "Change the priority of jobs that wait."

Act = Callable[[UUID], tuple[Job, str]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``jobs retry ID…``."""
    parser.add_argument("jobs", metavar="ID", nargs="+", help="Ids of jobs, or their first digits.")
    parsing.add_common(parser)


def add_priority_arguments(parser: argparse.ArgumentParser) -> None:
    """``jobs reprioritise ID… --priority N``."""
    add_arguments(parser)
    parser.add_argument("--priority", type=int, required=True, help="-100 to 100, higher runs first.")


def run(call: Call) -> int:
    """Retry each; one that cannot be retried does not keep the others. Ends with the first fault's code."""

    def retry(job_id: UUID) -> tuple[Job, str]:
        now = clock.database_now()
        job = control.retry_now(job_id, actor=call.user, now=now, via=Via.CLI).job
        return job, "due now" if job.id == job_id else f"submitted, in place of {job_id}"

    return _each(call, retry)


def run_priority(call: Call) -> int:
    """Change the priority of each, in the same way."""

    def reprioritise(job_id: UUID) -> tuple[Job, str]:
        wanted = call.options["priority"]
        return control.reprioritise(job_id, wanted, actor=call.user, now=clock.database_now()), f"priority {wanted}"

    return _each(call, reprioritise)


def _each(call: Call, act: Act) -> int:
    """The JSON document is the list of those that could be acted on."""
    done: list[JobView] = []
    ended = int(Exit.OK)
    for text in call.options["jobs"]:
        try:
            job, said = act(calls.job_id(call.user, text))
        except WeirError as error:
            call.output.say(f"{text}: {exits.sentence(error)}")
            ended = ended or error.exit_code
            continue
        done.append(JobView.of(job, call.user))
        call.output.line(f"{job.id}  {said}")
    if call.output.as_json:
        call.output.document(done)
    return ended
