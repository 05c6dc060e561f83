"""Amazon SQS as kombu speaks it, but patient: an error is waited out, and a queue that is gone is made anew.

Kombu's own loop ends the worker when a request is refused or runs out of time, asks for ever for a queue that was
deleted, since it remembers the queue's address, and waits for ever for an answer over a connection that is dead: it
gives each request a time limit, and curl is not told.
"""

from __future__ import annotations

import logging
from typing import Any

import pycurl  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]
from kombu.asynchronous.aws.connection import AsyncHTTPSConnection
from kombu.asynchronous.aws.sqs.connection import AsyncSQSConnection
from kombu.transport import SQS

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
"""From a failed request to the next."""
ANSWER_SECONDS = 5.0
"""For which an answer is waited for beyond the time that Amazon may take until a message comes."""
GONE = {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}


class Connection(AsyncSQSConnection):  # type: ignore[misc]
    """Requests of the worker's loop. A failed one is an answer without messages; so is one without an answer."""

    failed = False
    seconds = ANSWER_SECONDS

    def get_http_connection(self) -> AsyncHTTPSConnection:
        """One request, which ends in time. After a failure it opens a connection of its own: others may be dead too."""
        return _Request(self.seconds, fresh=self.failed, http_client=self._httpclient)

    def _on_list_ready(self, parent: Any, markers: Any, operation: Any, response: Any) -> Any:
        self.failed = response.status != self.STATUS_CODE_OK
        if not self.failed:
            return super()._on_list_ready(parent, markers, operation, response)
        words = response.read() or response.reason
        logger.warning("SQS answered %s with status %s: %s", operation, response.status, words)
        return {}


class _Request(AsyncHTTPSConnection):  # type: ignore[misc]
    def __init__(self, seconds: float, *, fresh: bool, **named: Any) -> None:
        super().__init__(timeout=seconds, **named)
        self._fresh = fresh

    def getrequest(self) -> Any:
        request = super().getrequest()
        request.on_prepare = self._bound
        return request

    def _bound(self, curl: Any) -> None:
        curl.setopt(pycurl.TIMEOUT_MS, int(self.timeout * 1000))
        curl.setopt(pycurl.FRESH_CONNECT, int(self._fresh))


class Channel(SQS.Channel):  # type: ignore[misc]
    """Kombu's channel; addresses of queues are forgotten when something fails, so that they are looked up again."""

    _asynsqs: Connection | None = None

    def asynsqs(self, queue: str | None = None) -> AsyncSQSConnection:
        """The connection of the worker's loop."""
        if self._asynsqs is None:
            self._asynsqs = Connection(sqs_connection=self.sqs(queue=queue), region=self.region)
            self._asynsqs.seconds = self.wait_time_seconds + ANSWER_SECONDS
        return self._asynsqs

    def _schedule_queue(self, queue: str) -> None:
        try:
            super()._schedule_queue(queue)
        except (ClientError, BotoCoreError, OSError) as error:
            logger.warning("SQS cannot be asked for messages of %s: %s", queue, error)
            self._later(queue)

    def _loop1(self, queue: str, messages_fetched: Any = None) -> None:
        if self._asynsqs is not None and self._asynsqs.failed:
            self._later(queue)
        else:
            super()._loop1(queue, messages_fetched)

    def _later(self, queue: str) -> None:
        self._queue_cache.clear()
        self.hub.call_later(PAUSE_SECONDS, self._schedule_queue, queue)

    def _put(self, queue: str, message: Any, **options: Any) -> None:
        try:
            super()._put(queue, message, **options)
        except ClientError as error:
            if not gone(error):
                raise
            self._queue_cache.clear()
            super()._put(queue, message, **options)

    def _size(self, queue: str) -> int:
        try:
            return int(super()._size(queue))
        except ClientError as error:
            if not gone(error):
                raise
            self._queue_cache.clear()
            return int(super()._size(queue))


class Transport(SQS.Transport):  # type: ignore[misc]
    """Kombu's transport, which also knows that Amazon's own errors are errors of a connection."""

    Channel = Channel
    connection_errors = (*SQS.Transport.connection_errors, ClientError)
    channel_errors = (*SQS.Transport.channel_errors, ClientError)


def gone(error: ClientError) -> bool:
    """Whether Amazon says that there is no such queue."""
    return error.response.get("Error", {}).get("Code") in GONE
