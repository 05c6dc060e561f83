"""A drained worker takes no more messages of jobs: its part that talks to the broker looks at the sign for it.

The sign (``core.stopping.draining``) is raised by whichever of the worker's processes first sees the wish in the
ledger. Consumers are cancelled one queue at a time, as by Celery's remote control, which SQS has not. What was fetched
already claims nothing (``core.execution``), and is sent again.
"""

from __future__ import annotations

import logging
from typing import Any

from celery import bootsteps

from jobs_app import wire
from jobs_app.core.stopping import draining, sign

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
"""How often the sign is looked at; it is in memory."""


class DrainWatch(bootsteps.StartStopStep):
    """Leave the queues of jobs alone while the worker is drained; go on with them when it is resumed."""

    def __init__(self, parent: Any, **options: Any) -> None:
        self._left: list[Any] = []
        super().__init__(parent, **options)

    def register_with_event_loop(self, consumer: Any, hub: Any) -> None:
        """Called each time the worker's loop begins; then every queue is consumed."""
        self._left = []
        hub.call_repeatedly(LOOK_SECONDS, self._look, consumer)

    def _look(self, consumer: Any) -> None:
        tasks = consumer.task_consumer
        if sign.raised_at is not None or tasks is None:
            return
        if draining.raised_at is not None:
            # Not upkeep's queue: who drains the only worker of a small installation still wants its ledger kept.
            for queue in [each for each in tasks.queues if each.name != wire.SYSTEM_QUEUE]:
                self._left.append(queue)
                tasks.cancel_by_queue(queue.name)
                logger.info("Queue %s is left alone: this worker is drained", queue.name)
        elif self._left:
            left, self._left = self._left, []
            for queue in left:
                tasks.add_queue(queue)
            tasks.consume()
            logger.info("This worker takes jobs again of %s", ", ".join(queue.name for queue in left))
