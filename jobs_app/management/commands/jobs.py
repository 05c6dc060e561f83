"""``manage.py jobs``: submit, watch and handle jobs from the command line."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, InterfaceError

from jobs_app.core import audit
from jobs_app.errors import WeirError
from jobs_app.lifecycle import Via
from jobs_app.management.cli import (
    bulk,
    cancelling,
    deploys,
    exits,
    failures,
    fetching,
    following,
    health,
    kinds,
    listing,
    many,
    parsing,
    queues,
    retrying,
    schedules,
    showing,
    submitting,
    workers,
)
from jobs_app.management.cli.calls import Call, here, user_named
from jobs_app.management.cli.exits import Exit, Stopped
from jobs_app.management.cli.output import Output

VERBS = {
    "kinds": (kinds.HELP, kinds.add_arguments, kinds.run),
    "submit": (submitting.HELP, submitting.add_arguments, submitting.run),
    "submit-many": (many.HELP, many.add_arguments, many.run),
    "list": (listing.HELP, listing.add_arguments, listing.run),
    "show": (showing.HELP, showing.add_arguments, showing.run),
    "follow": (following.HELP, following.add_arguments, following.run),
    "cancel": (cancelling.HELP, cancelling.add_arguments, cancelling.run),
    "retry": (retrying.HELP, retrying.add_arguments, retrying.run),
    "reprioritise": (retrying.PRIORITY_HELP, retrying.add_priority_arguments, retrying.run_priority),
    "bulk": (bulk.HELP, bulk.add_arguments, bulk.run),
    "rerun": (submitting.RERUN_HELP, submitting.add_rerun_arguments, submitting.rerun),
    "fetch": (fetching.HELP, fetching.add_arguments, fetching.run),
    "health": (health.HELP, health.add_arguments, health.run),
    "queues": (queues.HELP, queues.add_arguments, queues.run),
    "queue": (queues.ONE_HELP, queues.add_one_arguments, queues.run_one),
    "failures": (failures.HELP, failures.add_arguments, failures.run),
    "failure": (failures.ONE_HELP, failures.add_one_arguments, failures.run_one),
    "schedules": (schedules.HELP, schedules.add_arguments, schedules.run),
    "schedule": (schedules.ONE_HELP, schedules.add_one_arguments, schedules.run_one),
    "deployed": (deploys.HELP, deploys.add_arguments, deploys.run),
    "workers": (workers.HELP, workers.add_arguments, workers.run),
    "worker": (workers.ONE_HELP, workers.add_one_arguments, workers.run_one),
}


class Command(BaseCommand):
    """The command; each verb does its work in ``management.cli``, through the core and the reads."""

    help = (
        "Submit, watch and handle jobs. Data goes to stdout, messages to stderr;\n"
        "with --json, stdout holds JSON alone. It works on the ledger itself, so it\n"
        "needs no web server; --user NAME acts with that user's permissions."
    )
    # A sound ledger is all it needs; the servers run the checks when they start.
    requires_system_checks: list[str] = []
    in_shell = False

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        """Django's parser, with the exit codes in its help."""
        options = {"epilog": exits.table(), "formatter_class": parsing.HelpFormatter, "allow_abbrev": False, **options}
        return super().create_parser(prog_name, subcommand, **options)

    def add_arguments(self, parser: CommandParser) -> None:
        """A parser for each verb."""
        verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=parsing.Parser)
        for name, (words, add_arguments, _) in VERBS.items():
            one = verbs.add_parser(name, help=words, description=words)
            add_arguments(one)
            one.set_defaults(program=one.prog)

    def run_from_argv(self, argv: list[str]) -> None:
        """Called from a shell: faults are a sentence on stderr and an exit code."""
        self.in_shell = True
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                # A file name or a locale that does not fit must not end a call in the middle.
                stream.reconfigure(errors="backslashreplace")
        super().run_from_argv(argv)

    def handle(self, *args: Any, **options: Any) -> None:
        """Carry out one verb. A fault raises Stopped (a CommandError) in Python, and ends the process in a shell."""
        # Where a style would be added, an ending too: the output is ours to shape.
        for stream in (self.stdout, self.stderr):
            stream.ending, stream.style_func = "", None
        try:
            with audit.origin(Via.CLI, address=here()):
                ended, message = self._carry_out(options), ""
        except Stopped as stop:
            ended, message = stop.returncode, str(stop)
        if not ended:
            return
        if not self.in_shell:
            raise Stopped(ended, message)
        if message:
            self._say(message)
        sys.exit(ended)

    def _carry_out(self, options: dict[str, Any]) -> int:
        try:
            rest = options.get("rest", ())
            options |= parsing.common_in(rest, program=options["program"], in_shell=self.in_shell)
            call = Call(
                options=options,
                output=self._output(options),
                user=user_named(options.get("user")),
                program=options["program"],
                in_shell=self.in_shell,
            )
            return VERBS[options["verb"]][2](call)
        except WeirError as error:
            raise Stopped(error.exit_code, exits.sentence(error)) from error
        except (DatabaseError, InterfaceError) as error:
            told = exits.from_database(error)
            raise Stopped(told.exit_code, exits.sentence(told)) from error
        except KeyboardInterrupt:
            raise Stopped(Exit.INTERRUPTED, "Interrupted.") from None
        except BrokenPipeError:
            self._drop_stdout()
            raise Stopped(Exit.READER_GONE) from None
        except Exception as error:
            if options.get("traceback") or isinstance(error, Stopped):
                raise
            words = f"Unexpected: {type(error).__name__}: {error}. Add --traceback before the verb to see where."
            raise Stopped(Exit.FAILED, words) from error

    def _output(self, options: dict[str, Any]) -> Output:
        colour = True if options.get("force_color") else False if options.get("no_color") else None
        out, beside = cast("IO[str]", self.stdout), cast("IO[str]", self.stderr)
        return Output(out, beside, as_json=bool(options.get("json")), colour=colour)

    def _say(self, message: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._output({}).say(message)

    def _drop_stdout(self) -> None:
        """Let the interpreter's last flush go nowhere instead of failing."""
        if self.in_shell:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
