"""What a scrape of /metrics costs on a ledger of ``--jobs``, many of which wait: at most 100 ms at p95."""

from __future__ import annotations

import statistics
import time

from django.db import connection
from django.test.utils import CaptureQueriesContext

from benchmarks import figures, ground
from benchmarks.bulk import Maker
from benchmarks.minutes import BEGIN, DAYS, analyze
from jobs_app import registry
from jobs_app.models import Total
from jobs_app.models.guard import writing
from jobs_app.web import metrics

SCRAPES = 100
BINS = 250
MOST_MS = 100.0
WAITING = (
    ("queued", "kind1", "dispatched_at = NULL"),
    ("blocked", "kind2", "dispatched_at = NULL"),
    ("scheduled", "kind3", "dispatched_at = NULL, attempt = 0"),
)
"""A fifth of the jobs of five kinds each: what is counted only so far."""


def main() -> int:
    """Measure, print, keep. Returns 1 if a scrape takes too long."""
    settings, jobs, database = ground.settings(), ground.options.jobs, ground.options.database
    maker = Maker()
    maker.make(jobs, BEGIN, DAYS)
    maker.done()
    with connection.cursor() as cursor:
        for state, kind, also in WAITING:
            cursor.execute(
                f"UPDATE jobs_app_job SET state = %s, finished_at = NULL, {also} "  # noqa: S608
                "WHERE kind = %s", [state, kind],
            )  # fmt: skip
    bins = {str(number): number + 1 for number in range(BINS)}
    with writing():
        Total.objects.bulk_create(
            Total(queue=kind.queue, kind=kind.name, submitted=jobs, wait=bins, run=bins, wait_micros=1, run_micros=1)
            for kind in registry.all_kinds()
        )
    analyze()
    text = metrics.text()
    taken = sorted(_scrape() for _ in range(SCRAPES))
    began = time.process_time()
    for _ in range(SCRAPES):
        metrics.text()
    spent = (time.process_time() - began) * 1000 / SCRAPES
    with CaptureQueriesContext(connection) as asked:
        metrics.text()
    p95 = taken[SCRAPES * 95 // 100]
    rows = [
        {"what": "a scrape, least (ms)", "figure": round(taken[0], 1)},
        {"what": "a scrape, p50 (ms)", "figure": round(statistics.median(taken), 1)},
        {"what": f"a scrape, p95 (ms), at most {MOST_MS:g}", "figure": round(p95, 1)},
        {"what": "of which CPU of this process (ms)", "figure": round(spent, 1)},
        {"what": "queries", "figure": len(asked)},
        {"what": "kinds", "figure": len(registry.all_kinds())},
        {"what": "bytes", "figure": len(text)},
    ]
    figures.table(f"/metrics, {jobs:,} jobs, {database}", rows)
    figures.keep(f"metrics-{database}", {**settings, "jobs": jobs}, {"rows": rows, "taken_ms": taken})
    return int(p95 > MOST_MS)


def _scrape() -> float:
    began = time.perf_counter()
    metrics.text()
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    raise SystemExit(main())
