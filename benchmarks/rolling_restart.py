"""Two workers under a steady load are restarted in turn (SIGTERM, wait, start): what is lost, doubled, delayed.

The same load runs first without restarts. A job's wait is from its due time to its first claim. Each handler appends
its starts and ends to a file, so that what really ran is counted beside the ledger. Promised: nothing lost, nothing
run twice, no job delayed by more than 5 s and the workers' grace; the program ends with 1 if that does not hold.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks import figures, ground, promises
from jobs_app import conf
from jobs_app.core import submission, transport
from jobs_app.lifecycle import FINAL, State
from jobs_app.models import Job

SECONDS = 120.0
EACH_SECONDS = 0.2
"""From one submission to the next."""
LONG_EVERY = 10
LONG_SECONDS = (2.0, 3.0)
BETWEEN_SECONDS = 4.0
PATIENCE = 300.0


class Load(threading.Thread):
    """Submits short jobs at a steady pace, and now and then one of 2 to 3 s, until it is told to end."""

    def __init__(self, effects: Path) -> None:
        super().__init__(daemon=True)
        self.ids: list[UUID] = []
        self.ended = threading.Event()
        self._effects = effects

    def run(self) -> None:
        """The thread."""
        began, number = time.monotonic(), 0
        while not self.ended.wait(max(0.0, began + number * EACH_SECONDS - time.monotonic())):
            number += 1
            seconds = ground.chance.uniform(*LONG_SECONDS) if number % LONG_EVERY == 0 else 0.02
            job = submission.submit("probe.marks", {"file": str(self._effects), "seconds": seconds})
            self.ids.append(job.id)


def main() -> int:
    """Measure both, print, keep, judge."""
    settings = ground.settings()
    grace = settings["stop_grace_seconds"] = conf.current().stop_grace_seconds
    transport.publisher.drain()
    for name in ("upkeep", "beat"):
        ground.ready(name)
    workers = {node: ground.worker(node) for node in ("first", "second")}
    rows, stops = [], []
    for restarts in (False, True):
        load = Load(ground.directory / f"effects-{restarts}")
        load.start()
        ends = time.monotonic() + SECONDS * ground.options.scale
        while time.monotonic() < ends:
            threading.Event().wait(BETWEEN_SECONDS)
            if restarts:
                stops += [_restart(workers, node) for node in list(workers)]
        load.ended.set()
        load.join()
        left = Job.objects.filter(id__in=load.ids).exclude(state__in=FINAL)
        ground.wait(lambda left=left: not left.exists(), PATIENCE, "every job to end", pause=0.5)
        rows.append(_row("with restarts" if restarts else "without", load, ground.directory / f"effects-{restarts}"))
    figures.table(f"Rolling restart of two workers, {ground.options.database}", rows)
    stopped = {"restarts": len(stops), **{f"stop {name} s": value for name, value in figures.spread(stops, 1).items()}}
    stopped["largest added delay s"] = round(rows[1]["max"] - rows[0]["p50"], 3)
    figures.table("Restarts", [stopped])
    figures.keep(f"rolling-restart-{ground.options.database}", settings, {"rows": rows, "restarts": stopped})
    return figures.verdict(promises.of_rolling_restart(rows, stopped, grace))


def _restart(workers: dict[str, ground.Process], node: str) -> float:
    """Stop a worker as a deployment does and start it again; returns how long the stop took."""
    began = time.monotonic()
    workers[node].stop()
    stopped = time.monotonic() - began
    workers[node] = ground.worker(node)
    return stopped


def _row(title: str, load: Load, effects: Path) -> dict[str, Any]:
    jobs = list(Job.objects.filter(id__in=load.ids))
    waits = [(job.started_at - job.due_at).total_seconds() for job in jobs if job.started_at is not None]
    starts = Counter(line.split()[1] for line in effects.read_text().splitlines() if line.startswith("start"))
    return {
        "wait (s)": title, **figures.summary(waits),
        "succeeded": sum(job.state == State.SUCCEEDED for job in jobs),
        "lost": sum(str(job.id) not in starts or not job.final for job in jobs),
        "run twice": sum(times > 1 for times in starts.values()),
        "attempts > 1": sum(job.attempt > 1 for job in jobs),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
