"""Plain Celery on Redis, without results. ``PEER_ACKS_LATE`` set: a message is acknowledged after its job."""

import json
import os

import control
import counting
from celery import Celery
from redis_lists import OnRedis

app = Celery("app_celery", broker=control.BROKER)
app.conf.update(
    task_ignore_result=True,
    task_acks_late=bool(os.environ.get("PEER_ACKS_LATE")),
    # "Optimizing" in Celery's guide: 64 or 128 for many short tasks.
    worker_prefetch_multiplier=64,
    broker_connection_retry_on_startup=True,
)


@app.task
def noop():
    counting.count()


@app.task
def compute():
    counting.compute()


class App(OnRedis):
    """A list and, of what is not acknowledged, a hash."""

    queue, held = "celery", ("unacked",)

    def submit(self, kind):
        """As an application does."""
        {"noop": noop, "compute": compute}[kind].delay()

    def identity(self, message):
        """The task's id."""
        return json.loads(message)["headers"]["id"].encode()
