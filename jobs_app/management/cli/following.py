"""``jobs follow``: watch a job until it ends. Leaving changes nothing for the job."""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TypeVar
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection

from jobs_app.lifecycle import WAITING, State
from jobs_app.management.cli import calls, exits, moments, parsing, rendering, showing
from jobs_app.management.cli.calls import Call
from jobs_app.management.cli.exits import Exit, Stopped
from jobs_app.management.cli.watching import Watcher, watcher
from jobs_app.reads import jobs
from jobs_app.reads.views import JobView

HELP = "Watch a job until it ends: progress and log. Ctrl-C leaves the job running."

RUNNING_SECONDS = 0.5
WAITING_SECONDS = 1.0
"""Time between two looks at a running and at a waiting job."""

PATIENCE_SECONDS = 30.0
"""How long the ledger may be away, once it has answered, before following gives up."""

T = TypeVar("T")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``jobs follow ID``."""
    parser.add_argument("job", metavar="ID", help="The job's id, or its first digits.")
    add_timeout(parser)
    parsing.add_common(
        parser, json_help="Print a line of JSON for each change and each log line, the last with the job as it ended."
    )


def add_timeout(parser: argparse._ActionsContainer) -> None:
    """``--timeout``, which ``submit --follow`` has too."""
    parser.add_argument(
        "--timeout", metavar="DURATION", default=argparse.SUPPRESS,
        help="Stop following after so many seconds, or 5m (default: never); the job goes on.",
    )  # fmt: skip


def timeout_of(typed: Mapping[str, object]) -> float | None:
    """The value of ``--timeout`` in seconds."""
    text = typed.get("timeout")
    return None if text is None else moments.seconds(str(text), "--timeout")


def run(call: Call) -> int:
    """Follow a job."""
    job_id = calls.job_id(call.user, call.options["job"])
    return follow(call, job_id, timeout=timeout_of(call.options), streamed=True)


def follow(call: Call, job_id: UUID, *, timeout: float | None, streamed: bool) -> int:
    """Show how a job goes until it has ended; returns the exit code of its outcome.

    streamed: in JSON mode, print each change as it comes; otherwise one document at the end.
    Raises Stopped when the time is up, or on Ctrl-C.
    """
    job: JobView | None = None
    deadline = None if timeout is None else time.monotonic() + timeout
    try:
        with watcher(call.output, streamed=streamed) as watch:
            for job in _looks(call, job_id, watch, deadline):
                watch.job(job)
    except KeyboardInterrupt:
        _document(call, job, streamed)
        raise Stopped(Exit.INTERRUPTED, f"Left. {_goes_on(call, job, job_id)}") from None
    assert job is not None  # the first look either gives the job or raises
    _document(call, job, streamed)
    if not job.final:
        raise Stopped(Exit.TIMED_OUT, f"The time given by --timeout is up. {_goes_on(call, job, job_id)}")
    return _ended(call, job)


def _looks(call: Call, job_id: UUID, watch: Watcher, deadline: float | None) -> Iterator[JobView]:
    """The job as it stands, again and again until it is final or the deadline passes; log lines go to ``watch``."""
    after, patience, pause = 0, 0.0, threading.Event()
    while True:
        # The job first: what it logged before it ended is in the ledger before it is final.
        job = _patiently(call, partial(jobs.job, call.user, job_id), patience)
        patience, full = PATIENCE_SECONDS, not job.parameters_hidden
        while full:
            page = _patiently(call, partial(jobs.log_lines, call.user, job_id, after=after), patience)
            for line in page:
                watch.line(line)
                after = line.id
            full = len(page) == jobs.LINES
        yield job
        if job.final:
            return
        wait = WAITING_SECONDS if job.state in WAITING else RUNNING_SECONDS
        if deadline is not None:
            wait = min(wait, deadline - time.monotonic())
            if wait <= 0:
                return
        pause.wait(wait)


def _patiently(call: Call, read: Callable[[], T], patience: float) -> T:
    """Read, and if the ledger is away try again for so many seconds: its restart should not end the watch."""
    give_up_at = time.monotonic() + patience
    pause, said = threading.Event(), False
    while True:
        try:
            return read()
        except (OperationalError, InterfaceError) as error:
            if time.monotonic() >= give_up_at or connection.in_atomic_block:
                raise
            if not said:
                told = exits.sentence(exits.from_database(error))
                call.output.say(f"{told}. It is tried again for {patience:g} s.")
                said = True
            connection.close()
            pause.wait(WAITING_SECONDS)


def _document(call: Call, job: JobView | None, streamed: bool) -> None:
    if call.output.as_json and not streamed and job is not None:
        call.output.document(job)


def _goes_on(call: Call, job: JobView | None, job_id: UUID) -> str:
    if job is not None and job.final:
        return f"The job had {job.state.value} already."
    state = f" ({job.state.value})" if job else ""
    return f"The job{state} goes on; follow it again with: {call.command('follow')} {job_id}"


def _ended(call: Call, job: JobView) -> int:
    if job.state is State.SUCCEEDED:
        value, omitted = (None, False) if call.output.as_json else showing.result_of(call, job)
        showing.show_result(call, job, value, omitted)
        made = [] if call.output.as_json or job.parameters_hidden else jobs.artifacts_of(call.user, job.id)
        if made:
            call.output.line()
            rendering.files(call.output, made)
            call.output.say(f"Save the files with: {call.command('fetch')} {job.id}")
    elif job.state is State.FAILED:
        call.output.say(f"The job failed: {rendering.note(job)}")
    else:
        call.output.say("The job was cancelled.")
    return exits.OF_STATE[job.state]
