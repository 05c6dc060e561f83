"""``jobs show``: all about one job."""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from jobs_app.errors import InvalidRequest
from jobs_app.lifecycle import State
from jobs_app.management.cli import calls, moments, parsing, rendering
from jobs_app.management.cli.calls import Call
from jobs_app.management.cli.exits import Exit
from jobs_app.management.cli.output import Output
from jobs_app.reads import jobs
from jobs_app.reads.views import AttemptView, EventView, JobView, LogLineView

HELP = "Show a job: its attempts, log, timeline, result and files."

TAIL = 20
RESULT_SHOWN = 1 << 20
"""Larger results, in bytes, are not read to be shown."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``jobs show ID``."""
    parser.add_argument("job", metavar="ID", help="The job's id, or its first digits.")
    parser.add_argument(
        "--log-lines", type=int, default=TAIL, metavar="N",
        help=f"Last lines of the log, 0 to {jobs.LINES} (default: {TAIL}).",
    )  # fmt: skip
    parsing.add_common(parser)


def run(call: Call) -> int:
    """Show a job."""
    user, output = call.user, call.output
    job = jobs.job(user, calls.job_id(user, call.options["job"]))
    attempts, timeline = jobs.attempts(user, job.id), jobs.timeline(user, job.id)
    lines, again = log_tail(call, job, call.options["log_lines"]), jobs.reruns(user, job.id)
    inputs, made = (
        ([], []) if job.parameters_hidden else (jobs.inputs_of(user, job.id), jobs.artifacts_of(user, job.id))
    )
    value, omitted = result_of(call, job)
    children = jobs.family(job)
    if output.as_json:
        output.document({
            "job": job, "attempts": attempts, "log": lines, "timeline": timeline, "inputs": inputs, "artifacts": made,
            "reruns": [each.id for each in again], "result": value, "result_omitted": omitted, "children": children,
        })  # fmt: skip
        return Exit.OK
    rendering.job_facts(output, job)
    if children is not None:
        output.line(f"spawned jobs {rendering.family(children)}; see: {call.command('list')} --parent {job.id}")
    _attempts(output, attempts)
    _timeline(output, timeline)
    _section(output, "log", lines, lambda: output.line("\n".join(log_text(line) for line in lines)))
    _section(output, "takes", inputs, lambda: rendering.files(output, inputs))
    _section(output, "run again as", again, lambda: rendering.job_table(output, again))
    if job.preview is not None and job.state is not State.SUCCEEDED:
        _title(output, "preview")
        rendering.result(output, job.preview)
    show_result(call, job, value, omitted)
    _section(output, "files", made, lambda: rendering.files(output, made))
    return Exit.OK


def result_of(call: Call, job: JobView) -> tuple[Any, bool]:
    """A succeeded job's result, if it is for them, and whether there is one too large to be read for showing."""
    if job.state is not State.SUCCEEDED or job.parameters_hidden:
        return None, False
    if job.result_bytes > RESULT_SHOWN:
        return None, True
    return jobs.result(call.user, job.id), False


def show_result(call: Call, job: JobView, value: Any, omitted: bool) -> None:
    """The result as text, if the job has one."""
    if omitted:
        _title(call.output, "result")
        command = f"{call.command('fetch')} {job.id} {jobs.RESULT_NAME}"
        call.output.line(f"{rendering.size(job.result_bytes)} of JSON; save it with: {command}")
    elif value is not None:
        _title(call.output, "result")
        rendering.result(call.output, value)


def log_tail(call: Call, job: JobView, count: int) -> list[LogLineView]:
    """The last lines of the log, if it is for them. Raises InvalidRequest for a count outside 0 to 500."""
    if not 0 <= count <= jobs.LINES:
        raise InvalidRequest(f"--log-lines: expected a number from 0 to {jobs.LINES}, got {count}")
    tail: deque[LogLineView] = deque(maxlen=count)
    after, full = 0, count > 0 and not job.parameters_hidden
    while full:
        page = jobs.log_lines(call.user, job.id, after=after)
        tail.extend(page)
        full = len(page) == jobs.LINES
        after = page[-1].id if page else after
    return list(tail)


def log_text(line: LogLineView) -> str:
    """A log line as it is shown."""
    return f"{moments.shown(line.at)} {line.level:<7} {line.text}"


def _attempts(output: Output, attempts: Sequence[AttemptView]) -> None:
    rows = [
        (str(each.number), each.outcome, moments.shown(each.started_at), moments.shown(each.finished_at), each.holder,
         ": ".join(filter(None, (each.error_type, each.error))))
        for each in attempts
    ]  # fmt: skip
    columns = ("attempt", "outcome", "started", "ended", "worker", "error")
    _section(output, "attempts", rows, lambda: output.table(columns, rows, fixed=range(4)))
    if attempts and attempts[-1].traceback:
        _title(output, "traceback of the last attempt")
        output.line(attempts[-1].traceback.rstrip())


def _timeline(output: Output, timeline: Sequence[EventView]) -> None:
    rows = [
        (moments.shown(each.at), each.name, f"{each.source} → {each.target}" if each.source else each.target,
         each.actor or "", each.reason)
        for each in timeline
    ]  # fmt: skip
    columns = ("at", "event", "state", "by", "why")
    _section(output, "timeline", rows, lambda: output.table(columns, rows, fixed=range(3)))


def _section(output: Output, title: str, content: Sequence[Any], show: Callable[[], None]) -> None:
    if content:
        _title(output, title)
        show()


def _title(output: Output, title: str) -> None:
    output.line()
    output.line(title.capitalize(), style="bold")
