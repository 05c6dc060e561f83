"""Beat: django-celery-beat's scheduler, corrected where upkeep's ticks and the team's own tasks need it.

Schedules that submit jobs are none of its business: the ``ticker`` beside it has them decided in the ledger.

A tick of upkeep that no worker takes is worth nothing a moment later. So they expire, and none is sent while several
wait: with no worker on the system queue, nothing piles up on a broker that (as Redis) keeps expired messages.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from datetime import datetime, timedelta
from typing import Any

from celery.beat import SchedulingError, Service
from celery.signals import beat_init
from django.db import Error, connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django_celery_beat.models import PeriodicTask, PeriodicTasks
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from jobs_app import wire
from jobs_app.core import transport, vitals
from jobs_app.core.patience import watch
from jobs_app.errors import BrokerAway
from tasks.ticker import Ticker

logger = logging.getLogger(__name__)

BACKLOG = 5
"""Messages on the system queue from which on ticks are left out."""

FAR_OFF = timedelta(minutes=10)
"""Moments later than that are read in time."""

REREAD_SECONDS, REREAD_SECONDS_EACH = 10.0, 0.05
"""How often everything that is sent is read again: every ten seconds, less often where there are more than 200."""

AWAY_SECONDS = 2.0

PATIENCE_SECONDS = 30.0
PROMISE_SECONDS = 2 * PATIENCE_SECONDS + 30.0
"""A turn may take so long with its wait, while the database or the broker is away."""

STOP_SECONDS = 3
"""How long a stop waits for the loop to end by itself."""


class Row(ModelEntry):
    """A periodic task's row as beat sees it. It writes single columns: people may have edited the others meanwhile."""

    def save(self) -> None:
        """Note when it ran, and how often."""
        self._rows().update(last_run_at=self.model.last_run_at, total_run_count=self.model.total_run_count)

    def is_due(self) -> Any:
        """Whether to send it now, and when to ask again. One that was to run once is disabled when it has."""
        if self.model.one_off and self.model.enabled and self.model.total_run_count > 0:
            self._rows().update(total_run_count=0)
            self.model.total_run_count = 0
            self._disable(self.model)
        return super().is_due()

    def _disable(self, model: PeriodicTask) -> None:
        model.enabled = False
        self._rows().update(enabled=False)

    def _rows(self) -> Any:
        return PeriodicTask.objects.filter(pk=self.model.pk)

    @classmethod
    def _unpack_options(cls, expires: float | None = None, **options: Any) -> dict[str, Any]:
        """The columns for a schedule of the settings; the package knows ``expires`` by another name, and drops it."""
        unpacked: dict[str, Any] = super()._unpack_options(**{"expire_seconds": expires, **options})
        return unpacked


class Scheduler(DatabaseScheduler):
    """Schedules from the database; those of the settings are written there at every start."""

    Entry = Row

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.ticker = Ticker()
        self._reread_at = time.monotonic() + REREAD_SECONDS
        super().__init__(*arguments, **named)

    def setup_schedule(self) -> None:
        """Write the schedules of the settings; their intervals first, one beat after the other. Else two that start at
        once would both make them: nothing keeps an interval unique."""
        _end_at_once()
        with transaction.atomic():
            PeriodicTasks.update_changed()  # its one row serves as the lock
            for entry in self.app.conf.beat_schedule.values():
                self.Entry.to_model_schedule(entry["schedule"])
        super().setup_schedule()

    def tick(self, *arguments: Any, **named: Any) -> Any:
        """One turn of the loop. A database that does not answer is not waited for without bound, and ends no beat."""
        self.ticker.start()
        vitals.promise(wire.BEAT, PROMISE_SECONDS)
        if time.monotonic() >= self._reread_at:
            # The package is told of edits by signals, which an update of many rows does not send.
            self._reread_at = time.monotonic() + max(REREAD_SECONDS, len(self._schedule or ()) * REREAD_SECONDS_EACH)
            self._last_full_sync = datetime.min  # noqa: DTZ901 - the package's own is naive
        try:
            with watch.call(PATIENCE_SECONDS):
                return super().tick(*arguments, **named)
        except Error as error:
            logger.warning("The ledger did not answer; nothing was sent: %s", error)
            connection.close()
            return AWAY_SECONDS

    def enabled_models_qs(self) -> QuerySet[PeriodicTask]:
        """What is sent as messages: everything but schedules that submit jobs, and moments that are far off.

        The package leaves out crontabs whose hour is not near, so that one whose time passed while beat was away never
        came; here they are all in.
        """
        far_off = Q(clocked__clocked_time__gt=timezone.now() + FAR_OFF)
        rows: QuerySet[PeriodicTask] = self.Model.objects.enabled().exclude(far_off).exclude(task=wire.SUBMIT)
        return rows

    def apply_entry(self, entry: Row, producer: Any = None) -> None:
        """Send what is due. Ticks come every second: they are not logged, and a broker that is away is one line.

        Celery's own ``producer`` is not used: it is made once, and nothing mends its connection when RabbitMQ was away.
        """
        if entry.task not in wire.UPKEEP:
            super().apply_entry(entry, None)
            return
        try:
            if transport.depth(wire.SYSTEM_QUEUE) < BACKLOG:
                self.apply_async(entry, producer=None, advance=False)
        except (BrokerAway, SchedulingError) as error:
            logger.warning("%s was not sent: %s", entry.name, error)

    def close(self) -> None:
        """Write down when each schedule ticked last; from here on nothing has to be hurried."""
        signal.alarm(0)
        self.ticker.stop()
        vitals.leave(wire.BEAT)
        super().close()


def _end_at_once() -> None:
    """Have a stop end this process where it stands, until the loop runs: there is nothing to put in order yet.

    Celery's own handler would make a second scheduler within the signal, on a connection that is in use, and hang.
    """
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)


@beat_init.connect
def stop_between_ticks(sender: Service, **_: Any) -> None:
    """End the loop after the tick at hand, and by force only when that takes long.

    Celery raises SystemExit wherever the signal finds it. Within a Redis reply the client turns that into a ValueError,
    which Celery logs as a tick that failed; then beat runs on.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # within a worker, which has signals of its own

    def stop(*_: object) -> None:
        sender.stop()
        signal.alarm(STOP_SECONDS)

    def give_up(*_: object) -> None:
        raise SystemExit

    signal.signal(signal.SIGALRM, give_up)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
