"""The real broker as tests look at it: what lies in a queue; brokers that refuse, or that hang."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from celery import current_app

from jobs_app import addresses, conf
from jobs_app.core import transport


def purge(name: str) -> int:
    """Empty a queue of the broker, as a flush or a failover would; returns how many messages were lost."""
    if conf.current().broker_scheme == "sqs":  # may be purged once a minute only
        return len(_drained(name))
    with current_app.connection_for_write() as link:
        queue = transport._lane(name)(link.default_channel)
        queue.declare()
        return int(queue.purge())


def taken(name: str) -> list[tuple[str, list[UUID]]]:
    """Take the messages of a queue, in order: each one's name and its job ids."""
    return [(each.headers["task"], [UUID(text) for text in each.payload[0][0]]) for each in _drained(name)]


def _drained(name: str) -> list[Any]:
    found = []
    with current_app.connection_for_read() as link, link.SimpleQueue(transport._lane(name)) as queue:
        while True:
            try:
                message = queue.get(block=False)
            except queue.Empty:
                return found
            message.ack()
            found.append(message)


@contextmanager
def broker_at(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process publish to another broker."""
    with monkeypatch.context() as patch:
        # Celery reads this variable each time it connects; its pools are made anew for the address.
        patch.setenv("CELERY_BROKER_WRITE_URL", addresses.parse(url).url)
        patch.setattr(current_app.amqp, "_producer_pool", None)
        patch.setattr(current_app._get_current_object(), "_pool", None)
        patch.setattr(transport, "circuit", transport.Circuit())
        yield


def address(port: int) -> str:
    """The URL of a broker of this run's kind at another port of this machine."""
    parts = urlsplit(conf.current().broker_url)
    account, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{account}{at}127.0.0.1:{port}").geturl()


@contextmanager
def refusing() -> Iterator[str]:
    """The address of a broker that is down: nobody listens there."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield address(reserved.getsockname()[1])


@contextmanager
def silent() -> Iterator[str]:
    """The address of a broker that hangs: it takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        yield address(listening.getsockname()[1])
