"""The way to the broker, and the only importer of Celery in ``jobs_app``.

A message is a hint: losing one costs time, never a job. So publishing is bounded in time and no request waits for it;
a broker that is away opens a circuit, and upkeep sends again what was not sent.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from uuid import UUID

from celery import current_app
from django.db import close_old_connections, connection
from kombu import Exchange, Queue
from kombu.exceptions import ChannelError, KombuError, OperationalError

from jobs_app.errors import BrokerAway

logger = logging.getLogger(__name__)

OPEN_SECONDS = 2.0
"""How long a broken circuit stays open before the broker is tried again."""

BROKER_ERRORS = (OperationalError, KombuError, OSError)


class Circuit:
    """Stops trying a broker that just failed. A monotonic clock, since it measures an interval in one process."""

    def __init__(self, open_seconds: float = OPEN_SECONDS) -> None:
        self._open_seconds = open_seconds
        self._open_until = 0.0

    @property
    def closed(self) -> bool:
        """Whether the broker may be tried."""
        return time.monotonic() >= self._open_until

    def trip(self) -> None:
        """Note a failure."""
        self._open_until = time.monotonic() + self._open_seconds


circuit = Circuit()


def publish(name: str, ids: Sequence[UUID], queue: str) -> None:
    """Send one message that asks for these jobs. Raises BrokerAway, at once while the circuit is open."""
    if not circuit.closed:
        raise BrokerAway("the broker failed a moment ago; it is tried again shortly")
    try:
        current_app.send_task(name, args=[[str(each) for each in ids]], queue=_lane(queue), ignore_result=True)
    except BROKER_ERRORS as error:
        circuit.trip()
        raise BrokerAway(f"the broker did not take a message: {error}") from error


def depth(queue: str) -> int:
    """How many messages wait in a queue, by the broker's own count. Raises BrokerAway."""
    if not circuit.closed:
        raise BrokerAway("the broker failed a moment ago; it is tried again shortly")
    link = current_app.connection_for_write()
    try:
        with link:
            return int(link.default_channel.queue_declare(queue=queue, passive=True).message_count)
    except ChannelError:
        return 0  # the queue does not exist (yet, or any more)
    except (*BROKER_ERRORS, *link.connection_errors, *link.channel_errors) as error:
        circuit.trip()
        raise BrokerAway(f"the broker did not answer: {error}") from error


def _lane(name: str) -> Queue:
    """The broker's queue of that name, also when QUEUES no longer has it: its jobs wait for a worker that does."""
    known: Queue | None = current_app.amqp.queues.get(name)
    return known or Queue(name, Exchange(name), routing_key=name)


class Publisher:
    """A background thread that refills queues, so that whoever submits or settles never waits for a broker.

    ``work(queue)`` is set once at start-up. Nudges that come while it works are merged. After a fork the child has a
    thread of its own.
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
            try:
                close_old_connections()
                if self.work is not None:
                    self.work(queue)
            except BrokerAway as error:
                logger.warning("Queue %s was not refilled: %s", queue, error)
            except Exception:
                logger.exception("Queue %s was not refilled; upkeep will", queue)
            finally:
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()
        connection.close()


publisher = Publisher()
os.register_at_fork(after_in_child=publisher.forget)
# A short-lived process (the command line) gets its message out before it ends; if not, upkeep sends it.
atexit.register(publisher.drain)
