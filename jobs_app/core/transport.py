"""The way to the broker, and the only importer of Celery in ``jobs_app``.

A message is a hint: losing one costs time, never a job. So publishing is bounded in time and no request waits for it;
a broker that is away opens a circuit, and upkeep sends again what was not sent.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from uuid import UUID

from amqp.exceptions import AMQPError, MessageNacked  # type: ignore[import-untyped]
from celery import current_app
from django.db import close_old_connections, connection
from kombu import Connection, Exchange, Queue
from kombu.exceptions import ChannelError, KombuError, OperationalError

from jobs_app.errors import BrokerAway

logger = logging.getLogger(__name__)

OPEN_SECONDS = 2.0
"""How long a broken circuit stays open before the broker is tried again."""

FAILING_SECONDS = 30.0
"""For so long after a failure, and until an answer, a process says that the broker is away."""

BROKER_ERRORS = (OperationalError, KombuError, AMQPError, MessageNacked, OSError)
"""What a broker that does not do its part is heard of by. Amazon's own errors become one of these in kombu."""

REST = 9
LONGEST_REST_SECONDS = 0.1
"""After work that sent nothing, the publisher rests for REST times as long as that took, at most for so long."""

ONCE = {"max_retries": 0, "interval_start": 0, "interval_step": 0, "interval_max": 0}
"""Whoever asks a broker asks once; the circuit and upkeep see to the next time."""


class Circuit:
    """Stops trying a broker that just failed. A monotonic clock, since it measures an interval in one process."""

    def __init__(self, open_seconds: float = OPEN_SECONDS) -> None:
        self._open_seconds = open_seconds
        self._open_until = 0.0
        self._failed_at = -math.inf

    @property
    def closed(self) -> bool:
        """Whether the broker may be tried."""
        return time.monotonic() >= self._open_until

    def trip(self) -> None:
        """Note a failure."""
        self._failed_at = time.monotonic()
        self._open_until = self._failed_at + self._open_seconds

    def mend(self) -> None:
        """Note that the broker answered."""
        self._failed_at = -math.inf

    @property
    def failing(self) -> bool:
        """Whether the last try failed, within half a minute: whoever does not try does not know any more."""
        return time.monotonic() - self._failed_at < FAILING_SECONDS


circuit = Circuit()


def publish(name: str, ids: Sequence[UUID], queue: str) -> None:
    """Send one message that asks for these jobs. Raises BrokerAway, at once while the circuit is open."""
    if not circuit.closed:
        raise BrokerAway("the broker failed a moment ago; it is tried again shortly")
    try:
        current_app.send_task(name, args=[[str(each) for each in ids]], queue=_lane(queue), ignore_result=True)
    except _broker_errors() as error:
        circuit.trip()
        raise BrokerAway(f"the broker did not take a message: {error}") from error
    circuit.mend()


def depth(queue: str) -> int:
    """How many messages wait in a queue, by the broker's own count. Raises BrokerAway.

    A queue that the broker does not have (any more) is made, so that the next message arrives: a publisher declares a
    queue once a connection only, and RabbitMQ drops what is sent to a queue that is not there.
    """
    if not circuit.closed:
        raise BrokerAway("the broker failed a moment ago; it is tried again shortly")
    link = current_app.pool.acquire(block=True)
    link.transport_options.update(ONCE)
    try:
        return _count(link, _lane(queue))
    except _broker_errors() as error:
        circuit.trip()
        link.collect()
        raise BrokerAway(f"the broker did not answer: {error}") from error
    finally:
        link.release()


def _broker_errors() -> tuple[type[BaseException], ...]:
    """All that the broker in use is heard of by: also its own refusals, such as a Redis whose memory is full."""
    link = current_app.connection_for_write()
    return (*BROKER_ERRORS, *link.connection_errors, *link.channel_errors)


def _count(link: Connection, lane: Queue) -> int:
    try:
        return int(link.default_channel.queue_declare(queue=lane.name, passive=True).message_count)
    except ChannelError:
        link.collect()  # RabbitMQ closed the channel by this answer
        lane(link.default_channel).declare()
        return 0


def _lane(name: str) -> Queue:
    """The broker's queue of that name, also when QUEUES no longer has it: its jobs wait for a worker that does."""
    queues = current_app.amqp.queues
    known: Queue | None = queues.get(name)
    if known is not None:
        return known
    like: Queue = next(iter(queues.values()))
    return Queue(name, Exchange(name), routing_key=name, queue_arguments=like.queue_arguments)


class Publisher:
    """A background thread that refills queues, so that whoever submits or settles never waits for a broker.

    ``work(queue)`` is set once at start-up, and returns how many jobs it sent. Nudges that come while it works are
    merged; when there was nothing to send, or no room, it rests for some times as long as finding that out took: else a
    full window would be looked at for each submission. After a fork the child has a thread of its own.
    """

    def __init__(self) -> None:
        self.work: Callable[[str], object] | None = None
        self.forget()

    def forget(self) -> None:
        """Begin anew: in a forked child there is no thread, and a lock may have been copied while it was held."""
        self._wanted: set[str] = set()
        self._changed = threading.Condition()
        self._busy = False
        self._stopping = False
        self._thread: threading.Thread | None = None

    def nudge(self, queue: str) -> None:
        """Ask for a refill of ``queue`` soon. Returns at once."""
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="weir-publisher", daemon=True)
                self._thread.start()
            if queue not in self._wanted:
                self._wanted.add(queue)
                self._changed.notify_all()

    def drain(self, timeout: float = 3.0) -> bool:
        """Wait until nothing is wanted, at most ``timeout`` seconds; returns whether that came about."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._wanted and not self._busy, timeout)

    def stop(self, timeout: float = 5.0) -> None:
        """End the thread (tests; a process that ends need not call it). A later nudge starts another."""
        with self._changed:
            thread, self._stopping = self._thread, True
            self._changed.notify_all()
        if thread is not None:
            thread.join(timeout)
        self.forget()

    def _loop(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted or self._stopping)
                if self._stopping:
                    break
                queue = self._wanted.pop()
                self._busy = True
            began, sent = time.monotonic(), None
            try:
                close_old_connections()
                if self.work is not None:
                    sent = self.work(queue)
            except BrokerAway as error:
                # Without a cause nothing was tried, and the failure that opened the circuit has been logged.
                logger.log(
                    logging.WARNING if error.__cause__ else logging.DEBUG, "Queue %s was not refilled: %s", queue, error
                )
            except Exception:
                logger.exception("Queue %s was not refilled; upkeep will", queue)
            finally:
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()
                    if sent == 0:
                        rest = min(REST * (time.monotonic() - began), LONGEST_REST_SECONDS)
                        self._changed.wait_for(lambda: self._stopping, rest)
        connection.close()


publisher = Publisher()
os.register_at_fork(after_in_child=publisher.forget)
# A short-lived process (the command line) gets its message out before it ends; if not, upkeep sends it.
atexit.register(publisher.drain)
