"""From a kind's parameters to command-line options.

The JSON Schema of the kind is the source: the same one that the API publishes, so bounds and descriptions agree.
Nothing is required by the parser and nothing is checked here: the core validates, and its problems are told by option.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from jobs_app.errors import FieldProblem
from jobs_app.management.cli.schemas import describe, flat
from jobs_app.registry import Kind

DEPTH = 4
"""Objects nested deeper than this are given as JSON only."""

CHOICES_SHOWN = 12

Path = tuple[str, ...]


class Shape(Enum):
    """How a value is typed; the value is the placeholder that help shows."""

    TEXT = "TEXT"
    INTEGER = "INTEGER"
    NUMBER = "NUMBER"
    DECIMAL = "DECIMAL"
    FLAG = ""
    CHOICE = "CHOICE"
    DATE = "YYYY-MM-DD"
    TIME = "HH:MM[:SS]"
    MOMENT = "DATE-TIME"
    DURATION = "DURATION"
    UUID = "UUID"
    ARTIFACT = "FILE|ID"
    SECRET = "FILE"  # noqa: S105 - a placeholder
    JSON = "JSON"


FORMATS = {
    "date": Shape.DATE,
    "time": Shape.TIME,
    "date-time": Shape.MOMENT,
    "duration": Shape.DURATION,
    "uuid": Shape.UUID,
    "decimal": Shape.DECIMAL,
}
TYPES = {"string": Shape.TEXT, "integer": Shape.INTEGER, "number": Shape.NUMBER, "boolean": Shape.FLAG}


@dataclass(frozen=True)
class Option:
    """One parameter, or one part of a nested one, as an option.

    path: where its value goes. flag: what is typed, such as ``--address.city``. many: the option may be repeated.
    choices: for each text that may be typed, the value it stands for. schema: that of one value.
    """

    path: Path
    flag: str
    shape: Shape
    many: bool = False
    required: bool = False
    help: str = ""
    schema: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, Any] = field(default_factory=dict)

    @property
    def metavar(self) -> str:
        """The placeholder in help."""
        if self.shape is not Shape.CHOICE or len(self.choices) > CHOICES_SHOWN:
            return self.shape.value
        return "{" + ",".join(self.choices) + "}"

    @property
    def usage(self) -> str:
        """How it is typed, in the usage line."""
        if self.shape is Shape.SECRET:
            return f"{self.flag}-file FILE"
        return f"{self.flag} {self.metavar}".rstrip()

    def destination(self, suffix: str = "") -> str:
        """The name of its value in the parser's namespace; no option of the verb can have it."""
        return f"parameter:{'.'.join(self.path)}{suffix}"


def options_of(kind: Kind, taken: Iterable[str]) -> list[Option]:
    """The options of a kind. A parameter whose option is ``taken`` becomes ``--parameters.NAME``."""
    return list(_of_object(kind.schema, kind.schema.get("$defs", {}), (), set(taken), required=True))


def add_to(group: argparse._ArgumentGroup, options: Iterable[Option]) -> None:
    """Add options to a parser's group. What is not typed is not in its namespace."""
    for each in options:
        text = each.help.replace("%", "%%")
        if each.shape is Shape.SECRET:
            _add_secret(group, each, text)
        elif each.shape is Shape.FLAG and not each.many:
            group.add_argument(
                each.flag, dest=each.destination(), action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS,
                help=text,
            )  # fmt: skip
        else:
            group.add_argument(
                each.flag, dest=each.destination(), action="append" if each.many else "store",
                metavar=each.metavar or "{true,false}", default=argparse.SUPPRESS, help=text,
            )  # fmt: skip


def told_by_option(problem: FieldProblem, options: Iterable[Option]) -> str:
    """A problem of validation, with the option that it is about."""
    place = tuple(str(part) for part in problem.location)
    best: Option | None = None
    for each in options:
        if place[: len(each.path)] == each.path and (best is None or len(each.path) > len(best.path)):
            best = each
    if best is None:
        return f"{problem.pointer}: {problem.message}" if place else problem.message
    rest = problem.location[len(best.path) :]
    where = f"{best.flag}-file or {best.flag}-env" if best.shape is Shape.SECRET else best.flag
    if rest and isinstance(rest[0], int):
        where, rest = f"{where} (value {rest[0] + 1})", rest[1:]
    inner = "".join(f", {part}" for part in rest)
    return f"{where}{inner}: {problem.message}"


class _Refused(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        flag = self.option_strings[0]
        parser.error(
            f"{flag}: a secret is not taken from the command line, where other users' `ps` and the shell's history "
            f"show it; use {flag}-file FILE (- for stdin), {flag}-env NAME, or leave it out to be asked"
        )


def _add_secret(group: argparse._ArgumentGroup, option: Option, text: str) -> None:
    action = "append" if option.many else "store"
    group.add_argument(option.flag, dest=option.destination("-refused"), action=_Refused, help=argparse.SUPPRESS)
    group.add_argument(
        f"{option.flag}-file", dest=option.destination("-file"), action=action, metavar="FILE",
        default=argparse.SUPPRESS, help=f"{text} Read from this file (- for stdin).",
    )  # fmt: skip
    group.add_argument(
        f"{option.flag}-env", dest=option.destination("-env"), action=action, metavar="NAME",
        default=argparse.SUPPRESS, help="The same, from this environment variable.",
    )  # fmt: skip


def _of_object(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], above: Path, taken: set[str], *, required: bool
) -> Iterator[Option]:
    needed = schema.get("required", ())
    for name, raw in schema.get("properties", {}).items():
        here = flat(raw, definitions)
        yield from _of_field(here, definitions, (*above, name), taken, required=required and name in needed)


def _of_field(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], path: Path, taken: set[str], *, required: bool
) -> Iterator[Option]:
    many = schema.get("type") == "array"
    item = flat(schema.get("items", {}), definitions) if many else schema
    shape = _shape(item)
    nested = not many and schema.get("properties") and len(path) < DEPTH
    if nested:
        yield from _of_object(schema, definitions, path, taken, required=required)
    values = item.get("enum", [item["const"]] if "const" in item else [])
    yield Option(
        path=path,
        flag=_claim("--" + ".".join(part.replace("_", "-") for part in path), shape, taken),
        shape=shape,
        many=many,
        required=required and not nested,
        help=describe(schema, item, required=required, nested=bool(nested)),
        schema=item,
        choices={value if isinstance(value, str) else json.dumps(value): value for value in values},
    )


def _shape(schema: Mapping[str, Any]) -> Shape:
    mark = schema.get("x-weir")
    if mark in ("artifact", "secret"):
        return Shape.ARTIFACT if mark == "artifact" else Shape.SECRET
    if "enum" in schema or "const" in schema:
        return Shape.CHOICE
    return FORMATS.get(schema.get("format", "")) or TYPES.get(schema.get("type", ""), Shape.JSON)


def _claim(flag: str, shape: Shape, taken: set[str]) -> str:
    """``flag``, or its longer form if another option has it; what is chosen is taken from then on."""
    wanted = _strings(flag, shape)
    if taken & wanted:
        flag = "--parameters." + flag.removeprefix("--")
        wanted = _strings(flag, shape)
    taken |= wanted
    return flag


def _strings(flag: str, shape: Shape) -> set[str]:
    if shape is Shape.FLAG:
        return {flag, "--no-" + flag.removeprefix("--")}
    if shape is Shape.SECRET:
        return {flag, f"{flag}-file", f"{flag}-env"}
    return {flag}
