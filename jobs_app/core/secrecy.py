"""Secrets kept out of what is written down: exact occurrences are starred, also as repr, JSON and addresses write them.

A handler knows its secrets, and may print one by mistake. Whatever it reports passes through here; so does what its
process logs, by a filter in the logging settings, and what it prints. What a program that it starts writes does not,
nor does the content of a file that it makes, nor what it hands to a child as an ordinary parameter.
"""

from __future__ import annotations

import json
import logging
import sys
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO
from urllib.parse import quote, quote_plus

from pydantic import BaseModel, SecretStr
from pydantic_core import to_jsonable_python

from jobs_app.parameters import MASK

SECRET_LENGTH = 4
"""Shorter secrets are not searched for in texts: starring every 'a' would tell more than it hides."""

REMEMBERED = 500
"""Secrets of the latest jobs that a process stars out of its log."""

_remembered: OrderedDict[str, None] = OrderedDict()


def secrets_in(value: Any) -> tuple[str, ...]:
    """Every secret in a model, in each form that a text may have it, the longest first.

    One that begins like another would leave the other's end to be read.
    """
    found = {form for each in _values(value) if len(each) >= SECRET_LENGTH for form in _forms(each)}
    return tuple(sorted(found, key=lambda each: (-len(each), each)))


def scrub(text: str, secrets: Iterable[str]) -> str:
    """``text`` with each secret starred out, and without what a database refuses: NUL, halves of surrogate pairs."""
    return starred(text, secrets).replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def starred(text: str, secrets: Iterable[str]) -> str:
    """``text`` with each secret starred out; what a database refuses is left in it."""
    for each in secrets:
        text = text.replace(each, MASK)
    return text


def scrubbed(value: Any, secrets: Collection[str]) -> Any:
    """``value`` as JSON has it, with secrets starred out of every text. Raises what pydantic's encoding raises."""
    return _walk(to_jsonable_python(value, inf_nan_mode="null"), secrets) if secrets else value


def remember(secrets: Iterable[str]) -> None:
    """Star these out of what this process logs from now on."""
    for each in secrets:
        _remembered[each] = None
        _remembered.move_to_end(each)
    while len(_remembered) > REMEMBERED:
        _remembered.popitem(last=False)


class Filter(logging.Filter):
    """For the handlers of a log: no line tells a secret that a job of this process was given."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Star out; every record passes."""
        secrets = tuple(_remembered)
        if not secrets:
            return True
        told = record.getMessage()
        if (clean := scrub(told, secrets)) != told:
            record.msg, record.args = clean, None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text and (clean := scrub(record.exc_text, secrets)) != record.exc_text:
            record.exc_text, record.exc_info = clean, None
        return True


@contextmanager
def quiet(secrets: Collection[str]) -> Iterator[None]:
    """Star these out of what is printed meanwhile."""
    if not secrets:
        yield
        return
    before = sys.stdout, sys.stderr
    mine = _Quiet(sys.stdout, secrets), _Quiet(sys.stderr, secrets)
    sys.stdout, sys.stderr = mine  # type: ignore[assignment]
    try:
        yield
    finally:
        if (sys.stdout, sys.stderr) == mine:
            sys.stdout, sys.stderr = before


class _Quiet:
    """A stream that stars out."""

    def __init__(self, stream: TextIO, secrets: Collection[str]) -> None:
        self._stream, self._secrets = stream, secrets

    def write(self, text: str) -> int:
        return self._stream.write(scrub(text, self._secrets))

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _values(value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _values(getattr(value, name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _values(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _values(item)


def _forms(secret: str) -> set[str]:
    clean = secret.encode(errors="replace").decode()
    written = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    return {secret, clean, quote(clean), quote(clean, safe=""), quote_plus(clean), *written}


def _walk(value: Any, secrets: Collection[str]) -> Any:
    if isinstance(value, str):
        return starred(value, secrets)
    if isinstance(value, dict):
        return {_walk(name, secrets): _walk(item, secrets) for name, item in value.items()}
    return [_walk(item, secrets) for item in value] if isinstance(value, list) else value
