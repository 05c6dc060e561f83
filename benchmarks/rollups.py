"""What statistics cost: rolling up a ledger from nothing, one minute more of it, proving it, reading it, pruning it.

``--jobs`` settled jobs over 30 days. Minutes more are counted in turn on this ledger and, in a process beside it, on
one of 10,000 jobs: the ratio is to be at most 1.5, since the cost of a run is to follow what is new, not what is there.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from benchmarks import figures, ground
from benchmarks.bulk import Maker
from benchmarks.minutes import A_MINUTE, BEGIN, DAYS, analyze, caught_up, more
from jobs_app.core import clock
from jobs_app.core.retention import pruning
from jobs_app.core.rollups import proof
from jobs_app.core.turns import Turns
from jobs_app.models import Event, Rollup
from jobs_app.reads import statistics as reads
from jobs_app.steps import Step

SMALL = 10_000
MINUTES = 41
PRUNED = 5_000
MOST = 1.5
T = TypeVar("T")


def main() -> int:
    """Measure, print, keep. Returns 1 if a minute more costs too much."""
    settings, jobs, database = ground.settings(), ground.options.jobs, ground.options.database
    maker = Maker()
    maker.make(jobs, BEGIN, DAYS)
    analyze()
    figures.say(f"{jobs:,} jobs are there")
    seconds, events = _timed(caught_up)
    figures.say(f"rolled up {events:,} events in {seconds:.1f} s")
    with _beside(database) as ask:
        here = more(maker)
        pairs = [(ask(), next(here)) for _ in range(MINUTES)][1:]  # the first warms up
    small, large = ([pair[place] for pair in pairs] for place in (0, 1))
    maker.done()
    proved, differences = _timed(_prove)
    if differences:
        sys.exit(f"expected no difference from the ledger, got {differences:,}")
    read = _read()
    pruned, gone = _timed(lambda: pruning.prune_jobs(now=clock.database_now(), turns=Turns(PRUNED // pruning.JOBS)))
    ratio = statistics.median(large) / statistics.median(small)
    rows = [
        {"what": "from nothing, events a second", "figure": round(events / seconds)},
        {"what": "from nothing, jobs a second", "figure": round(jobs / seconds)},
        {"what": f"a minute more ({3 * A_MINUTE} events), {SMALL:,} jobs (ms)", **_spread(small)},
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
    figures.keep(
        f"rollups-{database}", {**settings, "jobs": jobs, "events": events},
        {"rows": table, "small_ms": small, "large_ms": large},
    )  # fmt: skip
    return int(ratio > MOST)


@contextmanager
def _beside(database: str) -> Iterator[Callable[[], float]]:
    """The small ledger in a process of its own; gives the call that counts one minute more there."""
    command = [sys.executable, "-m", "benchmarks.minutes", "--database", database, "--jobs", str(SMALL)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    if process.stdin is None or process.stdout is None or process.stdout.readline().strip() != "ready":
        sys.exit("expected the small ledger to be ready")
    asked, told = process.stdin, process.stdout

    def ask() -> float:
        asked.write("more\n")
        return float(told.readline())

    try:
        yield ask
    finally:
        asked.close()
        process.wait(60)


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
