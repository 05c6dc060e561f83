"""A ledger of ``--jobs`` settled jobs, counted; for each line that comes in, one minute more is counted, and the
milliseconds that it took go out. ``benchmarks.rollups`` runs it beside itself, so that both meet the same noise."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.db import connection

from benchmarks import figures, ground
from benchmarks.bulk import Maker
from jobs_app.core import clock
from jobs_app.core.rollups import rolling

DAYS = timedelta(days=30)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
A_MINUTE = 100
"""Jobs that come in a minute more."""


def caught_up() -> int:
    """Count all there is; returns how many rows."""
    counted = 0
    while more := rolling.roll(now=clock.database_now(), batches=1_000, batch=rolling.LARGE_BATCH):
        counted += more
    return counted


def more(maker: Maker) -> Iterator[float]:
    """Milliseconds for one minute more after the other."""
    begin = BEGIN + DAYS
    while True:
        maker.make(A_MINUTE, begin, MINUTE)
        begin += MINUTE
        started = time.perf_counter()
        counted = rolling.roll(now=clock.database_now())
        taken = time.perf_counter() - started
        if counted != 3 * A_MINUTE:
            sys.exit(f"expected {3 * A_MINUTE} events of a minute, got {counted}")
        yield taken * 1000


def analyze() -> None:
    """As autovacuum does in time."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def main() -> None:
    """Answer until nobody asks."""
    maker = Maker()
    maker.make(ground.options.jobs, BEGIN, DAYS)
    analyze()
    caught_up()
    figures.say("ready")
    for _, taken in zip(sys.stdin, more(maker), strict=False):
        figures.say(str(taken))


if __name__ == "__main__":
    main()
