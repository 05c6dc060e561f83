"""The real broker as tests look at it: what lies in a queue; brokers that refuse, or that hang."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from celery import current_app
from kombu import Exchange, Queue

from jobs_app.core import transport


def purge(name: str) -> int:
    """Empty a queue of the broker, as a flush or a failover would; returns how many messages were lost."""
    with current_app.connection_for_write() as link:
        queue = Queue(name, Exchange(name), routing_key=name)(link.default_channel)
        queue.declare()
        return int(queue.purge())


def taken(name: str) -> list[tuple[str, list[UUID]]]:
    """Take the messages of a queue, in order: each one's name and its job ids."""
    found = []
    with (
        current_app.connection_for_read() as link,
        link.SimpleQueue(Queue(name, Exchange(name), routing_key=name)) as queue,
    ):
        while True:
            try:
                message = queue.get(block=False)
            except queue.Empty:
                return found
            message.ack()
            found.append((message.headers["task"], [UUID(each) for each in message.payload[0][0]]))


@contextmanager
def broker_at(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process publish to another broker."""
    with monkeypatch.context() as patch:
        # Celery reads this variable each time it connects; its pool of producers is made anew for the address.
        patch.setenv("CELERY_BROKER_WRITE_URL", url)
        patch.setattr(current_app.amqp, "_producer_pool", None)
        patch.setattr(transport, "circuit", transport.Circuit())
        yield


@contextmanager
def refusing() -> Iterator[str]:
    """The address of a broker that is down: nobody listens there."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"redis://127.0.0.1:{reserved.getsockname()[1]}/0"


@contextmanager
def silent() -> Iterator[str]:
    """The address of a broker that hangs: it takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        yield f"redis://127.0.0.1:{listening.getsockname()[1]}/0"
