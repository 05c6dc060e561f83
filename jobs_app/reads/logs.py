"""Reading a job's log in pages: the latest lines, those before or after a given one; of an attempt, of a level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import QuerySet

from jobs_app.errors import InvalidRequest
from jobs_app.models import LogLine
from jobs_app.reads import jobs
from jobs_app.reads.views import LogLineView

if TYPE_CHECKING:
    from jobs_app.reads.jobs import Reader

LINES = 500
LEVELS = ("debug", "info", "warning", "error")
NUMBER_MOST = 10**18
"""Above every id and every attempt, and still a number for the database."""


@dataclass(frozen=True)
class LogFilter:
    """Which lines are wanted: of one attempt (None: of all), of ``least`` level and above."""

    attempt: int | None = None
    least: str = LEVELS[0]

    def __bool__(self) -> bool:
        return self.attempt is not None or self.least != LEVELS[0]

    @classmethod
    def of(cls, attempt: str, level: str) -> LogFilter:
        """From texts as they come in an address; empty ones do not filter. Raises InvalidRequest."""
        if level and level not in LEVELS:
            raise InvalidRequest(f"expected a level ({', '.join(LEVELS)}), got {level[:40]!r}")
        return cls(number(attempt, "the number of an attempt") if attempt else None, level or LEVELS[0])


@dataclass(frozen=True)
class LogPage:
    """Lines in order. ``earlier``, ``later``: whether there are more on that side. ``last``: the job's newest line."""

    lines: list[LogLineView]
    earlier: bool = False
    later: bool = False
    last: int = 0


def latest(user: Reader, job_id: UUID, wanted: LogFilter, *, before: int | None = None) -> LogPage:
    """The latest lines, at most 500; of those before the one with id ``before``. Raises as ``jobs.opened``."""
    rows = _rows(user, job_id, wanted)
    rows = rows.filter(id__lt=before) if before is not None else rows
    found = list(rows.order_by("-id")[: LINES + 1])
    lines = [LogLineView.of(each) for each in reversed(found[:LINES])]
    last = lines[-1].id if lines else 0
    if wanted and before is None:  # so that what is live goes on from the end, whatever the filter leaves out
        last = LogLine.objects.filter(job_id=job_id).order_by("-id").values_list("id", flat=True).first() or 0
    return LogPage(lines, earlier=len(found) > LINES, later=before is not None, last=last)


def since(user: Reader, job_id: UUID, wanted: LogFilter, *, after: int) -> LogPage:
    """The lines after the one with id ``after``, at most 500. Raises as ``jobs.opened``."""
    found = list(_rows(user, job_id, wanted).filter(id__gt=after).order_by("id")[: LINES + 1])
    lines = [LogLineView.of(each) for each in found[:LINES]]
    return LogPage(lines, later=len(found) > LINES, last=lines[-1].id if lines else after)


def number(text: str, what: str) -> int:
    """A whole number from an address. Raises InvalidRequest."""
    if not text.isascii() or not text.isdigit() or int(text[:30]) > NUMBER_MOST:
        raise InvalidRequest(f"expected {what}, got {text[:40]!r}")
    return int(text)


def _rows(user: Reader, job_id: UUID, wanted: LogFilter) -> QuerySet[LogLine]:
    rows = LogLine.objects.filter(job=jobs.opened(user, job_id))
    if wanted.attempt is not None:
        rows = rows.filter(attempt=min(wanted.attempt, 2**31 - 1))
    if wanted.least != LEVELS[0]:
        rows = rows.filter(level__in=LEVELS[LEVELS.index(wanted.least) :])
    return rows
