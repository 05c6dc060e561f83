"""Parsers of the command line: one for each verb, and a second one made from a kind's parameters."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from django.core.management.base import CommandParser, DjangoHelpFormatter

from jobs_app.management.cli import exits

DJANGO_OPTIONS = frozenset(
    {"--help", "--version", "--verbosity", "--settings", "--pythonpath", "--traceback", "--no-color", "--force-color",
     "--skip-checks"}
)  # fmt: skip
"""Django reads some of these wherever they stand, so no parameter may have their names as its option."""


class HelpFormatter(DjangoHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Django's order of options, with docstrings and tables kept as they were written."""


class Parser(CommandParser):
    """A parser without abbreviations, whose mistakes end with exit code 2 in a shell and from Python alike."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("allow_abbrev", False)
        options.setdefault("formatter_class", HelpFormatter)
        options.setdefault("epilog", exits.table())
        super().__init__(**options)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the usage, and stop."""
        if self.called_from_command_line:
            super().error(message)
        raise exits.Stopped(exits.Exit.USAGE, message)


def add_common(parser: argparse._ActionsContainer, *, json_help: str = "Print one JSON document on stdout.") -> None:
    """The options of every verb. Without defaults: they may stand before and after a kind."""
    parser.add_argument(
        "--user", metavar="NAME", default=argparse.SUPPRESS,
        help="Act as this user, with their jobs and permissions (default: the system, which sees and may do all).",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=json_help)


def common_in(rest: Sequence[str], *, program: str, in_shell: bool) -> dict[str, Any]:
    """The options of every verb among arguments that are parsed later: who asks must be known before."""
    parser = Parser(prog=program, add_help=False, called_from_command_line=in_shell)
    add_common(parser)
    return vars(parser.parse_known_args(list(rest))[0])


def description(text: str) -> str:
    """Text for a parser's description, in which argparse replaces ``%`` only if it finds ``%(prog)``."""
    return text.replace("%", "%%") if "%(prog)" in text else text


def flags_of(parser: argparse.ArgumentParser) -> set[str]:
    """Every option string that a parser knows."""
    return {flag for action in parser._actions for flag in action.option_strings}
