"""``jobs submit-many``: new jobs, one a line of a file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from jobs_app.core.batches.lines import Verdict
from jobs_app.core.batches.submitting import Bulk
from jobs_app.errors import InvalidRequest, Refused
from jobs_app.forms.lines import Reader
from jobs_app.lifecycle import Via
from jobs_app.management.cli import exits, parsing
from jobs_app.management.cli.calls import Call
from jobs_app.management.cli.exits import Exit

HELP = "Submit many jobs: JSON lines, each the body of one submission, from a file or (-) standard input."
BLOCK = 1 << 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``jobs submit-many FILE``."""
    parser.add_argument(
        "file", metavar="FILE",
        help='Lines such as {"kind": "system.echo", "parameters": {"text": "a"}, "tags": ["nightly"]}; - for stdin.',
    )  # fmt: skip
    parser.add_argument(
        "--idempotency-key", metavar="KEY", help="The same key with the same lines again makes those that are missing."
    )
    parsing.add_common(parser, json_help="Print a line of JSON for each line, and a summary as the last.")


def run(call: Call) -> int:
    """Submit each line; tell the jobs' ids, and of those refused why. The exit code is that of the first refused."""
    ended: int = Exit.OK
    counts = {"accepted": 0, "replayed": 0, "refused": 0}
    waits: list[int] = []
    bulk = Bulk(owner=call.user, key=call.options.get("idempotency_key"))
    with _blocks(call.options["file"]) as blocks:
        for verdict in bulk.verdicts(Reader(Via.CLI).read(blocks)):
            counts[_status(verdict)] += 1
            _tell(call, verdict)
            if verdict.error is not None:
                ended = ended or verdict.error.exit_code
                waits = [verdict.error.retry_after] if isinstance(verdict.error, Refused) else waits
    if call.output.as_json:
        call.output.record({"summary": {"lines": sum(counts.values()), **counts}})
    call.output.say(", ".join(f"{count:,} {status}" for status, count in counts.items()) + ".")
    if waits:
        call.output.say(f"There was no room for all: try again in {waits[0]} s, with the same --idempotency-key.")
    return ended


def _status(verdict: Verdict) -> str:
    return "refused" if verdict.error is not None else "replayed" if verdict.replayed else "accepted"


def _tell(call: Call, verdict: Verdict) -> None:
    if call.output.as_json:
        why = {"error": str(verdict.error), "code": verdict.error.code} if verdict.error is not None else {}
        call.output.record({"line": verdict.number, "id": verdict.job_id, "status": _status(verdict), **why})
    elif verdict.error is None:
        call.output.line(str(verdict.job_id))
    else:
        call.output.say(f"line {verdict.number}: {exits.sentence(verdict.error)}")


@contextmanager
def _blocks(name: str) -> Iterator[Iterator[bytes]]:
    try:
        file: IO[bytes] = sys.stdin.buffer if name == "-" else Path(name).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise InvalidRequest(f"expected a file that can be read, got {name!r} ({error.strerror})") from None
    try:
        yield iter(lambda: file.read(BLOCK), b"")
    finally:
        if name != "-":
            file.close()
