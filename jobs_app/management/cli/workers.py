"""``jobs workers`` and ``jobs worker``: look at workers; drain one, or let it take jobs again."""

from __future__ import annotations

import argparse

from jobs_app.core import clock, worker_control
from jobs_app.management.cli import parsing
from jobs_app.management.cli.calls import Call
from jobs_app.management.cli.exits import Exit
from jobs_app.management.cli.moments import shown
from jobs_app.management.cli.rendering import size
from jobs_app.reads import workers
from jobs_app.reads.workers import WorkerView

HELP = "List workers: how each stands, what it runs, its memory, since when it is there."
ONE_HELP = "Show a worker and what it runs; drain it, or let it take jobs again."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``jobs workers``."""
    parsing.add_common(parser)


def run(call: Call) -> int:
    """List those that are there, by name, then those that vanished."""
    found = workers.workers(call.user, now=clock.database_now())
    if call.output.as_json:
        call.output.document(found)
        return Exit.OK
    columns = ("NAME", "STANDS", "RUNS", "SLOTS", "MEMORY", "SINCE", "QUEUES")
    call.output.table(columns, [_row(each) for each in (*found.workers, *found.vanished)])
    for queue in found.unserved:
        call.output.say(f"No worker takes the jobs of queue {queue}.")
    return Exit.OK


def add_one_arguments(parser: argparse.ArgumentParser) -> None:
    """``jobs worker NAME``."""
    parser.add_argument("name", metavar="NAME", help="The worker's name, such as worker@host, or the id of its run.")
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--drain", action="store_true", help="Have it finish what it runs, and take no more jobs.")
    either.add_argument("--resume", action="store_true", help="Let it take jobs again.")
    parsing.add_common(parser)


def run_one(call: Call) -> int:
    """Do what was asked; then show the worker."""
    now = clock.database_now()
    wanted = workers.find(call.user, call.options["name"], now=now)
    if call.options["drain"]:
        worker_control.drain(wanted, call.user, now)
    if call.options["resume"]:
        worker_control.resume(wanted, call.user, now)
    view = workers.worker(call.user, wanted, now=now)
    if call.output.as_json:
        call.output.document(view)
        return Exit.OK
    call.output.line(f"{view.name}  {view.standing}")
    release = f", release {view.release}" if view.release else ""
    call.output.line(f"run {view.id} on {view.host}, process {view.pid}{release}")
    call.output.line(f"{_memory(view)} in {view.processes} processes, since {shown(view.began_at)}")
    call.output.line(f"takes {', '.join(view.queues)}, {view.slots} at once")
    for each in view.running:
        call.output.line(f"runs  {each.job}  {each.kind}  since {shown(each.since)}")
    return Exit.OK


def _row(view: WorkerView) -> tuple[str, ...]:
    held = (f"{len(view.running):,}", f"{view.slots:,}", _memory(view))
    return (view.name, view.standing.value, *held, shown(view.began_at), ", ".join(view.queues))


def _memory(view: WorkerView) -> str:
    return "?" if view.memory is None else size(view.memory)
