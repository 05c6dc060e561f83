"""``jobs health``: whether Weir does its work, or whether processes of this machine are alive; for probes."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from jobs_app.core import vitals
from jobs_app.management.cli import parsing
from jobs_app.management.cli.calls import Call
from jobs_app.management.cli.exits import Exit
from jobs_app.reads import readiness
from jobs_app.reads.readiness import Check, Standing

HELP = "Tell whether Weir does its work; of named processes, whether they are alive."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``jobs health [PROCESS ...]``."""
    parser.add_argument(
        "processes", nargs="*", metavar="PROCESS",
        help="A process of this machine: beat, or a worker's name before its @, such as worker or upkeep. "
        "Without one, what /readyz asks.",
    )  # fmt: skip
    parsing.add_common(parser)


def run(call: Call) -> int:
    """Ask, and end with UNHEALTHY if something failed."""
    found = [_of_process(name) for name in call.options["processes"]] or readiness.checks()
    if call.output.as_json:
        call.output.document([asdict(check) for check in found])
    else:
        rows = [(check.name, check.standing.value, check.words) for check in found]
        call.output.table(("CHECK", "STANDS", "WHY"), rows)
    return Exit.OK if readiness.ready(found) else Exit.UNHEALTHY


def _of_process(name: str) -> Check:
    fault = vitals.fault(name)
    return Check(name, Standing.FAILED, fault) if fault else Check(name, Standing.OK, "it is alive")
