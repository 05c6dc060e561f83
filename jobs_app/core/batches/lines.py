"""Lines of a bulk submission: what is asked for, what becomes of it, and how a batch keeps both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from jobs_app.core.batches.checking import Fit
from jobs_app.core.submission import Options
from jobs_app.errors import WeirError
from jobs_app.registry import Kind


class Line(NamedTuple):
    """One job that is asked for. Lines that are alike share their ``options``, which hold no idempotency key: that is
    ``key``. size: of the parameters in bytes, at most, if they were read from JSON; None if they come from Python."""

    kind: str
    parameters: Mapping[str, Any]
    options: Options
    key: str | None = None
    size: int | None = None


class Verdict(NamedTuple):
    """What became of a line: its job, perhaps one that an earlier try had made; or why it was refused."""

    number: int
    job_id: UUID | None
    replayed: bool
    error: WeirError | None


@dataclass(frozen=True)
class Summary:
    """How many jobs a bulk submission made, and how many of its lines had their job already."""

    accepted: int
    replayed: int


@dataclass(slots=True)
class Entrant:
    """A line on its way. number: from 1. slow: it passes ``core.submission`` by itself. twin: the line of the same
    batch that has its key too."""

    number: int
    line: Line | None
    error: WeirError | None = None
    kind: Kind | None = None
    key: str | None = None
    fit: Fit | None = None
    slow: bool = False
    job_id: UUID | None = None
    replayed: bool = False
    twin: Entrant | None = None

    @property
    def size(self) -> int:
        """Bytes that it holds in memory, about."""
        if self.fit is not None:
            return len(self.fit.parameters)
        return (self.line.size or 0) if self.line is not None else 0

    def verdict(self) -> Verdict:
        """What became of it."""
        if self.twin is not None and self.error is None:
            return Verdict(self.number, self.twin.job_id, self.twin.error is None, self.twin.error)
        return Verdict(self.number, self.job_id, self.replayed, self.error)
