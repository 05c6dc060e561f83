"""Where all text leaves: data on stdout, messages on stderr.

At a terminal: tables and colours by rich. Otherwise plain lines of bounded width, so that logs and pipes stay readable.
Text of users and handlers is shown without control characters: a log line cannot drive the operator's terminal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import IO, Any

from pydantic_core import to_jsonable_python
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs_app.lifecycle import State

CELL = 100
"""Longest cell of a table, in characters; more is in the JSON."""

COLOURS = {State.SUCCEEDED: "green", State.FAILED: "red", State.CANCELLED: "yellow", State.RUNNING: "cyan"}


class Output:
    """One call's way out. ``json``: stdout is for documents only."""

    def __init__(self, stdout: IO[str], stderr: IO[str], *, as_json: bool, colour: bool | None = None) -> None:
        self.as_json = as_json
        self._stdout, self._stderr = stdout, stderr
        self.console = Console(
            file=stdout, highlight=False, markup=False, emoji=False, force_terminal=colour or None,
            no_color=True if colour is False else None,
        )  # fmt: skip
        self.drawn = self.console.is_terminal and not as_json
        """Whether tables and colours are drawn."""
        self.live = self.drawn and stdout.isatty() and not self.console.is_dumb_terminal
        """Whether a progress bar can move."""

    def document(self, value: Any) -> None:
        """The one JSON document of this call."""
        self._stdout.write(json.dumps(to_jsonable_python(value, fallback=str), indent=2) + "\n")
        self._stdout.flush()

    def record(self, value: Any) -> None:
        """One line of JSON, at once."""
        self._stdout.write(json.dumps(to_jsonable_python(value, fallback=str)) + "\n")
        self._stdout.flush()

    def say(self, message: str) -> None:
        """A message for the person, beside the data."""
        self._stderr.write(safe(message, lines=True) + "\n")
        self._stderr.flush()

    def line(self, text: str = "", style: str = "") -> None:
        """A line of data; its own line breaks are kept. Nothing in JSON mode."""
        if self.as_json:
            return
        text = safe(text, lines=True)
        if self.drawn:
            self.console.print(Text(text, style=style), soft_wrap=True)
        else:
            self._stdout.write(text + "\n")
            self._stdout.flush()

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]], *, fixed: Sequence[int] = (0,)) -> None:
        """A table; the columns numbered in ``fixed`` (an id) are never cut. Nothing in JSON mode."""
        if self.as_json:
            return
        cells = [
            [safe(cell) if number in fixed else _cut(safe(cell)) for number, cell in enumerate(row)] for row in rows
        ]
        if not self.drawn:
            self._plain([list(columns), *cells])
            return
        drawn = Table(box=None, header_style="bold", pad_edge=False)
        for number, name in enumerate(columns):
            drawn.add_column(name, no_wrap=number in fixed, overflow="fold")
        for row in cells:
            drawn.add_row(*[Text(cell, style=COLOURS.get(cell, "")) for cell in row])  # type: ignore[call-overload]
        self.console.print(drawn)

    def _plain(self, rows: list[list[str]]) -> None:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            self._stdout.write("  ".join(padded).rstrip() + "\n")
        self._stdout.flush()


def _cut(cell: str) -> str:
    return cell if len(cell) <= CELL else cell[: CELL - 1] + "…"


def safe(text: str, *, lines: bool = False) -> str:
    """``text`` with each character that is not printable (escape sequences, direction marks) made visible.

    lines: keep line breaks and tabs; without it they become spaces.
    """
    if text.isprintable():
        return text
    return "".join(_visible(character, lines) for character in text)


def _visible(character: str, lines: bool) -> str:
    if character.isprintable():
        return character
    if character in "\n\t":
        return character if lines else " "
    return "" if character == "\r" else character.encode("unicode_escape").decode("ascii")
