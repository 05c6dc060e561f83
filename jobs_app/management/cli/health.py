"""``jobs health``: whether Weir does its work, or whether processes of this machine are alive; for probes."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from jobs_app.core import vitals
from jobs_app.management.cli import parsing
from jobs_app.management.cli.calls import Call
from jobs_app.management.cli.exits import Exit
from jobs_app.reads import readiness

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
    names: list[str] = call.options["processes"]
    if names:
        rows = [(name, "failed" if words else "ok", words or "it is alive") for name in names for words in _of(name)]
    else:
        rows = [(check.name, check.standing.value, check.words) for check in readiness.checks()]
    if call.output.as_json:
        call.output.document(
            [asdict(readiness.Check(name, readiness.Standing(how), words)) for name, how, words in rows]
        )
    else:
        call.output.table(("CHECK", "STANDS", "WHY"), rows)
    return Exit.UNHEALTHY if any(how == "failed" for _, how, _ in rows) else Exit.OK


def _of(name: str) -> list[str | None]:
    return [vitals.fault(name)]
