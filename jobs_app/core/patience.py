"""Patience with the database: a call that does not come back is cut off, so that a new connection can be tried.

A half-open connection (the server, or something in between, is gone without a word) leaves a client waiting for an
answer for ever: libpq has no read timeout, and a proxy that still acknowledges packets defeats TCP's own. So a thread
watches the calls a worker makes, and shuts the socket of one that takes too long; the call then fails like any other
lost connection. A lease outlives several such cuts, so the job is not even lost.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from django.db import connection, connections

from jobs_app import conf

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


@dataclass
class _Call:
    database: Any
    """Django's connection of the calling thread."""
    seconds: float
    due_at: float


class Watch:
    """Watches the calls of this process; its thread begins with the first of them, and anew in a forked child."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew: a forked child has no thread, and a lock may have been copied while it was held."""
        self._calls: list[_Call] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._idle = False

    @contextmanager
    def call(self, seconds: float | None = None) -> Iterator[None]:
        """Bound what the block waits for the database (default: LEDGER_PATIENCE_SECONDS).

        SQLite needs no watching: its waits have a timeout.
        """
        if connection.vendor != "postgresql":
            yield
            return
        seconds = seconds or conf.current().ledger_patience_seconds
        call = _Call(_own(), seconds, time.monotonic() + seconds)
        with self._changed:
            self._calls.append(call)
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="weir-patience", daemon=True)
                self._thread.start()
            if self._idle:  # else it looks within a second: waking it for each call would cost much
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._calls.remove(call)

    @contextmanager
    def rest(self) -> Iterator[None]:
        """What the block takes is not held against this thread's calls: it is spent on something else, as on a disk."""
        with self._changed:
            mine = [(call, call.due_at - time.monotonic()) for call in self._calls if call.database is _own()]
            for call, _ in mine:
                call.due_at = math.inf
        try:
            yield
        finally:
            with self._changed:
                for call, left in mine:
                    call.due_at = time.monotonic() + left

    def _loop(self) -> None:
        while True:
            with self._changed:
                self._idle = True
                self._changed.wait_for(lambda: bool(self._calls))
                self._idle = False
                for call in self._calls:
                    if time.monotonic() >= call.due_at:
                        # Within the lock: the call cannot end meanwhile, so the socket is still its own.
                        call.due_at += call.seconds
                        _cut(call)
                self._changed.wait(LOOK_SECONDS)


def _own() -> Any:
    """Django's connection of this thread."""
    return connections["default"]


def _cut(call: _Call) -> None:
    """Shut the socket of a connection: whoever waits on it fails at once."""
    link = call.database.connection
    if link is None or link.closed:
        return  # it is connecting, which has a timeout of its own
    logger.warning("The database did not answer for %g s: its connection is cut", call.seconds)
    # The connection may end just now, and psycopg has errors of its own for that; the thread must outlive them all.
    with suppress(Exception), socket.socket(fileno=os.dup(link.fileno())) as shared:
        shared.shutdown(socket.SHUT_RDWR)


watch = Watch()
os.register_at_fork(after_in_child=watch.forget)
