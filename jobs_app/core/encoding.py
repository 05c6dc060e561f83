"""JSON as the ledger keeps it: what a job is given, and what its handler returned."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json, to_jsonable_python

from jobs_app import conf
from jobs_app.core import secrecy
from jobs_app.errors import FieldProblem, InvalidParameters
from jobs_app.parameters import reveal
from jobs_app.policies import Discard

INTEGER_BITS = 3321
"""Whole numbers of more than 1,000 digits are refused: Python does not read back those of more than 4,300."""


@dataclass(frozen=True)
class Encoded:
    """A result as JSON text, and whether it is small enough for the job's row."""

    text: bytes
    inline: bool

    @property
    def parsed(self) -> Any:
        """The JSON value."""
        return json.loads(self.text)

    @property
    def value(self) -> Any:
        """The JSON value, for the row; None when it goes into an artifact."""
        return self.parsed if self.inline else None


def encode(value: Any, secrets: Collection[str] = ()) -> Encoded:
    """Turn a return value into JSON, with secrets starred out. Raises Discard, in words, for what cannot be kept."""
    if isinstance(value, (str, bytes)):
        # Known before it is encoded, which takes long for a large text and keeps the heart from beating meanwhile.
        _check_size(len(value) + len('""'))
    try:
        text = _without_nul(to_json(secrecy.scrubbed(value, secrets), inf_nan_mode="null"))
    except (ValueError, RecursionError) as error:
        raise Discard(
            f"expected the handler to return JSON-ready data (numbers, text, lists, dicts, pydantic models), "
            f"got {type(value).__name__}: {secrecy.scrub(str(error), secrets)[:300]}"
        ) from None
    _check_size(len(text))
    return Encoded(text, len(text) <= conf.current().result_inline_bytes)


def _without_nul(text: bytes) -> bytes:
    """JSON text with its NUL characters replaced, which PostgreSQL refuses. Escaped backslashes are set aside first."""
    if rb"\u0000" not in text:
        return text
    return text.replace(rb"\\", b"\0").replace(rb"\u0000", rb"\ufffd").replace(b"\0", rb"\\")


def _check_size(size: int) -> None:
    limit = conf.current().result_bytes
    if size > limit:
        raise Discard(
            f"expected a result of at most {limit:,} bytes as JSON, got {size:,}; "
            "save large output with context.save_artifact() and return a summary"
        )


def as_json(parameters: Any) -> tuple[Any, int]:
    """Parameters as JSON has them, and their size in bytes. Raises InvalidParameters for what JSON cannot hold."""
    try:
        raw = to_jsonable_python(reveal(parameters), fallback=str, serialize_unknown=True)
        return raw, len(to_json(raw))
    except (ValueError, RecursionError):
        words = "expected parameters that JSON can hold: text in Unicode, and lists within lists at most 200 deep"
        raise InvalidParameters([FieldProblem((), words)]) from None


def refusals(value: Any, location: tuple[str | int, ...] = ()) -> Iterator[FieldProblem]:
    """What a JSON column does not keep although a kind's types allow it, each with the path to it."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from refusals(item, (*location, name))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from refusals(item, (*location, place))
    elif isinstance(value, str) and "\0" in value:
        yield FieldProblem(location, "expected text without NUL characters")
    elif isinstance(value, float) and not math.isfinite(value):
        yield FieldProblem(location, f"expected a finite number, got {value}")
    elif isinstance(value, int) and value.bit_length() > INTEGER_BITS:
        yield FieldProblem(location, "expected a number of at most 1,000 digits")
