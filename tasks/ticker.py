"""The ticker: a thread of beat that has what is due decided in the ledger.

It needs the database and no broker. So a broker that does not answer delays no job, and deciding many ticks delays none
of the messages that upkeep lives on. Any number of tickers may run, and each may die at any moment.
"""

from __future__ import annotations

import logging
import threading
import time

from django.db import Error, close_old_connections, connection

from jobs_app.core import clock
from jobs_app.core.patience import watch
from jobs_app.core.schedules import changes, ticks

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""How often it asks for what is due."""

FOLLOW_SECONDS = 5.0
"""How often it looks for schedules that were edited."""

TURN_SECONDS = 0.5
"""It begins nothing more in a turn after this time; the next turn follows at once while there is something to do."""

PATIENCE_SECONDS = 30.0
AWAY_SECONDS = 2.0
"""How long it waits before it tries a database again that was away."""


class Ticker:
    """Runs from ``start`` until ``stop``; each of both may come twice."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._follow_at = 0.0

    def start(self) -> None:
        """Begin, in a daemon thread, if it has not begun."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="weir-ticker", daemon=True)
            self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """End after the transaction at hand; what is not decided by then is the next one's."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def turn(self) -> float:
        """Do what is to be done now. Returns how many seconds to wait before the next turn."""
        close_old_connections()
        with watch.call(PATIENCE_SECONDS):
            now = clock.database_now()
            if time.monotonic() >= self._follow_at:
                changes.reconcile(now=now, seconds=TURN_SECONDS)
                self._follow_at = time.monotonic() + FOLLOW_SECONDS
            decided = ticks.run_due(now=now, seconds=TURN_SECONDS)
        return 0.0 if decided else LOOK_SECONDS

    def _loop(self) -> None:
        wait, away = 0.0, False
        while not self._stopping.wait(wait):
            try:
                wait = self.turn()
                if away:
                    logger.info("The ledger answers again")
                away = False
            except Error as error:
                if not away:
                    logger.warning("Nothing that is due can be decided, until the ledger answers: %s", error)
                wait, away = AWAY_SECONDS, True
                connection.close()
            except Exception:
                logger.exception("A turn failed; the next one follows")
                wait = AWAY_SECONDS
        connection.close()
