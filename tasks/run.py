"""The Celery tasks that run jobs: one a kind, under the kind's own name, so that Flower shows kinds."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

from billiard.exceptions import WorkerLostError
from celery import Task, current_app, shared_task
from celery.signals import task_failure, task_prerun, worker_process_shutdown, worker_shutdown
from django.db import close_old_connections

from jobs_app import registry, tracing, wire
from jobs_app.core import execution
from jobs_app.core.patience import watch
from jobs_app.core.stamps import stamps

logger = logging.getLogger(__name__)


def run(self: Task[..., int], ids: list[str]) -> int:
    """Run what is still to be run of these jobs. The name a message bears is a label: the ledger's rows decide."""
    holder = f"{self.request.hostname}/{os.getpid()}/{self.request.id}"
    return execution.run(wire.ids_of(ids), holder=holder)


for kind in registry.all_kinds():
    shared_task(name=kind.name, bind=True, ignore_result=True, acks_late=False)(run)


@task_prerun.connect
def drop_dead_connections(**_: object) -> None:
    """A connection that died since the last message is replaced, not used once more."""
    with watch.call():
        close_old_connections()


@worker_process_shutdown.connect
@worker_shutdown.connect
def send_traces(**_: object) -> None:
    """What was traced last is sent before the process ends."""
    tracing.flush()


@task_failure.connect
def report_lost_child(
    task_id: str = "", exception: object = None, args: Any = (), sender: Any = None, **_: object
) -> None:
    """Seen in the worker's parent process: a child died with a message. Upkeep is told, and rescues its jobs.

    The parent itself never opens the database: it forks, and a child that inherits SQLite's idea of who holds which
    lock waits for ever. Nor may its event loop wait for the broker, hence the thread.
    """
    if not isinstance(exception, WorkerLostError) or not args:
        return
    told = wire.ids_of([task_id])
    at_work = stamps.at_work(told[0]) if told else None
    message = [
        [str(each) for each in wire.ids_of(args[0])], task_id, str(exception),
        None if at_work is None else [str(each) for each in at_work],
    ]  # fmt: skip
    threading.Thread(target=_report, args=(message,), name="weir-report", daemon=True).start()


def _report(message: list[Any]) -> None:
    try:
        current_app.send_task(wire.LOST_CHILD, args=message, ignore_result=True)
    except Exception:
        logger.warning("A dead worker process could not be reported; its leases will run out instead", exc_info=True)
