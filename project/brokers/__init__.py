"""Celery's settings: the same for every broker, and what each broker needs besides.

Messages are acked before they run: the lease on the ledger's row guards the work, not the broker. Every socket has a
timeout, since a half-open connection without one freezes a worker for good.
"""

from __future__ import annotations

import os
import re
import ssl
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from kombu import Exchange, Queue
from kombu.transport import TRANSPORT_ALIASES
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobs_app import wire
from jobs_app.addresses import Address
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
# A publication waits for the broker's word that it has the message. A broker that is frozen is asked three times in
# turn (confirm, close, connect), each as long as the read timeout.
AMQP = {"confirm_publish": True, "read_timeout": 3, "write_timeout": 3}
QUORUM = {"x-queue-type": "quorum"}
SQS = {
    "polling_interval": 0,  # it would be added to the wait of each request
    # Messages are acked before they run, so this matters only to a worker that dies with a message in its hand.
    "visibility_timeout": 120,
    "client-config": {"connect_timeout": 2, "read_timeout": 5, "retries": {"total_max_attempts": 1}},
}
SQS_WAIT_SECONDS = 10
SQS_PREFIX = "weir-"

# The celery command puts BROKER_URL there as it stands, with the options that only Weir understands.
os.environ.pop("CELERY_BROKER_URL", None)
# Kombu's own ends the worker when Amazon answers with an error, and may wait for ever for Redis.
TRANSPORT_ALIASES.update(
    sqs="project.brokers.sqs:Transport",
    redis="project.brokers.redis:Transport",
    rediss="project.brokers.redis:Transport",
    sentinel="project.brokers.redis:SentinelTransport",
)


def celery_settings(configuration: Configuration) -> dict[str, Any]:
    """Everything under Django's ``CELERY_`` names."""
    address = configuration.broker_address
    redis = address.scheme in {"redis", "rediss", "sentinel"}
    amqp = address.scheme in {"amqp", "amqps"}
    names = (*configuration.queues, wire.SYSTEM_QUEUE)
    if address.scheme == "sqs":
        _check_sqs_names(names)
    return {
        "CELERY_BROKER_URL": address.url,
        "CELERY_BROKER_USE_SSL": _tls(address),
        "CELERY_BROKER_TRANSPORT_OPTIONS": _transport_options(address),
        "CELERY_BROKER_CONNECTION_TIMEOUT": 2,
        "CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP": True,
        "CELERY_BROKER_CONNECTION_MAX_RETRIES": None,
        "CELERY_BROKER_CHANNEL_ERROR_RETRY": True,
        # A bound on sockets, not a stock of them. Flower asks eight questions at once, two connections each: with
        # fewer than 17 its threads wait for one another for ever.
        "CELERY_BROKER_POOL_LIMIT": 20,
        # A worker gives RabbitMQ up when two to three heartbeats are missing: it is to be well again within 60 s.
        "CELERY_BROKER_HEARTBEAT": 10,
        "CELERY_TASK_SERIALIZER": "json",
        "CELERY_ACCEPT_CONTENT": ["json"],
        "CELERY_RESULT_ACCEPT_CONTENT": ["json"],
        "CELERY_EVENT_SERIALIZER": "json",
        "CELERY_TASK_IGNORE_RESULT": True,
        "CELERY_RESULT_BACKEND": None,
        "CELERY_RESULT_EXPIRES": None,
        "CELERY_TASK_ACKS_LATE": False,
        "CELERY_TASK_PUBLISH_RETRY": True,
        # A connection to RabbitMQ that died is made anew by a second try only: without one beat, which keeps its
        # connection, would never send again.
        "CELERY_TASK_PUBLISH_RETRY_POLICY": {
            "max_retries": int(amqp), "interval_start": 0, "interval_step": 0, "interval_max": 0,
        },
        "CELERY_TASK_DEFAULT_QUEUE": configuration.queues[0],
        "CELERY_TASK_QUEUES": [
            Queue(name, Exchange(name), routing_key=name, queue_arguments=QUORUM if amqp else None) for name in names
        ],
        "CELERY_TASK_CREATE_MISSING_QUEUES": False,
        "CELERY_TASK_ROUTES": {name: {"queue": wire.SYSTEM_QUEUE} for name in wire.UPKEEP},
        "CELERY_WORKER_CONSUMER": "project.consumer:Consumer",
        # SQS has none; Flower, which asks through it, is not started there.
        "CELERY_WORKER_ENABLE_REMOTE_CONTROL": address.scheme != "sqs",
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
            for name, seconds in (
                (wire.REFILL, 1.0), (wire.RESCUE, 2.0), (wire.OBSERVE, 2.0), (wire.ROLL, 10.0), (wire.RETAIN, 60.0)
            )
        },
    }  # fmt: skip


def _transport_options(address: Address) -> dict[str, Any]:
    said = address.options
    match address.scheme:
        case "amqp" | "amqps":
            return AMQP
        case "sqs":
            region = {"region": said["region"]} if "region" in said else {}
            return {
                **SQS,
                **region,
                "is_secure": address.switch("secure"),
                "queue_name_prefix": said.get("prefix", SQS_PREFIX),
                "wait_time_seconds": int(said.get("wait", SQS_WAIT_SECONDS)),
            }
        case "sentinel":
            account = {"username": said.get("sentinel_username"), "password": said.get("sentinel_password")}
            times = {name: REDIS[name] for name in ("socket_connect_timeout", "socket_timeout", "socket_keepalive")}
            # One that is down is not asked again and again: there are others.
            once = {"retry": Retry(NoBackoff(), 0)}
            return {**REDIS, "master_name": said["master_name"], "sentinel_kwargs": {**account, **times, **once}}
        case _:
            return REDIS


def _tls(address: Address) -> dict[str, Any] | None:
    """How TLS is spoken: the certificate must be valid and the host's own unless the address says otherwise."""
    said, verified = address.options, address.options.get("ssl_cert_reqs") != "none"
    named = verified and address.switch("ssl_check_hostname")
    files = {name: said[f"ssl_{name}"] for name in ("ca_certs", "certfile", "keyfile") if f"ssl_{name}" in said}
    required = ssl.CERT_REQUIRED if verified else ssl.CERT_NONE
    match address.scheme:
        case "rediss":
            prefixed = {f"ssl_{name}": path for name, path in files.items()}
            return {**prefixed, "ssl_cert_reqs": required, "ssl_check_hostname": named}
        case "amqps":
            # Without a name here none is checked; kombu's own choice would be 127.0.0.1 for localhost.
            host = {"server_hostname": urlsplit(address.url).hostname} if named else {}
            return {**files, **host, "cert_reqs": required}
        case _:
            return None


def _check_sqs_names(names: tuple[str, ...]) -> None:
    """Amazon takes letters, digits, - and _, and kombu makes - of a dot. Two names must not become one."""
    known: dict[str, str] = {}
    for name in names:
        plain = name.replace(".", "-")
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,60}", name):
            raise ImproperlyConfigured(
                f"QUEUES: expected at most 60 ASCII letters, digits, - _ . with SQS, got {name!r}"
            )
        if plain in known:
            raise ImproperlyConfigured(f"QUEUES: {known[plain]!r} and {name!r} would be one queue of SQS, {plain!r}")
        known[plain] = name
