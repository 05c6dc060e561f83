"""Each worker process that runs jobs says every few seconds that it does, so that a queue can tell who listens to it.
It looks then whether the worker is to be drained, and tells all of its processes (``core.stopping.draining``).

With prefork every child speaks for itself, of one slot: the parent never opens the database (see ``tasks.children``).
A solo or threaded worker has no children and speaks for all of its slots. A worker of upkeep alone says nothing. The
queues are those that the worker was started for; ``add_consumer`` and ``cancel_consumer`` by remote control change what
Celery takes, and are not followed here.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from billiard.process import current_process
from celery import current_app
from celery.concurrency import prefork
from celery.signals import worker_process_init, worker_process_shutdown, worker_ready, worker_shutdown
from django.db import DatabaseError, InterfaceError, connection

from jobs_app import wire
from jobs_app.core import presence
from jobs_app.core.clock import database_now
from jobs_app.core.patience import watch
from jobs_app.core.stopping import draining, sign
from tasks import identity

logger = logging.getLogger(__name__)

MAIN_PROCESS = "MainProcess"
"""What billiard calls a process that it did not fork."""

LOOK_SECONDS = 0.25
"""How often the sign to stop is looked at; it is in memory."""

JITTER = 0.2
"""By which part the time between two words varies, so that not all processes speak at once."""

AGAIN_SECONDS = 2.0
"""After a failure it is tried again sooner: a process that misses three words counts as gone."""

LEAVE_SECONDS = 3.0
"""A process that ends does not wait longer for its thread, which may be waiting for the database."""


class Herald:
    """Speaks for this process, in a thread of its own, until the worker is told to stop or the process ends."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew: a forked child has no thread, and a lock may have been copied while it was held."""
        self._process = ""
        self._turn = threading.Lock()
        self._ended = threading.Event()
        self._there = False
        self._away = False
        self._drained = False

    def begin(self, hostname: str, queues: frozenset[str], slots: int) -> None:
        """Speak from now on; once in a process. Returns at once: the database is the thread's."""
        if self._process or not queues:
            return
        self._process = f"{hostname}/{os.getpid()}"
        threading.Thread(target=self._loop, args=(queues, slots), name="weir-presence", daemon=True).start()

    def end(self) -> None:
        """Take this process's word back now, if that has not been done. Never raises."""
        self._ended.set()
        if self._turn.acquire(timeout=LEAVE_SECONDS):
            try:
                self._leave()
            finally:
                self._turn.release()

    def _loop(self, queues: frozenset[str], slots: int) -> None:
        while not self._told_to_stop(0.0):
            with self._turn:
                # Looked at again within the turn: a word after the last one would stand for nobody.
                spoke = self._ended.is_set() or self._speak(queues, slots)
            seconds = presence.EVERY_SECONDS if spoke else AGAIN_SECONDS
            self._told_to_stop(seconds * random.uniform(1 - JITTER, 1 + JITTER), spoke)  # noqa: S311 - no secret
        with self._turn:
            self._leave()

    def _told_to_stop(self, seconds: float, news: bool = False) -> bool:
        """Wait so long, or until this process is to end; returns whether it is.

        news: whether it is also news, and worth a word at once, that this worker is drained or resumed.
        """
        until = time.monotonic() + seconds
        while sign.raised_at is None:
            left = until - time.monotonic()
            if self._ended.wait(min(max(left, 0.0), LOOK_SECONDS)):
                return True
            if left <= 0 or (news and self._drained != _drained()):
                return False
        return True

    def _speak(self, queues: frozenset[str], slots: int) -> bool:
        self._there = True  # a word that failed may have been heard all the same
        return self._say(lambda: self._announce(queues, slots))

    def _announce(self, queues: frozenset[str], slots: int) -> None:
        """Heed the wish first: a word that says that the worker is drained is true from then on."""
        _heed(presence.drain_asked(identity.RUN))
        self._drained, now = _drained(), database_now()
        presence.announce(
            self._process, queues, slots, now=now,
            origin=identity.origin(now), condition=identity.condition(draining=self._drained),
        )  # fmt: skip

    def _leave(self) -> None:
        if self._there and not self._away:
            self._say(lambda: presence.leave(self._process))
        self._there = False

    def _say(self, words: Callable[[], None]) -> bool:
        """Returns whether it was heard; an outage of the ledger is logged once, at its beginning."""
        try:
            with watch.call():
                words()
        except Exception as error:
            if not self._away:
                expected = isinstance(error, (DatabaseError, InterfaceError))
                logger.warning(
                    "The ledger does not hear that %s is there; trying again: %s",
                    self._process, error, exc_info=None if expected else error,
                )  # fmt: skip
            self._away = True
            return False
        finally:
            # It is needed for a moment every few seconds: kept, it would be one more for each process of a worker.
            with suppress(Exception):
                connection.close()
        self._away = False
        return True


def _drained() -> bool:
    return draining.raised_at is not None


def _heed(asked: bool) -> None:
    """Tell all processes of this worker to begin no more jobs, or to go on."""
    if asked and not _drained():
        draining.raise_()
        logger.info("This worker is to be drained: it finishes what it runs, and begins nothing")
    elif not asked and _drained():
        draining.lower()
        logger.info("This worker is resumed")


herald = Herald()
"""This process's."""
os.register_at_fork(after_in_child=herald.forget)


def _queues() -> frozenset[str]:
    """The queues of jobs that this worker was started for."""
    return frozenset(current_app.amqp.queues.consume_from) - {wire.SYSTEM_QUEUE}


@worker_process_init.connect
def begin_in_child(sender: Any = None, **_: object) -> None:
    """A child of a prefork pool begins. (A solo worker is told so too, of itself, before it is ready to be stopped.)"""
    if current_process().name != MAIN_PROCESS:
        herald.begin(str(sender), _queues(), 1)


@worker_ready.connect
def begin_in_worker(sender: Any, **_: object) -> None:
    """A worker takes messages from now on. The parent of a prefork pool says nothing: its children do."""
    if not isinstance(sender.pool, prefork.TaskPool):
        herald.begin(sender.hostname, _queues(), sender.pool.limit)


@worker_process_shutdown.connect
@worker_shutdown.connect
def end(**_: object) -> None:
    """A process ends: a child that is replaced, or a worker."""
    herald.end()
