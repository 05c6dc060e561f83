"""Rows: when, of which group, which numbers. From JSON or text to values that are exact, and can be kept.

A number is a decimal number: 0.1 is a tenth, and a sum of such is the same in whatever order it is made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from tasks.kinds.datasets.values import MISSING_WORDS

LABEL_LENGTH = 100
WHOLE_DIGITS, DECIMALS = 18, 30
FIRST, LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
FAULTS = 50
REMEMBERED = 20_000
"""Times, labels and numbers come again and again: so many of each are read once."""


class Row(NamedTuple):
    """One event. ``group``: a text for each grouping column; ``values``: a number or None for each measure."""

    at: datetime
    group: tuple[str, ...]
    values: tuple[Decimal | None, ...]


@dataclass(frozen=True)
class Layout:
    """The columns of a dataset."""

    time: str
    groups: tuple[str, ...]
    measures: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, in the order in which rows are kept."""
        return (self.time, *self.groups, *self.measures)

    @cached_property
    def parsers(self) -> tuple[Callable[[Any], Any], ...]:
        """What reads a value of each; raises ValueError."""
        return (_moment, *[_label] * len(self.groups), *[_number] * len(self.measures))


@dataclass(frozen=True)
class Fault:
    """What is wrong with a row, counted from 0; ``column`` is empty when the whole row is meant."""

    row: int
    column: str
    message: str


class BadRows(Exception):
    """Rows that cannot be taken; the first ``faults``."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(_said(each) for each in self.faults[:3]))


def of_objects(layout: Layout, objects: Iterable[Any]) -> list[Row]:
    """Rows from JSON objects; columns beyond the layout's are left out. Raises BadRows."""
    rows, faults = list[Row](), list[Fault]()
    for place, each in enumerate(objects):
        if isinstance(each, Mapping):
            absent = [name for name in layout.names if name not in each]
            found = [Fault(place, name, "expected a value, or null, got none") for name in absent]
            row = None if absent else _row(layout, [each[name] for name in layout.names], place, found)
        else:
            row, found = None, [Fault(place, "", f"expected an object, got {type(each).__name__}")]
        if row is not None:
            rows.append(row)
        faults += found
        if len(faults) >= FAULTS:
            break
    if faults:
        raise BadRows(faults[:FAULTS])
    return rows


def of_values(layout: Layout, values: Sequence[Any], place: int) -> Row:
    """A row from its values in the layout's order. Raises BadRows."""
    faults = list[Fault]()
    row = _row(layout, values, place, faults)
    if row is None:
        raise BadRows(faults)
    return row


def _row(layout: Layout, values: Sequence[Any], place: int, faults: list[Fault]) -> Row | None:
    groups = len(layout.groups) + 1
    try:
        parsed = [parse(value) for parse, value in zip(layout.parsers, values, strict=True)]
    except ValueError:
        faults += _faults(layout, values, place)
        return None
    return Row(parsed[0], tuple(parsed[1:groups]), tuple(parsed[groups:]))


def _faults(layout: Layout, values: Sequence[Any], place: int) -> Iterator[Fault]:
    if len(values) != len(layout.names):
        yield Fault(place, "", f"expected {len(layout.names)} values, got {len(values)}")
        return
    for name, parse, value in zip(layout.names, layout.parsers, values, strict=True):
        try:
            parse(value)
        except ValueError as error:
            yield Fault(place, name, str(error))


def _moment(value: Any) -> datetime:
    if not isinstance(value, str):
        raise ValueError(f"expected a time as text, such as 2013-01-31T05:00:00Z, got {_brief(value)}")
    return _read_moment(value.strip())


@lru_cache(REMEMBERED)
def _read_moment(text: str) -> datetime:
    """A time in UTC; without an offset it is one of UTC already."""
    try:
        found = datetime.fromisoformat(text[: LABEL_LENGTH + 1])
        moment = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"expected a time such as 2013-01-31T05:00:00Z, got {_brief(text)}") from None
    if len(text) > LABEL_LENGTH or not FIRST <= moment < LAST:
        raise ValueError(f"expected a time from {FIRST.year} to {LAST.year - 1}, got {_brief(text)}")
    return moment


def _label(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (dict, list)):
        raise ValueError(f"expected a text or a number, got {type(value).__name__}")
    return _read_label((str(value).lower() if isinstance(value, bool) else str(value)).strip())


@lru_cache(REMEMBERED)
def _read_label(text: str) -> str:
    if len(text) > LABEL_LENGTH:
        raise ValueError(f"expected at most {LABEL_LENGTH} characters, got {_brief(text)}")
    if not text.isprintable():  # which halves of surrogate pairs and NUL are not
        raise ValueError("expected printable characters")
    return text


def _number(value: Any) -> Decimal | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise ValueError(f"expected a number or null, got {_brief(value)}")
    return _read_number(str(value).strip())


@lru_cache(REMEMBERED)
def _read_number(text: str) -> Decimal | None:
    if text.upper() in MISSING_WORDS:
        return None
    if len(text) > LABEL_LENGTH or not NUMBER.fullmatch(text):
        raise ValueError(f"expected a number or null, got {_brief(text)}")
    number = Decimal(text)
    if number and number.adjusted() >= WHOLE_DIGITS:
        raise ValueError(f"expected a number below 10^{WHOLE_DIGITS}, got {_brief(text)}")
    if -int(number.as_tuple().exponent) > DECIMALS:
        raise ValueError(f"expected at most {DECIMALS} decimals, got {_brief(text)}")
    return number


def _said(fault: Fault) -> str:
    where = f"row {fault.row + 1:,}" + (f", {fault.column}" if fault.column else "")
    return f"{where}: {fault.message}"


def _brief(value: object) -> str:
    text = str(value)
    return repr(text[:40] + ("…" if len(text) > 40 else ""))
