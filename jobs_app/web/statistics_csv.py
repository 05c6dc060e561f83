"""Statistics as CSV: a line a bucket, the same figures as the API's, written as they are sent."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from jobs_app.reads.statistics_views import StatisticsView
from jobs_app.web import statistics_charts

COUNTS = ("submitted", "refused", "started", "succeeded", "failed", "retried", "cancelled", "rescued")
DURATIONS = tuple((name, part) for name in ("wait", "run") for part in ("count", "mean", "p50", "p95", "p99"))
COLUMNS = (
    "at", "step", "complete", "queue", "kind", "owner", *COUNTS,
    *(f"{name}_{part}" for name, part in DURATIONS), "oldest_age_max",
)  # fmt: skip
"""Times in UTC, durations in seconds; empty where nothing was measured."""

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")


class _Line:
    """What csv writes into: it gives the line back."""

    def write(self, text: str) -> str:
        return text


def lines(found: StatisticsView, *, queue: str, kind: str, owner: str) -> Iterator[str]:
    """The table, line by line, its head first."""
    writer = csv.writer(_Line())
    ages = statistics_charts.oldest(found)
    yield writer.writerow(COLUMNS)
    asked = [safe(each) for each in (queue, kind, owner)]
    for point in found.points:
        durations = [getattr(getattr(point, name), part) for name, part in DURATIONS]
        yield writer.writerow(
            [
                point.at.isoformat(), found.step.value, "yes" if point.complete else "no", *asked,
                *(getattr(point, name) for name in COUNTS), *durations, ages.get(point.at),
            ]
        )  # fmt: skip


def safe(text: Any) -> str:
    """Text that no spreadsheet takes for a formula: one that begins like it has an apostrophe before it (OWASP)."""
    words = str(text)
    return f"'{words}" if words.startswith(FORMULAS) else words
