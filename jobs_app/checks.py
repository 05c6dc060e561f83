"""Django system checks: what would fail later is said at the start. Ids: weir.E001 …"""

from __future__ import annotations

import os
from typing import Any

from django.core import checks

from jobs_app import conf, registry, tracing


def register() -> None:
    """Add Weir's checks to Django's."""
    checks.register(queues_of_kinds)
    checks.register(data_directory)
    checks.register(packages_of_traces)
    checks.register(broker_password, checks.Tags.security, deploy=True)


def queues_of_kinds(**_: Any) -> list[checks.CheckMessage]:
    """weir.E001: a kind waits in a queue that is not configured, so no worker would run it."""
    queues = conf.current().queues
    return [
        checks.Error(
            f"kind {kind.name} uses queue {kind.queue!r}, which is not in QUEUES ({', '.join(queues)})",
            hint="Add the queue to QUEUES, or change the kind's queue.",
            id="weir.E001",
        )
        for kind in registry.all_kinds()
        if kind.queue not in queues
    ]


def data_directory(**_: Any) -> list[checks.CheckMessage]:
    """weir.E002: the data directory cannot be written to."""
    directory = conf.current().data_dir
    nearest = next(path for path in (directory, *directory.resolve().parents) if path.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK):
        return []
    return [
        checks.Error(
            f"expected to be able to write to DATA_DIR ({directory}), and may not",
            hint="Change its owner, or set DATA_DIR to another directory.",
            id="weir.E002",
        )
    ]


def packages_of_traces(**_: Any) -> list[checks.CheckMessage]:
    """weir.W002: traces are asked for, and what makes them is not installed."""
    missing = tracing.missing()
    if missing is None:
        return []
    return [
        checks.Warning(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set, and the package of {missing} is not installed: no traces are made",
            hint="Install opentelemetry-sdk and opentelemetry-exporter-otlp-proto-http, or unset it.",
            id="weir.W002",
        )
    ]


def broker_password(**_: Any) -> list[checks.CheckMessage]:
    """weir.W001: a broker without a password is open to every process that can reach it."""
    url = conf.current().broker_url
    if "@" in url or not url.startswith(("redis", "amqp")):
        return []
    return [
        checks.Warning(
            "BROKER_URL has no password: whoever reaches the broker can make workers run due jobs and read job ids",
            hint="Give the broker a password and use redis://:password@host:6379/0.",
            id="weir.W001",
        )
    ]
