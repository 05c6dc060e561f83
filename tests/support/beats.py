"""Beat as the tests run it."""

from __future__ import annotations

from typing import Any

from celery import beat


class Scheduler(beat.Scheduler):
    """The schedule of the settings, in memory: each test empties the tables that the database scheduler lives in."""

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send over the pool of connections: Celery keeps one of its own for life, dead or not."""
        super().apply_entry(entry, None)
