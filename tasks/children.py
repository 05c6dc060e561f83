"""What the worker's parent process does for its children, and what is done for the parent itself."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from celery import bootsteps
from celery.concurrency import prefork, solo
from celery.signals import worker_shutdown, worker_shutting_down

from jobs_app import conf
from jobs_app.core import vitals
from jobs_app.core.stamps import stamps
from jobs_app.core.stopping import sign

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
STILL_LOOK_SECONDS = 2.0
STILL_LEASES, STILL_SECONDS = 1.5, 25.0
"""How long a child may stand still: until its jobs are surely taken over, and never less than it may wait for a lock of
SQLite."""

PULSE_SECONDS = 3.0
NEVER = "inf"


class ChildWatch(bootsteps.StartStopStep):
    """Notice a dead child soon, and end one that stands still.

    Celery looks for a dead child when its pipe closes. That is a moment before the child can be waited for, so it often
    finds nothing, and then looks again after five seconds only.
    """

    def register_with_event_loop(self, consumer: Any, hub: Any) -> None:
        """Called each time the worker's loop begins: at its start and after a lost connection."""
        hub.call_repeatedly(LOOK_SECONDS, consumer.pool.maintain_pool)
        if isinstance(consumer.pool, prefork.TaskPool):
            hub.call_repeatedly(STILL_LOOK_SECONDS, end_still_children, consumer.pool)

    def stop(self, consumer: Any) -> None:
        """Called when the loop has ended. If that is for good, the worker waits for its children, and for one that
        stands still it would wait until its own watchdog ends it."""
        if sign.raised_at is not None and isinstance(consumer.pool, prefork.TaskPool):
            threading.Thread(target=_end_still_children_until_the_end, args=(consumer.pool,), daemon=True).start()


def end_still_children(pool: Any) -> None:
    """Kill the children that hold jobs and gave no sign for so long that their jobs have been taken over."""
    limit = max(STILL_LEASES * conf.current().lease_seconds, STILL_SECONDS)
    for process in list(pool._pool._pool):
        if stamps.age(process.pid) > limit:
            logger.error("Ending worker child %s: it holds jobs and has not stirred for %g s", process.pid, limit)
            os.kill(process.pid, signal.SIGKILL)


def _end_still_children_until_the_end(pool: Any) -> None:
    pause = threading.Event()
    while not pause.wait(STILL_LOOK_SECONDS):
        with suppress(ProcessLookupError):  # it ended while it was looked at, and somebody else waited for it
            end_still_children(pool)


class Pulse:
    """What this process tells its watchdog: within how many seconds it will speak again."""

    def __init__(self) -> None:
        self._watchdog: subprocess.Popen[bytes] | None = None
        self.name = ""

    def begin(self) -> None:
        """Start the watchdog, once."""
        if self._watchdog is not None:
            return
        script = Path(__file__).with_name("watchdog.py")
        self._watchdog = subprocess.Popen(
            [sys.executable, "-I", script, str(os.getpid())], stdin=subprocess.PIPE, start_new_session=True
        )
        if self._watchdog.stdin is not None:
            os.set_blocking(self._watchdog.stdin.fileno(), False)

    def promise(self, seconds: float | str) -> None:
        """Say when to expect the next word. Never blocks, never raises: a watchdog that is gone guards nothing."""
        if self.name:
            vitals.promise(self.name, float(seconds))
        if self._watchdog is None or self._watchdog.stdin is None:
            return
        try:
            os.write(self._watchdog.stdin.fileno(), f"{seconds}\n".encode())
        except OSError:
            self._watchdog = None


pulse = Pulse()


class LoopWatch(bootsteps.StartStopStep):
    """Have the worker's loop watched from outside. Not in a solo pool, where each job holds the loop up."""

    def register_with_event_loop(self, consumer: Any, hub: Any) -> None:
        """Called each time the worker's loop begins."""
        if isinstance(consumer.pool, solo.TaskPool):
            return
        pulse.begin()
        pulse.name = str(consumer.hostname).partition("@")[0]
        self._beat()
        hub.call_repeatedly(PULSE_SECONDS, self._beat)

    def _beat(self) -> None:
        if sign.raised_at is None:
            pulse.promise(conf.current().watchdog_seconds)


class Patient:
    """Mixed into Celery's consumer. While it connects, for as long as the broker is away, its loop may stand still."""

    def ensure_connected(self, conn: Any) -> Any:
        """Connect, trying again for ever: at least every three seconds, where kombu would wait for up to thirty."""
        conn.ensure_connection = partial(conn.ensure_connection, interval_start=0, interval_step=1, interval_max=3)
        connect = super().ensure_connected  # type: ignore[misc]
        if sign.raised_at is not None:
            return connect(conn)
        pulse.promise(NEVER)
        connected = connect(conn)
        pulse.promise(conf.current().watchdog_seconds)
        return connected


@worker_shutting_down.connect
def tell_children(how: str = "", **_: object) -> None:
    """Called within the signal's handler: the children learn of it at once, and the watchdog how long it may take."""
    sign.raise_()
    configuration = conf.current()
    grace = configuration.stop_grace_seconds + configuration.cancel_grace_seconds
    pulse.promise(grace + 60 + configuration.watchdog_seconds)


@worker_shutdown.connect
def leave(**_: object) -> None:
    """The worker ends as it should: a probe that asks from now on finds none."""
    if pulse.name:
        vitals.leave(pulse.name)
