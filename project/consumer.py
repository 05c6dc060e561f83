"""The part of a worker that talks to the broker: Celery's own, without what Weir does not use."""

from __future__ import annotations

import logging
from typing import Any

from celery.worker.consumer import Consumer as Standard
from kombu import Queue

from tasks.children import Patient

logger = logging.getLogger(__name__)

# It would declare 28 queues on RabbitMQ for messages that are to wait; ours never do, since the ledger knows when.
UNUSED = "celery.worker.consumer.delayed_delivery:DelayedDelivery"
SILENT = {"task_events": False, "without_heartbeat": True, "without_gossip": True, "without_mingle": True}
INTERNAL_ERROR = 541


class Consumer(Patient, Standard):  # type: ignore[misc]
    """Celery's consumer. Where the broker cannot send to many at once, as SQS, it sends no events either."""

    class Blueprint(Standard.Blueprint):  # type: ignore[misc]
        """The steps that are left."""

        default_steps = [step for step in Standard.Blueprint.default_steps if step != UNUSED]

    def __init__(self, *args: Any, app: Any = None, worker_options: Any = None, **options: Any) -> None:
        if not app.conf.worker_enable_remote_control:
            worker_options, options = {**(worker_options or {}), **SILENT}, {**options, **SILENT}
        super().__init__(*args, app=app, worker_options=worker_options, **options)

    def on_connection_error_after_connected(self, exc: BaseException) -> None:
        """Called when the connection is lost, before another is made."""
        super().on_connection_error_after_connected(exc)
        if getattr(exc, "reply_code", None) == INTERNAL_ERROR:
            for queue in self.app.amqp.queues.consume_from.values():
                replace_if_broken(self.app, queue)


def replace_if_broken(app: Any, queue: Queue) -> None:
    """Delete a queue that RabbitMQ has and cannot serve; it is declared anew by whoever needs it next.

    A quorum queue that was declared moments before a power cut comes back as a name without a queue behind it: it
    refuses every message and consumer for good. Messages are hints, so nothing is lost with it.
    """
    try:
        with app.connection_for_read() as link, link.Consumer([queue], auto_declare=False, callbacks=[_ignore]):
            return  # it can be consumed; what it sent meanwhile goes back to it
    except app.connection_for_read().connection_errors as error:
        if getattr(error, "reply_code", None) != INTERNAL_ERROR:
            return
    logger.error("RabbitMQ cannot serve its queue %s: it is deleted and made anew", queue.name)
    with app.connection_for_write() as link:
        queue(link.default_channel).delete()


def _ignore(*_: object) -> None:
    """For a message that comes while a queue is tried."""
