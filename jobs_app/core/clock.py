"""The time: the database's clock is the truth. Functions of the core take ``now``; their callers get it here."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from django.db import connection

TRUSTED_SECONDS = 1.0
"""For so long after an answer its time is reckoned on from."""

QUICK_SECONDS = 0.05
"""An answer that took longer is not reckoned on from: nobody knows how old it is."""

_RUNNING = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while the machine sleeps, where there is such a clock."""

_answer: tuple[float, datetime] | None = None
"""When the database told its time last, on this machine's running clock, and what it told."""


def database_now() -> datetime:
    """The ledger database's time, in UTC. SQLite has no clock of its own: it is this machine's."""
    global _answer
    if connection.vendor != "postgresql":
        return datetime.now(UTC)
    asked = time.clock_gettime(_RUNNING)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        told: datetime = cursor.fetchone()[0]
    now, arrived = told.astimezone(UTC), time.clock_gettime(_RUNNING)
    if arrived - asked <= QUICK_SECONDS:
        _answer = (arrived, now)
    return now


def ledger_now() -> datetime:
    """The same, for what happens too often to ask each time: at most QUICK_SECONDS behind it, and never ahead.

    It is reckoned from an answer of the last second. If the database's clock is set, this follows a second later.
    """
    if connection.vendor == "postgresql" and _answer is not None:
        since = time.clock_gettime(_RUNNING) - _answer[0]
        if 0 <= since <= TRUSTED_SECONDS:
            return _answer[1] + timedelta(seconds=since)
    return database_now()
