"""Measured figures, written as if they had been measured: workers that listen, rows of flow, paces."""

from __future__ import annotations

from datetime import datetime, timedelta

from jobs_app.core import presence
from jobs_app.models import Flow, Pace
from jobs_app.models.guard import writing

SECOND = timedelta(seconds=1)


def listening(queue: str, now: datetime, slots: int = 2) -> None:
    """A worker process that takes jobs of the queue."""
    presence.announce("worker@test", [queue], slots, now=now)


def paced(kind: str, *seconds: float, now: datetime) -> None:
    """Attempts of the kind that took so long."""
    with writing():
        Pace.objects.update_or_create(kind=kind, defaults={"seconds": list(seconds), "updated_at": now})


def flowed(queue: str, now: datetime, count: int, **columns: float) -> None:
    """Rows of two seconds each, the last of which ends now."""
    given = {"arrived": 0, "left": 0, "ended": 0, "busy_seconds": 0.0, "depth": 0, "running": 0, "promised": 0}
    with writing():
        Flow.objects.bulk_create(
            Flow(
                queue=queue, through=0, started_at=now - 2 * (each + 1) * SECOND, ended_at=now - 2 * each * SECOND,
                **{**given, "kept": 0, **columns},
            )
            for each in reversed(range(count))
        )  # fmt: skip
