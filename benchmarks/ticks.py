"""What 5,000 schedules cost: CPU seconds of a scheduler's turn, how fast all of them are decided when they are due at
the same moment, and how soon an edit is noticed by a beat that runs.

CPU is that of the process that decides; PostgreSQL's own is not in it, SQLite's is.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks import figures, ground
from jobs_app.core import clock
from jobs_app.core.schedules import changes, ticks
from jobs_app.models import Schedule
from tasks.ticker import TURN_SECONDS
from tests.support import ticking

SCHEDULES = 5_000
TURNS = 20
EDITS = 20
STEADY_SECONDS = 30.0
MOST_CPU, MOST_PICKUP = 1.0, 10.0


def main() -> int:
    """Measure, print, keep. Returns 1 if a turn or a pickup takes too long."""
    settings, count = ground.settings(), ground.scaled(SCHEDULES, 100)
    ticking.crowd(count, clock.database_now() + timedelta(days=1))
    taken = [_cpu(lambda: changes.reconcile(now=clock.database_now(), seconds=TURN_SECONDS)) for _ in range(TURNS)]
    while changes.reconcile(now=clock.database_now()):
        pass
    looks = [_cpu(lambda: ticks.run_due(now=clock.database_now())) for _ in range(TURNS)]
    follows = [_cpu(lambda: changes.reconcile(now=clock.database_now())) for _ in range(TURNS)]
    turns = _all_at_once()
    beat = ground.ready("beat")
    pickups = _edit()
    steady = _steady(beat.pid)
    worst = max(*taken, *looks, *follows, *turns)
    rows = [
        {"what": "a turn that makes or settles new ones, CPU ms", **_spread(taken, 1000)},
        {"what": "a look for what is due, nothing is, CPU ms", **_spread(looks, 1000)},
        {"what": "a look for edits, none is there, CPU ms", **_spread(follows, 1000)},
        {"what": "a turn while all are due at once, CPU ms", **_spread(turns, 1000)},
        {"what": "all due at once, decided a second of CPU", "median": round(count / sum(turns))},
        {"what": "an edit by QuerySet.update is noticed, s", **_spread(pickups, 1)},
        {"what": "beat with nothing due, part of a core", "median": round(steady, 3)},
    ]
    table = [{name: row.get(name, "") for name in ("what", "median", "least", "greatest")} for row in rows]
    figures.table(f"{count:,} schedules, {ground.options.database}", table)
    figures.keep(f"ticks-{ground.options.database}", {**settings, "schedules": count}, {"rows": table})
    return int(worst > MOST_CPU or max(pickups) > MOST_PICKUP)


def _all_at_once() -> list[float]:
    """Everything is due at one moment, far away in time; the CPU of each of the turns that it takes."""
    first = Schedule.objects.exclude(next_due_at=None).order_by("next_due_at")[0].next_due_at
    assert first is not None
    at = first + timedelta(hours=23)
    found = []
    while Schedule.objects.filter(look_at__lte=at).exists():
        found.append(_cpu(lambda: ticks.run_due(now=at, seconds=TURN_SECONDS)))
    return found


def _edit() -> list[float]:
    """Seconds until each of some edits, made at random moments past all signals, stands in the schedule's row."""
    found = []
    for key in list(Schedule.objects.exclude(look_at=None).values_list("pk", flat=True)[:EDITS]):
        ground.until(lambda: False, ground.chance.uniform(0.5, 5.0))
        start = (clock.database_now() + timedelta(days=9)).replace(microsecond=0)
        ticking.postpone(key, start)
        began = time.monotonic()
        ground.wait(lambda key=key, start=start: _next(key) >= start, 60, "an edit to be noticed")  # type: ignore[misc]
        found.append(time.monotonic() - began)
    return found


def _next(key: int) -> datetime:
    due = Schedule.objects.get(pk=key).next_due_at
    assert due is not None
    return due


def _steady(pid: int) -> float:
    began, used = time.monotonic(), _used(pid)
    ground.until(lambda: False, STEADY_SECONDS)
    return (_used(pid) - used) / (time.monotonic() - began)


def _used(pid: int) -> float:
    """CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _spread(values: list[float], times: float) -> dict[str, float]:
    return figures.spread([each * times for each in values], 1)


if __name__ == "__main__":
    sys.exit(main())
