"""Which jobs are meant, as a value, and the terms under which a job is found.

``searching`` reads and writes a filter as text, ``models.search`` makes a query of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from jobs_app.errors import InvalidRequest
from jobs_app.lifecycle import State

VALUE_LENGTH = 200
REPEATED = 10
"""Tags, and parameters, of one filter."""

Moment = datetime | timedelta
"""A time; or, as a duration, so long before now."""

NUMBER = re.compile(r"-?\d{1,100}(\.\d{1,100})?(e[+-]?\d{1,2})?", re.IGNORECASE | re.ASCII)
NAME = re.compile(r'[^\s:"\\]{1,100}')


@dataclass(frozen=True)
class JobFilter:
    """Which jobs a list shows; an empty field does not filter, and all that are not empty must hold.

    states: any of these. ``mine`` leaves out other users' jobs; ``spawned``, if false, those that other jobs spawned;
    ``parent`` all but its. tags: all of them. parameters: (name, value as text), all of them. fingerprint: that of the
    error. created_after (or at) and created_before: durations are told by ``at`` when now is.
    """

    states: tuple[State, ...] = ()
    kind: str = ""
    queue: str = ""
    owner: str = ""
    mine: bool = False
    parent: UUID | None = None
    spawned: bool = True
    created_after: Moment | None = None
    created_before: Moment | None = None
    tags: tuple[str, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    fingerprint: str = ""

    def __post_init__(self) -> None:
        # In one order, so that filters that mean the same are equal, and have the same text.
        object.__setattr__(self, "states", tuple(each for each in State if each in self.states))
        object.__setattr__(self, "tags", tuple(sorted(set(self.tags))))
        object.__setattr__(self, "parameters", tuple(sorted(set(self.parameters))))

    def __and__(self, other: JobFilter) -> JobFilter:
        """What both say. Raises InvalidRequest for something that both say, and differently."""
        joined: dict[str, Any] = {}
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            if each.name in {"tags", "parameters"}:
                joined[each.name] = mine + theirs
            elif each.default in (mine, theirs) or mine == theirs:
                joined[each.name] = theirs if mine == each.default else mine
            else:
                raise InvalidRequest(f"expected the {each.name.replace('_', ' ')} in the search or beside it, got both")
        return JobFilter(**joined)

    @property
    def relative(self) -> bool:
        """Whether it has to be told what time it is."""
        return isinstance(self.created_after, timedelta) or isinstance(self.created_before, timedelta)

    def at(self, now: datetime) -> JobFilter:
        """The same with times in place of durations. Raises InvalidRequest for one that leads out of the calendar."""
        try:
            after, before = (
                now - each if isinstance(each, timedelta) else each
                for each in (self.created_after, self.created_before)
            )
        except OverflowError:
            raise InvalidRequest("expected a time that exists, got one too long ago") from None
        return replace(self, created_after=after, created_before=before)

    def check(self) -> None:
        """Raise InvalidRequest for what no job can have, or no database compares with: NUL, half of a character."""
        for name, value in self.texts():
            if not value.isprintable():
                raise InvalidRequest(f"expected {name} to be printable text")
            if len(value) > VALUE_LENGTH:
                raise InvalidRequest(f"expected {name} of at most {VALUE_LENGTH} characters, got {len(value):,}")
        for name, _ in self.parameters:
            if not NAME.fullmatch(name):
                raise InvalidRequest(f"expected the name of a parameter, got {name[:100]!r}")
        for what, count in (("tags", len(self.tags)), ("parameters", len(self.parameters))):
            if count > REPEATED:
                raise InvalidRequest(f"expected at most {REPEATED} {what}, got {count}")

    def texts(self) -> Iterator[tuple[str, str]]:
        """Every text in it, with the word for what it is."""
        for name in ("kind", "queue", "owner", "fingerprint"):
            yield name, getattr(self, name)
        for tag in self.tags:
            yield "tag", tag
        for name, value in self.parameters:
            yield "the name of a parameter", name
            yield f"param.{name}", value


def tag_term(tag: str) -> int:
    """The number under which jobs with this tag are found: 64 bits of a digest."""
    return _term("tag", tag)


def parameter_term(name: str, value: str) -> int:
    """The number under which jobs with this value of a parameter are found."""
    return _term("parameter", f"{name}\0{value}")


def parameter_terms(name: str, typed: str) -> set[int]:
    """What may be meant by a value as it was typed: this text, and the number that it is, if it is one."""
    return {parameter_term(name, each) for each in (typed, _as_number(typed))}


def scalar_text(value: object) -> str | None:
    """A value as ``parameter_term`` takes it, however a number was written; None for what is none, or is long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = _as_number(repr(value)) if isinstance(value, (int, float)) else value
    return text if isinstance(text, str) and len(text) <= VALUE_LENGTH else None


def _as_number(text: str) -> str:
    if not NUMBER.fullmatch(text):
        return text
    whole, number = text.removeprefix("-").isdigit(), float(text)
    return str(int(text)) if whole else str(int(number)) if number.is_integer() else repr(number)


def _term(space: str, text: str) -> int:
    digest = hashlib.sha256(f"{space}\0{text}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
