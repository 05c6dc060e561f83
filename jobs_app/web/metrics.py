"""The ledger's figures in Prometheus' text format. They come from the database, so any web process answers the same."""

from __future__ import annotations

import math
import platform
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import accumulate

from django.db import Error, connection
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)  # fmt: skip
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from jobs_app import VERSION
from jobs_app.core import clock, transport
from jobs_app.core.patience import watch
from jobs_app.core.rollups.sums import Sums
from jobs_app.histograms import seconds_of
from jobs_app.lifecycle import State
from jobs_app.reads.figures import Figures, figures, free_bytes

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
SECONDS = 5.0
"""What the database may take for them in all; then they are told without its part."""

BOUNDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0)
"""Upper bounds of the buckets, in seconds. A duration near a bound may be counted on its other side: within 3 %."""

COUNTERS = {
    "submitted": ("weir_jobs_submitted", "Jobs that were accepted."),
    "started": ("weir_attempts_started", "Attempts that were started."),
    "succeeded": ("weir_jobs_succeeded", "Jobs that ended well."),
    "failed": ("weir_jobs_failed", "Jobs that failed for good."),
    "cancelled": ("weir_jobs_cancelled", "Jobs that were cancelled."),
    "retried": ("weir_attempts_retried", "Attempts after which another was planned."),
    "rescued": ("weir_attempts_rescued", "Attempts that were lost, and whose job was queued again."),
}
UNFINISHED = (State.BLOCKED, State.SCHEDULED, State.QUEUED, State.RUNNING, State.RETRYING)


def text() -> bytes:
    """Everything there is to tell now. If the database does not answer, that is told, and what needs no database."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Ledger())
    return generate_latest(registry)


class _Ledger(Collector):
    def collect(self) -> Iterator[Metric]:
        began = time.perf_counter()
        try:
            with watch.call(SECONDS):
                seen = figures(now=clock.database_now())
        except Error:
            connection.close()
            seen = None
        yield from _of_process(seen is not None)
        if seen is not None:
            yield from _of_queues(seen)
            yield from _of_totals(seen.totals)
            yield from _of_upkeep(seen)
        yield _gauge("weir_collect_seconds", "What it took to collect these figures.", time.perf_counter() - began)


def _of_process(ledger_up: bool) -> Iterator[Metric]:
    build = {"version": VERSION, "python": platform.python_version(), "database": connection.vendor}
    yield InfoMetricFamily("weir_build", "What runs.", build)
    yield _gauge("weir_ledger_up", "Whether the database answered.", ledger_up)
    yield _gauge(
        "weir_broker_circuit_open", "Whether this web process found the broker away a moment ago.",
        not transport.circuit.closed,
    )  # fmt: skip
    yield _gauge("weir_data_free_bytes", "Room left where artifacts are kept.", free_bytes())


def _of_queues(seen: Figures) -> Iterator[Metric]:
    jobs = GaugeMetricFamily("weir_jobs", "Jobs that have not ended.", labels=["queue", "state"])
    for queue in sorted({*seen.lanes, *(queue for queue, _ in seen.jobs)}):
        for state in UNFINISHED:
            jobs.add_metric([queue, state.value], seen.jobs[queue, state])
    yield jobs
    lanes = seen.lanes.items()
    for name, words, values in (
        ("limit_jobs", "Jobs that may wait; more are refused.", {q: e.policy.limit for q, e in lanes}),
        ("hard_limit_jobs", "The same with children and overflow.", {q: e.policy.hard_limit for q, e in lanes}),
        ("window_messages", "Messages on the broker at once.", {q: e.policy.window for q, e in lanes}),
        ("paused", "Whether nothing leaves it.", {q: e.policy.paused_at is not None for q, e in lanes}),
        ("oldest_age_seconds", "How long the oldest job has been due.", {q: e.oldest_age for q, e in lanes}),
        ("workers", "Worker processes that take its jobs.", {q: e.listening.processes for q, e in lanes}),
        ("slots", "Jobs that those run at once.", {q: e.listening.slots for q, e in lanes}),
    ):
        family = GaugeMetricFamily(f"weir_queue_{name}", words, labels=["queue"])
        for queue, value in values.items():
            family.add_metric([queue], float(value))
        yield family


def _of_totals(totals: Mapping[tuple[str, str], Sums]) -> Iterator[Metric]:
    of_kinds = {pair: sums for pair, sums in sorted(totals.items()) if pair[1]}
    for column, (name, words) in COUNTERS.items():
        counter = CounterMetricFamily(name, words, labels=["queue", "kind"])
        for pair, sums in of_kinds.items():
            counter.add_metric(pair, sums.counts[column])
        yield counter
    refused = CounterMetricFamily(
        "weir_submissions_refused", "Submissions that were refused for lack of room.", labels=["queue", "reason"]
    )
    for (queue, kind), sums in sorted(totals.items()):
        for reason, count in sorted(sums.refused.items()) if not kind else ():
            refused.add_metric([queue, reason], count)
    yield refused
    waits = {pair: (sums.wait, sums.wait_micros) for pair, sums in of_kinds.items()}
    yield _histogram("weir_job_wait_seconds", "Time in the queue before each start.", waits)
    runs = {pair: (sums.run, sums.run_micros) for pair, sums in of_kinds.items()}
    yield _histogram("weir_attempt_run_seconds", "Time of each attempt that ended by itself.", runs)


def _of_upkeep(seen: Figures) -> Iterator[Metric]:
    yield _gauge("weir_schedules_late", "Schedules whose time has come, and that nobody looks at.", seen.schedules_late)
    yield _gauge("weir_schedules_broken", "Schedules that are on and cannot tick.", seen.schedules_broken)
    yield _gauge("weir_upkeep_age_seconds", "Since upkeep measured the queues last.", seen.upkeep_age)
    yield _gauge("weir_rollup_age_seconds", "Since the statistics were complete last.", seen.rollup_age)


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, float(value))


def _histogram(
    name: str, words: str, parts: Mapping[tuple[str, str], tuple[Mapping[int, int], int]]
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, words, labels=["queue", "kind"])
    for pair, (bins, micros) in parts.items():
        family.add_metric(pair, buckets(bins), micros / 1e6)
    return family


def buckets(bins: Mapping[int, int]) -> list[tuple[str, float]]:
    """Fine bins as Prometheus' buckets: how many lasted no longer than each bound."""
    counts = [0] * (len(BOUNDS) + 1)
    for number, count in bins.items():
        counts[_place(number)] += count
    bounds: Iterable[float] = (*BOUNDS, math.inf)
    return [(_bound(bound), float(count)) for bound, count in zip(bounds, accumulate(counts), strict=True)]


@cache
def _place(number: int) -> int:
    """The bucket of a bin; there are few bins."""
    return bisect_left(BOUNDS, seconds_of(number))


def _bound(seconds: float) -> str:
    return "+Inf" if math.isinf(seconds) else repr(seconds)
