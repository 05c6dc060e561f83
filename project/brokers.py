"""Celery's settings: the same for every broker, and what each broker needs besides.

Messages are acked before they run: the lease on the ledger's row guards the work, not the broker. Every socket has a
timeout, since a half-open connection without one freezes a worker for good.
"""

from __future__ import annotations

from typing import Any

from kombu import Exchange, Queue

from jobs_app import wire
from jobs_app.conf import Configuration

REDIS = {
    # No unacked set, no visibility timeout: a message that is lost is sent again by upkeep.
    "ack_emulation": False,
    "socket_connect_timeout": 2,
    "socket_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 5,
    "priority_steps": [0],
}
AMQP = {"confirm_publish": True, "read_timeout": 10, "write_timeout": 10}
SQS = {"wait_time_seconds": 20, "polling_interval": 0, "visibility_timeout": 120}


def celery_settings(configuration: Configuration) -> dict[str, Any]:
    """Everything under Django's ``CELERY_`` names."""
    redis = configuration.broker_scheme in {"redis", "rediss", "sentinel"}
    names = (*configuration.queues, wire.SYSTEM_QUEUE)
    return {
        "CELERY_BROKER_URL": configuration.broker_url,
        "CELERY_BROKER_TRANSPORT_OPTIONS": _transport_options(configuration),
        "CELERY_BROKER_CONNECTION_TIMEOUT": 2,
        "CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP": True,
        "CELERY_BROKER_CONNECTION_MAX_RETRIES": None,
        "CELERY_BROKER_CHANNEL_ERROR_RETRY": True,
        # A bound on sockets, not a stock of them. Flower asks eight questions at once, two connections each: with
        # fewer than 17 its threads wait for one another for ever.
        "CELERY_BROKER_POOL_LIMIT": 20,
        "CELERY_BROKER_HEARTBEAT": 20,
        "CELERY_TASK_SERIALIZER": "json",
        "CELERY_ACCEPT_CONTENT": ["json"],
        "CELERY_RESULT_ACCEPT_CONTENT": ["json"],
        "CELERY_EVENT_SERIALIZER": "json",
        "CELERY_TASK_IGNORE_RESULT": True,
        "CELERY_RESULT_BACKEND": None,
        "CELERY_RESULT_EXPIRES": None,
        "CELERY_TASK_ACKS_LATE": False,
        "CELERY_TASK_PUBLISH_RETRY": True,
        "CELERY_TASK_PUBLISH_RETRY_POLICY": {
            "max_retries": 0, "interval_start": 0, "interval_step": 0, "interval_max": 0,
        },
        "CELERY_TASK_DEFAULT_QUEUE": configuration.queues[0],
        "CELERY_TASK_QUEUES": [Queue(name, Exchange(name), routing_key=name) for name in names],
        "CELERY_TASK_CREATE_MISSING_QUEUES": False,
        "CELERY_TASK_ROUTES": {name: {"queue": wire.SYSTEM_QUEUE} for name in wire.UPKEEP},
        "CELERY_WORKER_PREFETCH_MULTIPLIER": 1,
        "CELERY_WORKER_DISABLE_PREFETCH": redis,
        "CELERY_WORKER_PROC_ALIVE_TIMEOUT": 60,
        "CELERY_WORKER_MAX_TASKS_PER_CHILD": 2000,
        "CELERY_WORKER_MAX_MEMORY_PER_CHILD": 1_000_000,
        "CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS": False,
        "CELERY_WORKER_HIJACK_ROOT_LOGGER": False,
        "CELERY_WORKER_REDIRECT_STDOUTS": False,
        "CELERY_TIMEZONE": configuration.time_zone,
        # Children keep their database connection; tasks.run replaces one that died.
        "CELERY_DB_REUSE_MAX": 1000,
        "CELERY_BEAT_SCHEDULER": "tasks.beat:Scheduler",
        "CELERY_BEAT_SCHEDULE": {
            name: {"task": name, "schedule": seconds, "options": {"queue": wire.SYSTEM_QUEUE, "expires": 10}}
            for name, seconds in ((wire.REFILL, 1.0), (wire.RESCUE, 2.0))
        },
    }  # fmt: skip


def _transport_options(configuration: Configuration) -> dict[str, Any]:
    match configuration.broker_scheme:
        case "amqp" | "amqps":
            return AMQP
        case "sqs":
            return SQS
        case _:
            return REDIS
