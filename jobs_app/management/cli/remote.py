"""``jobs submit --url``: the job goes to another server's API, by Weir's own client, and not into the ledger here."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from jobs_app import client, errors
from jobs_app.client import Client, ClientError, Job
from jobs_app.core import submission
from jobs_app.errors import FieldProblem, InvalidParameters, InvalidRequest, WeirError
from jobs_app.lifecycle import State
from jobs_app.management.cli import exits, moments, rendering, showing
from jobs_app.management.cli.calls import Call
from jobs_app.management.cli.exits import Exit, Stopped
from jobs_app.management.cli.sources import Sources
from jobs_app.management.cli.values import PARAMETERS, Gathered, LocalFile, with_uploads
from jobs_app.management.cli.watching import watcher
from jobs_app.reads.views import JobView, LogLineView

SUPPRESS = argparse.SUPPRESS
TOKEN = "WEIR_TOKEN"  # noqa: S105 - the name of a variable
CODES = {
    client.Invalid: Exit.USAGE, client.NotFound: Exit.NOT_FOUND, client.NotAllowed: Exit.NOT_ALLOWED,
    client.Conflict: Exit.CONFLICT, client.Unreachable: Exit.AWAY, client.Refused: errors.Refused.exit_code,
}  # fmt: skip
"""What a call ends with; the same as it would for the ledger here."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that stand before the kind: after it, they are the kind's own."""
    parser.add_argument(
        "--url", metavar="URL", default=SUPPRESS,
        help="Before KIND: submit to the Weir at this address, not to the ledger here, as the token's user.",
    )  # fmt: skip
    parser.add_argument(
        "--token-file", metavar="FILE", dest="token_file", default=SUPPRESS,
        help=f"Before KIND, with --url: the token, from this file (- for stdin; default: the variable {TOKEN}).",
    )  # fmt: skip
    parser.add_argument(
        "--patience", metavar="DURATION", default=SUPPRESS,
        help="Before KIND, with --url: how long to try when it is refused or the server is away (default: 5m).",
    )  # fmt: skip


@contextmanager
def server(call: Call, sources: Sources) -> Iterator[Client]:
    """The server that ``--url`` names. What it refuses is told as the ledger's own refusals are."""
    if call.user is not None:
        raise InvalidRequest("--user: expected no user beside --url; the token says who submits")
    token = sources.secret(call.options["token_file"], "--token-file") if "token_file" in call.options else ""
    token = token or os.environ.get(TOKEN, "")
    if not token:
        raise InvalidRequest(f"--url: expected a token by --token-file or in the variable {TOKEN}, got none")
    patience = moments.seconds(str(call.options.get("patience", "5m")), "--patience")
    try:
        weir = Client(call.options["url"], token, patience=patience, on_wait=lambda *told: _say_wait(call, *told))
    except ValueError as error:
        raise InvalidRequest(f"--url: {error}") from None
    try:
        with weir:
            yield weir
    except ClientError as error:
        if problems := _problems(error):
            raise InvalidParameters(problems) from None
        raise Stopped(CODES.get(type(error), Exit.FAILED), str(error)) from None


def parameters_of(typed: Mapping[str, Any], sources: Sources) -> Gathered:
    """The parameters of a kind that is not known here: ``--parameters`` alone."""
    given, _ = sources.json(typed.get("parameters", "{}"), PARAMETERS)
    if not isinstance(given, dict):
        raise InvalidRequest(f"{PARAMETERS}: expected a JSON object, got {str(given)[:60]!r}")
    return Gathered(given)


def submit(weir: Client, kind: str, gathered: Gathered, wanted: submission.Options) -> Job:
    """Upload the files that parameters name, and submit."""
    ids = {file.placeholder: _upload(weir, file) for file in gathered.files}
    options = {name: value for name, value in asdict(wanted).items() if name in client.Options.__annotations__}
    return weir.submit(kind, with_uploads(gathered, ids), **options)


def follow(call: Call, weir: Client, job: Job, timeout: float | None) -> int:
    """Show how a job goes until it has ended; returns the exit code of its outcome."""
    view = _view(job.body)
    left: tuple[Exit, str] | None = None
    try:
        with watcher(call.output, streamed=False) as watch:
            for event in weir.stream(job, timeout):
                if event.name == "job":
                    view = _view(event.data)
                    watch.job(view)
                elif event.name == "log":
                    watch.line(LogLineView.model_validate(event.data))
    except KeyboardInterrupt:
        left = Exit.INTERRUPTED, "Left."
    except client.TimedOut:
        left = Exit.TIMED_OUT, "The time given by --timeout is up."
    if call.output.as_json:
        call.output.document(view)
    if left is not None:
        raise Stopped(left[0], f"{left[1]} The job ({view.state.value}) goes on.")
    return _ended(call, weir, view)


def _ended(call: Call, weir: Client, job: JobView) -> int:
    if job.state is State.SUCCEEDED and not call.output.as_json:
        if job.result_bytes > showing.RESULT_SHOWN:
            call.output.say(f"The result is {rendering.size(job.result_bytes)} of JSON; get it from the server.")
        else:
            showing.show_result(call, job, weir.result(str(job.id)), omitted=False)
        made = [(each.name, rendering.size(each.size), each.sha256[:12]) for each in weir.artifacts(str(job.id))]
        if made:
            call.output.line()
            call.output.table(("file", "size", "sha256"), made)
    elif job.state is State.FAILED:
        call.output.say(f"The job failed: {rendering.note(job)}")
    elif job.state is State.CANCELLED:
        call.output.say("The job was cancelled.")
    return exits.OF_STATE.get(job.state, Exit.FAILED)


def _view(body: Any) -> JobView:
    try:
        return JobView.model_validate(body)
    except ValidationError as error:
        raise WeirError(f"expected a job as this version of Weir has it, got another: {error.errors()[0]}") from None


def _upload(weir: Client, file: LocalFile) -> str:
    try:
        return weir.upload(file.path).id
    except OSError as error:
        words = f"expected a file or the id of an uploaded one, got {str(file.path)!r} ({error.strerror or error})"
        raise InvalidParameters([FieldProblem(file.place, words)]) from None


def _problems(error: ClientError) -> list[FieldProblem]:
    """The parameters that the server found at fault, as the ledger here would name them."""
    if error.code != "invalid-parameters":
        return []
    found = []
    for each in error.problem.get("errors") or ():
        parts = str(each.get("pointer", "")).split("/")[2:]
        place = [part.replace("~1", "/").replace("~0", "~") for part in parts]
        found.append(
            FieldProblem(tuple(int(part) if part.isdecimal() else part for part in place), str(each.get("message")))
        )
    return found


def _say_wait(call: Call, seconds: float, words: str) -> None:
    call.output.say(f"{words}. Trying again in {seconds:.1f} s.")
