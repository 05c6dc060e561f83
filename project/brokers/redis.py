"""Redis as kombu speaks it, but never deaf: what a worker's loop reads of remote control has an end.

Kombu reads its pub/sub connection with a call that redis-py lets wait for ever, whatever the socket's timeout. Around a
half-open connection it does so although nothing is there to read; then the whole loop stands still, until the watchdog
ends the worker.
"""

from __future__ import annotations

from functools import partial
from queue import Empty
from typing import Any

from kombu.transport import redis
from kombu.utils.objects import cached_property

ANSWER_SECONDS = 3.0
"""How long the rest of a message that has begun may take."""


class _Listening:
    """Mixed into kombu's channels."""

    @cached_property  # type: ignore[untyped-decorator]
    def subclient(self) -> Any:
        """The connection of remote control."""
        listener = self._create_client(asynchronous=True).pubsub()  # type: ignore[attr-defined]
        listener.parse_response = partial(listener.parse_response, block=False, timeout=ANSWER_SECONDS)
        return listener

    def _receive_one(self, listener: Any) -> Any:
        link = listener.connection
        # Without a socket can_read would connect, behind the back of the loop, which would never hear of it.
        if link is None or link._sock is None or not link.can_read(timeout=0):
            raise Empty
        return super()._receive_one(listener)  # type: ignore[misc]


class _Channel(_Listening, redis.Channel):  # type: ignore[misc]
    pass


class _SentinelChannel(_Listening, redis.SentinelChannel):  # type: ignore[misc]
    pass


class Transport(redis.Transport):  # type: ignore[misc]
    """For redis:// and rediss://."""

    Channel = _Channel


class SentinelTransport(redis.SentinelTransport):  # type: ignore[misc]
    """For sentinel://."""

    Channel = _SentinelChannel
