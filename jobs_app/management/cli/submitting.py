"""``jobs submit`` and ``jobs rerun``: new jobs.

Their options are parsed in two steps: the first finds the kind (for a run again: the job, and by it the kind), the
second parses what follows with a parser made from that kind's parameters.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from jobs_app import registry
from jobs_app.core import clock, control, submission
from jobs_app.errors import InvalidParameters, NotAllowed, UnknownKind
from jobs_app.lifecycle import State, Via
from jobs_app.management.cli import calls, following, moments, options, parsing, remote, rendering, uploads, values
from jobs_app.management.cli.calls import Call
from jobs_app.management.cli.exits import Exit, Stopped
from jobs_app.management.cli.sources import Sources
from jobs_app.reads import jobs
from jobs_app.reads.views import JobView
from jobs_app.registry import Kind

if TYPE_CHECKING:
    from django.contrib.auth.models import User

HELP = "Submit a job. `jobs submit KIND --help` lists the kind's own options."
RERUN_HELP = "Run a job again, with changes if you like: a new job, linked to the old one, which stays as it is."

PREVIEW_SHOWN = 500
"""Characters of a preview that are shown at once; ``jobs show`` has all."""

AddArguments = Callable[[argparse._ActionsContainer], None]
SUPPRESS = argparse.SUPPRESS
REPLAYED = "This idempotency key made a job before: that job is given back, nothing new was submitted."
NOT_KNOWN = "This kind is not known here: give its parameters as one JSON object by --parameters."
LIST_HINT = "An option for a list is repeated; JSON may be given as @file or, from standard input, as -."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``jobs submit KIND …``."""
    parser.add_argument("kind", metavar="KIND", help="The kind's name; `jobs kinds` lists them.")
    parser.add_argument("rest", metavar="...", nargs=argparse.REMAINDER, help="The kind's parameters as options.")
    remote.add_arguments(parser)
    _add_submit_options(parser)


def add_rerun_arguments(parser: argparse.ArgumentParser) -> None:
    """``jobs rerun ID …``."""
    parser.add_argument("job", metavar="ID", help="The job's id, or its first digits.")
    parser.add_argument("rest", metavar="...", nargs=argparse.REMAINDER, help="Parameters to change, as for submit.")
    _add_rerun_options(parser)


def run(call: Call) -> int:
    """Submit a job."""
    if "url" in call.options:
        return _run_elsewhere(call)
    kind = registry.get(call.options["kind"])
    offered = options.options_of(kind, taken_flags())
    typed = _second_step(call, kind, kind.name, offered, _add_submit_options)
    wanted = _options(typed)
    with _told_by_option(offered):
        gathered = values.gather(kind, offered, typed, Sources())
        if gathered.files:
            # Faults are told before gigabytes are copied; the ids that stand for the files pass as any id does here.
            submission.validated(kind, gathered.parameters)
        with uploads.uploaded(gathered, call.user) as parameters:
            now = clock.database_now()
            accepted = submission.accept(kind.name, parameters, owner=call.user, options=wanted, now=now)
    return _accepted(call, typed, accepted)


def _run_elsewhere(call: Call) -> int:
    """Submit a job to the server that ``--url`` names. A kind that is not known here takes ``--parameters`` alone."""
    name, sources = call.options["kind"], Sources()
    kind = _known(name)
    offered = options.options_of(kind, taken_flags()) if kind else []
    typed = _second_step(call, kind, name, offered, _add_submit_options)
    wanted = _options(typed)
    with _told_by_option(offered), remote.server(call, sources) as weir:
        gathered = values.gather(kind, offered, typed, sources) if kind else remote.parameters_of(typed, sources)
        if kind and gathered.files:
            submission.validated(kind, gathered.parameters)
        job = remote.submit(weir, name, gathered, wanted)
        if job.replayed and wanted.idempotency_key:
            call.output.say(REPLAYED)
        call.output.line(job.id)
        if typed.get("follow"):
            return remote.follow(call, weir, job, following.timeout_of(typed))
    if call.output.as_json:
        call.output.document(job.body)
    else:
        call.output.say(f"Accepted: {job.kind} is {job.state}.")
    return Exit.OK


def rerun(call: Call) -> int:
    """Run a job again."""
    old = jobs.job(call.user, calls.job_id(call.user, call.options["job"]))
    kind = registry.get(old.kind)
    if old.parameters_hidden:
        raise NotAllowed(old.parameters_hidden)
    offered = options.options_of(kind, taken_flags())
    typed = _second_step(call, kind, str(old.id), offered, _add_rerun_options)
    with _told_by_option(offered):
        gathered = values.gather(kind, offered, typed, Sources(), existing=old.parameters)
        with uploads.uploaded(gathered, _new_owner(call, old)) as changes:
            accepted = control.rerun(
                old.id, actor=call.user, now=clock.database_now(), changes=changes, via=Via.CLI,
                idempotency_key=typed.get("idempotency_key"),
            )  # fmt: skip
    return _accepted(call, typed, accepted)


@cache
def taken_flags() -> frozenset[str]:
    """Options of the command itself, whose names no parameter may have."""
    parser = argparse.ArgumentParser()
    _add_submit_options(parser)
    return frozenset(parsing.flags_of(parser) | parsing.DJANGO_OPTIONS)


def _add_submit_options(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--queue", default=SUPPRESS, help="The queue to wait in (default: the kind's).")
    parser.add_argument("--priority", type=int, default=SUPPRESS, help="-100 to 100, higher runs first (default: 0).")
    parser.add_argument(
        "--due-at", metavar="WHEN", default=SUPPRESS,
        help="Not before this time: 2030-01-31T09:00, or 2h from now (default: at once).",
    )  # fmt: skip
    parser.add_argument("--expires-at", metavar="WHEN", default=SUPPRESS, help="Fail if not started by this time.")
    parser.add_argument(
        "--max-attempts", type=int, metavar="N", default=SUPPRESS, help="Tries in all, 1 to 100 (default: the kind's)."
    )
    parser.add_argument(
        "--tag", dest="tags", action="append", metavar="TAG", default=SUPPRESS,
        help="A word to find it by; repeat for more, up to 10.",
    )  # fmt: skip
    _add_rerun_options(parser)


def _add_rerun_options(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--parameters", metavar="JSON|@FILE|-", default=SUPPRESS,
        help="Parameters as one JSON object; single options are added to it and win.",
    )  # fmt: skip
    parser.add_argument(
        "--idempotency-key", metavar="KEY", default=SUPPRESS,
        help="The same key again gives the same job instead of a second one.",
    )  # fmt: skip
    parser.add_argument(
        "--follow", action="store_true", default=SUPPRESS,
        help="Wait for the end and show how it goes; the exit code tells the outcome.",
    )  # fmt: skip
    following.add_timeout(parser)
    parsing.add_common(parser)


def _second_step(
    call: Call, kind: Kind | None, name: str, offered: list[options.Option], add_common: AddArguments
) -> dict[str, Any]:
    needed = " ".join(each.usage for each in offered if each.required)
    program = f"{call.program} {name}"
    about = f"{kind.description or kind.name}\n\n{LIST_HINT}" if kind else NOT_KNOWN
    parser = parsing.Parser(
        prog=program,
        usage=f"{program} {needed} [options]".replace("  ", " ").replace("%", "%%"),
        description=parsing.description(about),
        called_from_command_line=call.in_shell,
    )
    options.add_to(parser.add_argument_group("parameters"), offered)
    add_common(parser.add_argument_group("of the job and of this call"))
    return {**call.options, **vars(parser.parse_args(call.options["rest"]))}


def _options(typed: Mapping[str, Any]) -> submission.Options:
    due, expiry = typed.get("due_at"), typed.get("expires_at")
    return submission.Options(
        queue=typed.get("queue"),
        priority=typed.get("priority", 0),
        due_at=None if due is None else moments.coming(due, "--due-at"),
        expires_at=None if expiry is None else moments.coming(expiry, "--expires-at"),
        max_attempts=typed.get("max_attempts"),
        idempotency_key=typed.get("idempotency_key"),
        via=Via.CLI,
        tags=typed.get("tags", ()),
    )


def _known(name: str) -> Kind | None:
    try:
        return registry.get(name)
    except UnknownKind:
        return None


def _new_owner(call: Call, old: JobView) -> User | None:
    """Who will own the new job, and so must own the files uploaded for it."""
    return call.user or calls.user_named(old.owner)


@contextmanager
def _told_by_option(offered: list[options.Option]) -> Iterator[None]:
    try:
        yield
    except InvalidParameters as error:
        told = [options.told_by_option(each, offered) for each in error.problems]
        raise Stopped(error.exit_code, "\n  ".join([f"{error.title}:", *told])) from None


def _accepted(call: Call, typed: Mapping[str, Any], accepted: submission.Accepted) -> int:
    view = JobView.of(accepted.job, call.user)
    if accepted.replayed:
        call.output.say(REPLAYED)
    if typed.get("follow"):
        call.output.line(str(view.id))
        return following.follow(call, view.id, timeout=following.timeout_of(typed), streamed=False)
    if call.output.as_json:
        call.output.document(view)
        return Exit.OK
    call.output.line(str(view.id))
    words = "; ".join(filter(None, (f"{view.kind} is {view.state.value}", rendering.note(view))))
    if view.preview is not None and view.state is not State.SUCCEEDED:
        call.output.say(f"Shown at once: {json.dumps(view.preview, ensure_ascii=False)[:PREVIEW_SHOWN]}")
    call.output.say(f"Accepted: {words}. Follow it with: {call.command('follow')} {view.id}")
    return Exit.OK
