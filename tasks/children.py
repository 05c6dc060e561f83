"""What the worker's parent process does for its children."""

from __future__ import annotations

from typing import Any

from celery import bootsteps

LOOK_SECONDS = 0.5


class ChildWatch(bootsteps.StartStopStep):
    """Notice a dead child soon.

    Celery looks for one when its pipe closes. That is a moment before the child can be waited for, so it often finds
    nothing, and then looks again after five seconds only.
    """

    def register_with_event_loop(self, consumer: Any, hub: Any) -> None:
        """Called each time the worker's loop begins: at its start and after a lost connection."""
        hub.call_repeatedly(LOOK_SECONDS, consumer.pool.maintain_pool)
