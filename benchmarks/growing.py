"""What folding 10,000 new rows costs in a dataset of 100,000 rows and in one of 1,000,000; and building one anew.

Both are in one ledger, and take turns, so that they meet the same noise. The ratio is to be at most 1.5: the cost of a
fold is to follow what is new, not what is there. ``--scale 0.1`` makes both a tenth as large.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model

from benchmarks import figures, ground
from jobs_app.authoring import DetachedContext
from tasks.kinds.growing import datasets, folding
from tasks.kinds.growing.models import Bucket, Dataset
from tasks.kinds.growing.rows import Layout

SMALL, LARGE, NEW = 100_000, 1_000_000, 10_000
TURNS = 11
MOST = 1.5
BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
GROUPS = ("EWR", "JFK", "LGA")
HOURLY = 40
"""Rows of an hour, as of the flights from New York: a larger dataset is a longer one, with more buckets."""


class Source:
    """Rows as they come, on and on; one in a hundred comes late, by up to a year."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self._made = 0

    def append(self, count: int) -> None:
        """Append so many rows."""
        datasets.append_rows(self.dataset, [self._row() for _ in range(count)], key=None, now=BEGIN)

    def _row(self) -> dict[str, Any]:
        self._made += 1
        at = BEGIN + timedelta(hours=self._made // HOURLY)
        if self._made % 100 == 0:
            at -= timedelta(hours=ground.chance.randrange(365 * 24))
        return {"at": at.isoformat(), "origin": GROUPS[self._made % 3], "delay": self._made * 7919 % 600 - 60}


def main() -> int:
    """Measure, print, keep. Returns 1 if a fold into the larger one costs too much."""
    settings, database = ground.settings(), ground.options.database
    owner = get_user_model().objects.create_user("owner")
    layout = Layout("at", ("origin",), ("delay",))
    sources, rows = [], []
    for size in (ground.scaled(SMALL), ground.scaled(LARGE)):
        source = Source(datasets.create(owner, f"{size:,} rows", layout, now=BEGIN)[0])
        for _ in range(0, size, NEW):
            source.append(NEW)
        seconds, _ = _timed(partial(_fold, source.dataset))
        buckets = Bucket.objects.filter(rollup__dataset=source.dataset).count()
        rows.append({"what": f"{size:,} rows from nothing ({buckets:,} buckets), rows a second",
                     "figure": round(size / seconds)})  # fmt: skip
        sources.append(source)
    walls, processors = _turns(sources)
    for source, wall, processor in zip(sources, walls, processors, strict=True):
        rows.append({"what": f"{NEW:,} rows more, {source.dataset.name} (ms)", **_spread(wall)})
        rows.append({"what": "of that this process's processor time (ms)", **_spread(processor)})
    ratio, of_processor = (statistics.median(each[1]) / statistics.median(each[0]) for each in (walls, processors))
    rows.append({"what": f"their ratio (at most {MOST})", "figure": round(ratio, 2)})
    rows.append({"what": "their ratio in processor time", "figure": round(of_processor, 2)})
    seconds, _ = _timed(lambda: _recompute(sources[1].dataset))
    rows.append({"what": f"building {sources[1].dataset.name} anew and comparing (s)", "figure": round(seconds, 1)})
    table = [{"what": "", "figure": "", "least": "", "greatest": "", **each} for each in rows]
    figures.table(f"Growing datasets, {database}", table)
    figures.keep(f"growing-{database}", settings, {"rows": table, "small_ms": walls[0], "large_ms": walls[1]})
    return int(ratio > MOST)


def _turns(sources: list[Source]) -> tuple[list[list[float]], list[list[float]]]:
    """Milliseconds of each fold of new rows, by dataset: on the clock, and of this process's processor."""
    walls, processors = ([[] for _ in sources] for _ in range(2))
    for turn in range(TURNS):
        for place, source in enumerate(sources):
            source.append(NEW)
            wall, processor = _timed(partial(_fold, source.dataset))
            if turn:  # the first warms up
                walls[place].append(1000 * wall)
                processors[place].append(1000 * processor)
    return walls, processors


def _spread(values: list[float]) -> dict[str, float]:
    found = figures.spread(values, 1)
    return {"figure": found["median"], "least": found["least"], "greatest": found["greatest"]}


def _fold(dataset: Dataset) -> None:
    folding.fold(dataset, job=None, context=DetachedContext(), now=BEGIN)


def _recompute(dataset: Dataset) -> None:
    wrong = folding.recompute(dataset, context=DetachedContext(), now=BEGIN)
    if wrong:
        sys.exit(f"expected the same table, got {wrong:,} differences")


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the clock, and of this process's processor."""
    began, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - processor


if __name__ == "__main__":
    sys.exit(main())
