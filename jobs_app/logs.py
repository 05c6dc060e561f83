"""Log lines that say which job and which request they are about; as text, or as one JSON object a line.

What is marked here is added to every line of this thread, whoever logs it. Parameters and secrets are never marked.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from uuid import UUID

NOTHING: Mapping[str, object] = MappingProxyType({})
_marks: ContextVar[Mapping[str, object]] = ContextVar("weir_marks", default=NOTHING)

UUIDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MOST_JOBS = 10
LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@contextmanager
def marked(**marks: object) -> Iterator[None]:
    """Add these to the lines of this block: job, attempt, kind, queue, worker, request."""
    token = _marks.set({**_marks.get(), **marks})
    try:
        yield
    finally:
        _marks.reset(token)


def marks_of(record: logging.LogRecord) -> dict[str, object]:
    """What a line is about: as marked, by the id in its words, or as Celery tells of a message that it works off."""
    marks = dict(_marks.get())
    if "job" in marks:
        return marks
    data = getattr(record, "data", None)
    if isinstance(record.args, tuple) and (named := [each for each in record.args if isinstance(each, UUID)]):
        marks["job"] = str(named[0])  # in a thread of its own: a heart's, upkeep's
    elif isinstance(data, dict):
        # Of a message's arguments the ids alone: a forged message may say anything.
        ids = list(dict.fromkeys(UUIDS.findall(str(data.get("args", ""))[:1000])))[:MOST_JOBS]
        if ids:
            marks["job"] = ids[0] if len(ids) == 1 else ids
            marks["kind"] = str(data.get("name", ""))[:100]
    return marks


class Text(logging.Formatter):
    """A line for people, with the marks at its end."""

    def __init__(self) -> None:
        super().__init__(LINE)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """The line, without a traceback."""
        marks = " ".join(f"{name}={value}" for name, value in marks_of(record).items())
        return super().formatMessage(record) + (f" [{marks}]" if marks else "")


class Json(logging.Formatter):
    """A line for machines: time (UTC), level, logger, message, marks, and the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The object, on one line."""
        told: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
            **marks_of(record),
        }
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        if record.stack_info:
            told["stack"] = record.stack_info
        return json.dumps(told, default=str, ensure_ascii=False)
