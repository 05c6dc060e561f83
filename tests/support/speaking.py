"""Workers that only say that they are there."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from jobs_app.core import presence
from jobs_app.core.presence import Condition, Origin

MEGABYTE = 1_000_000


def speak(
    name: str, now: datetime, *, run: UUID | None = None, processes: int = 2, draining: bool = False, main: int = 10
) -> UUID:
    """The children of a prefork worker say that they are there. Returns its run."""
    origin = Origin(run or uuid4(), "node-1", main, "v7", now - timedelta(hours=1))
    for number in range(main + 1, main + 1 + processes):
        condition = Condition(50 * MEGABYTE, 40 * MEGABYTE, draining)
        presence.announce(f"{name}/{number}", ["default"], 1, now=now, origin=origin, condition=condition)
    assert origin.run is not None
    return origin.run
