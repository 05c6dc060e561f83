"""A load second by second: for the picture, and kept as CSV."""

from __future__ import annotations

import csv
import math
import statistics
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

COLUMNS = ("queue", "second", "depth", "running", "accepted", "refused", "other", "wait_p50", "wait_least", "wait_most")


def by_second(load: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row a second, 0 being when the clients came. Depth is the greatest seen in it; waits are in seconds, of the
    jobs that were submitted in it, empty if there were none."""
    depths, answers, waits = defaultdict(list), defaultdict(lambda: [0, 0, 0]), defaultdict(list)
    for at, waiting, running in load["samples"]:
        depths[_second(load, at)].append((waiting, running))
    for at, _, status in load["sent"]:
        answers[_second(load, at)][0 if status == 202 else 1 if status == 503 else 2] += 1
    for created, wait in load["jobs"]:
        waits[_second(load, created)].append(wait)
    name = "unbounded" if load["limit"] is None else "bounded"
    rows = []
    for second in sorted(depths):
        accepted, refused, other = answers[second]
        found = waits[second]
        middle, least, most = (statistics.median(found), min(found), max(found)) if found else ("", "", "")
        depth, running = max(depths[second])
        values = (name, second, depth, running, accepted, refused, other, middle, least, most)
        rows.append(dict(zip(COLUMNS, (round(v, 2) if isinstance(v, float) else v for v in values), strict=True)))
    return rows


def keep(rows: list[dict[str, Any]], path: Path) -> None:
    """Write them as CSV."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _second(load: Mapping[str, Any], at: float) -> int:
    return math.floor(at - load["begin"])
