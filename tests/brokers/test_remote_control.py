"""Remote control over Redis' pub/sub, which shares a worker's one loop with everything else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty
from typing import Any

import pytest
from celery import current_app

from tests.support import broker
from tests.support.broker import Valkey
from tests.support.processes import Workers, eventually

WAIT_SECONDS = 20.0
"""Longer than any read may take; a read without an end takes for ever."""


@pytest.fixture
def listening() -> Iterator[Any]:
    """A channel that has subscribed, as a worker's has, and read what the server says to that."""
    if not isinstance(broker.running, Valkey):
        pytest.skip("only Redis has pub/sub connections")
    with current_app.connection_for_read() as link:
        channel = link.default_channel
        channel._fanout_queues["control"] = ("control-of-a-test", "")
        channel.active_fanout_queues.add("control")
        channel.subclient.connection_pool  # noqa: B018 - made now
        channel.connection.cycle._register_LISTEN(channel)
        eventually(lambda: channel.subclient.connection.can_read(timeout=1), what="the answer to the subscription")
        channel._receive()
        yield channel
        channel.active_fanout_queues.clear()


def returns(channel: Any) -> bool:
    """Whether a read of what is there came to an end."""

    def read() -> None:
        with suppress(Empty):
            channel._receive_one(channel.subclient)

    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    reading.join(WAIT_SECONDS)
    return not reading.is_alive()


def test_a_read_with_nothing_to_read_ends(listening: Any) -> None:
    assert returns(listening)


def test_a_read_of_a_connection_that_was_dropped_ends_and_does_not_connect(listening: Any) -> None:
    listening.subclient.connection.disconnect()
    assert returns(listening)
    assert listening.subclient.connection._sock is None  # the loop connects, and then watches the new socket


def test_workers_answer(workers: Workers) -> None:
    if not current_app.conf.worker_enable_remote_control:
        pytest.skip("this broker has no remote control")
    answered = eventually(lambda: current_app.control.ping(timeout=2), what="the workers to answer")
    assert all(answer == {"ok": "pong"} for each in answered for answer in each.values())
