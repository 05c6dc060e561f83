"""What statistics cost: rolling up a ledger from nothing, one minute more of it, proving it, reading it, pruning it.

``--jobs`` settled jobs over 30 days. A minute more is measured on a ledger of 10,000 jobs first, then on the whole one:
the ratio is to be at most 1.5, since what a run costs is to follow what is new and not what is there.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from django.db import connection

from benchmarks import figures, ground
from benchmarks.bulk import Maker
from jobs_app.core import clock
from jobs_app.core.retention import pruning
from jobs_app.core.rollups import proof, rolling
from jobs_app.models import Event, Job, QueueLevel, Rollup, RollupCursor
from jobs_app.models.guard import writing
from jobs_app.reads import statistics as reads
from jobs_app.steps import Step

SMALL = 10_000
DAYS = timedelta(days=30)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
A_MINUTE = 100
"""Jobs that come in a minute more."""

MINUTES = 31
PRUNED = 5_000
MOST = 1.5
T = TypeVar("T")


def main() -> int:
    """Measure, print, keep. Returns 1 if a minute more costs too much."""
    settings, jobs = ground.settings(), max(ground.options.jobs, SMALL)
    database = ground.options.database
    maker = Maker()
    maker.make(SMALL, BEGIN, DAYS)
    figures.say(f"{SMALL:,} jobs are there")
    _caught_up()
    small = _minutes_more(maker, BEGIN + DAYS)
    maker.make(jobs - Job.objects.count(), BEGIN, DAYS)
    figures.say(f"{jobs:,} jobs are there")
    with writing():
        for model in (Rollup, RollupCursor, QueueLevel):
            model.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as autovacuum does in time
    seconds, events = _timed(_caught_up)
    figures.say(f"rolled up {events:,} events in {seconds:.1f} s")
    large = _minutes_more(maker, BEGIN + DAYS + timedelta(days=1))
    maker.done()
    proved, differences = _timed(_prove)
    if differences:
        sys.exit(f"expected no difference from the ledger, got {differences:,}")
    read = _read()
    pruned, gone = _timed(lambda: pruning.prune_jobs(now=clock.database_now(), batches=PRUNED // pruning.JOBS))
    ratio = statistics.median(large) / statistics.median(small)
    rows = [
        {"what": "from nothing, events a second", "figure": round(events / seconds)},
        {"what": "from nothing, jobs a second", "figure": round(Job.objects.count() / seconds)},
        {"what": f"a minute more ({3 * A_MINUTE} events), 10,000 jobs (ms)", **_spread(small)},
        {"what": f"a minute more ({3 * A_MINUTE} events), {jobs:,} jobs (ms)", **_spread(large)},
        {"what": f"their ratio (at most {MOST})", "figure": round(ratio, 2)},
        {"what": "proving all of it (s)", "figure": round(proved, 1)},
        {"what": "rows of rollups", "figure": Rollup.objects.count()},
        {"what": "reading 30 days by the hour (ms)", "figure": round(read * 1000)},
        {"what": "pruning, jobs a second", "figure": round(gone / pruned)},
    ]
    table = [{"what": row["what"], "figure": row.get("figure", row.get("median")),
              "least": row.get("least", ""), "greatest": row.get("greatest", "")} for row in rows]  # fmt: skip
    figures.table(f"Rollups, {jobs:,} jobs, {database}", table)
    figures.keep(f"rollups-{database}", {**settings, "jobs": jobs, "events": events}, {"rows": table})
    return int(ratio > MOST)


def _minutes_more(maker: Maker, begin: datetime) -> list[float]:
    """Milliseconds that each of some minutes more takes, without the first: it warms up."""
    taken = []
    for number in range(MINUTES):
        maker.make(A_MINUTE, begin + number * MINUTE, MINUTE)
        seconds, counted = _timed(lambda: rolling.roll(now=clock.database_now()))
        if counted != 3 * A_MINUTE:
            sys.exit(f"expected {3 * A_MINUTE} events of a minute, got {counted}")
        taken.append(seconds * 1000)
    return taken[1:]


def _caught_up() -> int:
    """Roll up all there is; returns how many events."""
    counted = 0
    while more := rolling.roll(now=clock.database_now(), batches=1_000, batch=rolling.LARGE_BATCH):
        counted += more
    return counted


def _prove() -> int:
    last = Event.objects.order_by("-id").values_list("at", flat=True)[0]
    return sum(len(wrong) for _, wrong in proof.verify(BEGIN, last, clock=clock.database_now))


def _read() -> float:
    question = reads.Question(Step.HOUR, BEGIN, BEGIN + DAYS, by=reads.By.KIND)
    return min(_timed(lambda: reads.statistics(question, None, now=BEGIN + DAYS))[0] for _ in range(3))


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def _spread(values: list[float]) -> dict[str, float]:
    return {name: round(value, 1) for name, value in figures.spread(values).items()}


if __name__ == "__main__":
    sys.exit(main())
