"""``jobs kinds``: what can be submitted."""

from __future__ import annotations

import argparse

from jobs_app import registry
from jobs_app.management.cli import parsing, submitting
from jobs_app.management.cli.calls import Call
from jobs_app.management.cli.exits import Exit
from jobs_app.management.cli.options import Option, Shape, options_of
from jobs_app.reads import kinds

HELP = "List the kinds of jobs, or describe one."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``jobs kinds [NAME]``."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="Describe this kind and its parameters.")
    parsing.add_common(parser)


def run(call: Call) -> int:
    """Show the kinds."""
    if call.options["name"] is not None:
        return _describe(call, call.options["name"])
    found = kinds.offered(call.user)
    if call.output.as_json:
        call.output.document(found)
    else:
        call.output.table(("kind", "queue", "what it does"), [(each.name, each.queue, each.summary) for each in found])
    return Exit.OK


def _describe(call: Call, name: str) -> int:
    view = kinds.kind(name)
    if call.output.as_json:
        call.output.document(view)
        return Exit.OK
    output = call.output
    output.line(view.name, style="bold")
    output.line(view.description)
    output.line()
    tries = "is not tried again" if view.max_attempts == 1 else f"is tried {view.max_attempts} times in all"
    output.line(f"Waits in queue {view.queue}; may run for {view.timeout:g} s; when it fails it {tries}.")
    options = options_of(registry.get(name), submitting.taken_flags())
    if options:
        output.line()
        output.table(("option", "value", "meaning"), [_row(each) for each in options])
    return Exit.OK


def _row(option: Option) -> tuple[str, str, str]:
    if option.shape is Shape.SECRET:
        return f"{option.flag}-file, {option.flag}-env", "FILE, NAME", option.help
    if option.shape is Shape.FLAG and not option.many:
        return f"{option.flag}, --no-{option.flag.removeprefix('--')}", "", option.help
    return option.flag, option.metavar, option.help
