"""From what was typed to a kind's parameters. Texts become JSON-ready values; whether they fit, the core decides."""

from __future__ import annotations

import copy
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from jobs_app.errors import InvalidRequest
from jobs_app.management.cli import moments
from jobs_app.management.cli.options import Option, Shape
from jobs_app.management.cli.schemas import flat, holds_mask, secrets_in
from jobs_app.management.cli.sources import Sources
from jobs_app.registry import Kind

INTEGER = re.compile(r"[+-]?\d{1,300}")
NUMBER = re.compile(r"[+-]?(\d{1,300}(\.\d{0,300})?|\.\d{1,300})([eE][+-]?\d{1,3})?")
DURATION: TypeAdapter[Any] = TypeAdapter(timedelta)

PARAMETERS = "--parameters"


@dataclass(frozen=True)
class LocalFile:
    """A file at hand that a parameter names; ``placeholder`` stands in its place until it is uploaded."""

    place: tuple[str | int, ...]
    path: Path
    placeholder: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass
class Gathered:
    """Parameters, and the files that are to be uploaded for them."""

    parameters: dict[str, Any] = field(default_factory=dict)
    files: list[LocalFile] = field(default_factory=list)


def gather(
    kind: Kind,
    options: Iterable[Option],
    typed: Mapping[str, Any],
    sources: Sources,
    *,
    existing: Mapping[str, Any] | None = None,
) -> Gathered:
    """Collect the parameters from ``--parameters`` and from single options, which win.

    existing: for a run again, the parameters of the job: parts of a nested one are changed in a copy of it, and secrets
    are not asked for. Raises InvalidRequest, InvalidParameters.
    """
    gatherer = _Gatherer(kind, typed, sources, existing)
    gatherer.take_whole()
    # The whole of a nested parameter first, then its parts.
    for each in sorted(options, key=lambda option: len(option.path)):
        gatherer.take(each)
    gatherer.check_masks()
    return gatherer.gathered


class _Gatherer:
    def __init__(
        self, kind: Kind, typed: Mapping[str, Any], sources: Sources, existing: Mapping[str, Any] | None
    ) -> None:
        self.gathered = Gathered()
        self._kind, self._typed, self._sources, self._existing = kind, typed, sources, existing
        self._definitions = kind.schema.get("$defs", {})
        self._copied: set[str] = set()

    def take_whole(self) -> None:
        """``--parameters``."""
        text = self._typed.get("parameters")
        if text is None:
            return
        value = self._json(text, PARAMETERS, self._kind.schema)
        if not isinstance(value, dict):
            raise InvalidRequest(f'{PARAMETERS}: expected a JSON object such as {{"name": "value"}}, got {text[:60]!r}')
        self.gathered.parameters = value

    def take(self, option: Option) -> None:
        """One option, if it was typed; a secret that is required is asked for."""
        if option.shape is Shape.SECRET:
            found = self._secrets(option)
        else:
            given = self._typed.get(option.destination())
            found = [] if given is None else given if option.many else [given]
        if not found:
            return
        values: list[Any] = []
        for each in found:
            self._convert(option, each, values)
        self._put(option, values if option.many else values[0])

    def check_masks(self) -> None:
        """A nested parameter that was copied from the job must not carry stars where its secret was."""
        for name in self._copied:
            schema = self._kind.schema["properties"][name]
            if holds_mask(schema, self._definitions, self.gathered.parameters[name]):
                raise InvalidRequest(
                    f"--{name.replace('_', '-')}: expected its secret to be given again, since a secret is never shown "
                    "and so cannot be copied from the old job; or leave all of its parts out to keep them"
                )

    def _secrets(self, option: Option) -> list[str]:
        found = []
        for suffix, read in (("-file", self._sources.secret), ("-env", self._sources.variable)):
            given = self._typed.get(option.destination(suffix), [])
            for name in [given] if isinstance(given, str) else given:
                found.append(read(name, option.flag + suffix))
        if len(found) > 1 and not option.many:
            raise InvalidRequest(f"expected one of {option.flag}-file and {option.flag}-env, got both")
        missing = option.required and not option.many and _look_up(self.gathered.parameters, option.path) is None
        if not found and missing and self._existing is None and self._sources.can_ask:
            found.append(self._sources.ask(option.flag))
        return found

    def _convert(self, option: Option, given: Any, values: list[Any]) -> None:
        if option.shape is Shape.JSON:
            value = self._json(given, option.flag, option.schema)
            if option.many and isinstance(value, list) and option.schema.get("type") != "array":
                values.extend(value)
            else:
                values.append(value)
        elif option.shape is Shape.ARTIFACT and not _is_id(given):
            place: tuple[str | int, ...] = (*option.path, len(values)) if option.many else option.path
            self.gathered.files.append(LocalFile(place, Path(given)))
            values.append(self.gathered.files[-1].placeholder)
        else:
            values.append(_plain(option, given))

    def _json(self, text: str, flag: str, schema: Mapping[str, Any]) -> Any:
        value, inline = self._sources.json(text, flag)
        if isinstance(value, list) and schema.get("type") != "array":
            schema = {"type": "array", "items": schema}  # several values of a repeated option at once
        if inline and any(True for _ in secrets_in(schema, self._definitions, value)):
            raise InvalidRequest(
                f"{flag}: a secret is not taken from the command line, where other users' `ps` and the shell's history "
                f"show it; write the JSON to a file and give {flag} @file, or {flag} - for stdin"
            )
        return value

    def _put(self, option: Option, value: Any) -> None:
        node, top = self.gathered.parameters, option.path[0]
        if len(option.path) > 1 and top not in node:
            # A part is added to what the whole is without it: that of the job run again, or the default.
            old = (self._existing or {}).get(top)
            if isinstance(old, dict):
                self._copied.add(top)
            else:
                old = flat(self._kind.schema["properties"][top], self._definitions).get("default")
            node[top] = copy.deepcopy(old) if isinstance(old, dict) else {}
        for part in option.path[:-1]:
            if not isinstance(node.get(part), dict):
                node[part] = {}
            node = node[part]
        node[option.path[-1]] = value


def with_uploads(gathered: Gathered, ids: Mapping[str, str]) -> dict[str, Any]:
    """The parameters with the ids of uploaded files in place of their placeholders."""
    parameters = copy.deepcopy(gathered.parameters)
    for file in gathered.files:
        node: Any = parameters
        for part in file.place[:-1]:
            node = node[part]
        node[file.place[-1]] = ids[file.placeholder]
    return parameters


def _plain(option: Option, given: Any) -> Any:
    """A text as the JSON value it most plainly stands for; what does not look right goes on as it is, to be refused."""
    match option.shape:
        case Shape.CHOICE:
            return option.choices.get(given, given)
        case Shape.INTEGER if INTEGER.fullmatch(given):
            return int(given)
        case Shape.NUMBER if NUMBER.fullmatch(given):
            return float(given)
        case Shape.DURATION:
            short = moments.short_duration(given)
            return given if short is None else DURATION.dump_python(short, mode="json")
        case Shape.FLAG if isinstance(given, str):
            return {"true": True, "false": False}.get(given.lower(), given)
        case _:
            return given


def _is_id(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return not Path(text).exists()


def _look_up(tree: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    node: Any = tree
    for part in path:
        node = node.get(part) if isinstance(node, dict) else None
    return node
