"""What was done to the platform, and when: the killer's own record, by which the ledger is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.chaos.plan import Fault


class NotNow(Exception):
    """The fault has no victim at the moment; it is put off a little."""


@dataclass
class Entry:
    """What was done: to whom, from when to when. ``pids``: worker processes that may have held jobs."""

    name: str
    at: datetime
    target: str = ""
    pids: list[int] = field(default_factory=list)
    until: datetime | None = None
    survivors: list[int] = field(default_factory=list)
    failed: str = ""

    def __str__(self) -> str:
        until = f" until {self.until:%H:%M:%S.%f}"[:-3] if self.until else ""
        words = f"{self.at:%H:%M:%S.%f}"[:-3] + until + f" {self.name}"
        return (
            words
            + (f" ({self.target})" if self.target else "")
            + (f": not possible, {self.failed}" if self.failed else "")
        )


Deeds = Mapping[str, Callable[[Any, Fault, Entry], None]]
"""By a fault's name, what is done: to whom, by which fault, and where that is noted. May raise NotNow."""
