"""The part of a worker that talks to the broker: Celery's own, without what Weir does not use."""

from __future__ import annotations

from typing import Any

from celery.worker.consumer import Consumer as Standard

from tasks.children import Patient

# It would declare 28 queues on RabbitMQ for messages that are to wait; ours never do, since the ledger knows when.
UNUSED = "celery.worker.consumer.delayed_delivery:DelayedDelivery"
SILENT = {"task_events": False, "without_heartbeat": True, "without_gossip": True, "without_mingle": True}


class Consumer(Patient, Standard):  # type: ignore[misc]
    """Celery's consumer. Where the broker cannot send to many at once, as SQS, it sends no events either."""

    class Blueprint(Standard.Blueprint):  # type: ignore[misc]
        """The steps that are left."""

        default_steps = [step for step in Standard.Blueprint.default_steps if step != UNUSED]

    def __init__(self, *args: Any, app: Any = None, worker_options: Any = None, **options: Any) -> None:
        if not app.conf.worker_enable_remote_control:
            worker_options, options = {**(worker_options or {}), **SILENT}, {**options, **SILENT}
        super().__init__(*args, app=app, worker_options=worker_options, **options)
