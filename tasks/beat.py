"""Beat: django-celery-beat's scheduler, corrected where upkeep's ticks need it.

A tick that no worker takes is worth nothing a moment later. So ticks expire, and none is sent while several wait: with
no worker on the system queue, nothing piles up on a broker that (as Redis) keeps expired messages.
"""

from __future__ import annotations

import logging
import signal
import threading
from typing import Any

from celery.beat import SchedulingError, Service
from celery.signals import beat_init
from django.db import transaction
from django_celery_beat.models import PeriodicTasks
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from jobs_app import wire
from jobs_app.core import transport
from jobs_app.core.patience import watch
from jobs_app.errors import BrokerAway

logger = logging.getLogger(__name__)

TICKS = frozenset(wire.UPKEEP) - {wire.SUBMIT}
BACKLOG = 5
"""Messages on the system queue from which on ticks are left out."""

PATIENCE_SECONDS = 30.0
STOP_SECONDS = 3
"""How long a stop waits for the loop to end by itself."""


class Row(ModelEntry):
    """A schedule's row as beat sees it."""

    @classmethod
    def _unpack_options(cls, expires: float | None = None, **options: Any) -> dict[str, Any]:
        """The columns for a schedule of the settings; the package knows ``expires`` by another name, and drops it."""
        unpacked: dict[str, Any] = super()._unpack_options(**{"expire_seconds": expires, **options})
        return unpacked


class Scheduler(DatabaseScheduler):
    """Schedules from the database; those of the settings are written there at every start."""

    Entry = Row

    def setup_schedule(self) -> None:
        """Write the schedules of the settings; their intervals first, one beat after the other. Else two that start at
        once would both make them: nothing keeps an interval unique."""
        with transaction.atomic():
            PeriodicTasks.update_changed()  # its one row serves as the lock
            for entry in self.app.conf.beat_schedule.values():
                self.Entry.to_model_schedule(entry["schedule"])
        super().setup_schedule()

    def tick(self, *arguments: Any, **named: Any) -> Any:
        """One turn of the loop; a database that does not answer is not waited for without bound."""
        with watch.call(PATIENCE_SECONDS):
            return super().tick(*arguments, **named)

    def apply_entry(self, entry: Row, producer: Any = None) -> None:
        """Send what is due. Ticks come every second: they are not logged, and a broker that is away is one line.

        Celery's own ``producer`` is not used: it is made once, and nothing mends its connection when RabbitMQ was away.
        """
        if entry.task not in TICKS:
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
        super().close()


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
