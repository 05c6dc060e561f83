"""What must hold of the figures: each promise with the figure found and its bound. Pure functions of a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import figures
from benchmarks.figures import Check

CHILD_SECONDS, WORKER_SECONDS = 5.0, 30.0
"""From the signal that killed a job's process, or its whole worker, to the claim of the next attempt: p99."""

FLUSH_SECONDS = 5.0
"""From a flush to the first message on the broker again, and to the first claim of a job that had lost its own."""

SLOWER = 1.5
"""p99 of submissions while the broker is away, against the blocks beside them: the median of the blocks' ratios. One
block is so short that its p99 is a single request, which may have met anything."""

RESTART_SECONDS = 5.0
"""What a rolling restart may add to a job's wait, beside the grace of the worker that stops."""

Row = Mapping[str, Any]


def of_rescue(children: Sequence[float], workers: Sequence[float]) -> list[Check]:
    """Of processes that were killed; seconds until their jobs were claimed again."""
    return [
        _at_most("a worker's child killed, p99, s", figures.percentile(children, 0.99), CHILD_SECONDS),
        _at_most("a whole worker killed, p99, s", figures.percentile(workers, 0.99), WORKER_SECONDS),
    ]


def of_flush(flushes: Sequence[Row], ended: Row) -> list[Check]:
    """Of a broker that lost every message, with no worker and with two."""
    fewest = min(each["lost messages"] for each in flushes)
    claims = [each["lost job claimed"] for each in flushes if each["lost job claimed"] is not None]
    return [
        Check("messages lost, the fewest of a flush", str(fewest), "> 0: else the figures say nothing", fewest > 0),
        _at_most("a message again after a flush, s", max(each["message again"] for each in flushes), FLUSH_SECONDS),
        _at_most("a lost job claimed after a flush, s", max(claims), FLUSH_SECONDS),
        _at_most("messages on the broker", ended["greatest depth"], ended["window"]),
        _all("jobs that succeeded at the first attempt", ended["succeeded at the first attempt"], ended["jobs"]),
    ]


def of_broker_away(title: str, rows: Sequence[Row], jobs: int, succeeded: int) -> list[Check]:
    """Of submissions while the broker is away; that each was answered 202 is seen to where they are made."""
    return [
        *(_at_most(f"{title}, {row['broker']}: p99 away / normal", row["median p99 ratio"], SLOWER) for row in rows),
        _all(f"{title}: jobs that succeeded", succeeded, jobs),
    ]


def of_rolling_restart(rows: Sequence[Row], restarts: Row, grace: float) -> list[Check]:
    """Of a load without restarts and one with them."""
    jobs, succeeded, lost, twice = (
        sum(row[name] for row in rows) for name in ("count", "succeeded", "lost", "run twice")
    )
    return [
        Check("restarts", str(restarts["restarts"]), "> 0: else the figures say nothing", restarts["restarts"] > 0),
        _all("jobs that succeeded", succeeded, jobs),
        _at_most("jobs lost", lost, 0),
        _at_most("jobs run twice", twice, 0),
        _at_most("largest added delay, s", restarts["largest added delay s"], RESTART_SECONDS + grace),
    ]


def _at_most(check: str, found: float, bound: float) -> Check:
    return Check(check, f"{found:g}", f"at most {bound:g}", found <= bound)


def _all(check: str, found: int, jobs: int) -> Check:
    return Check(check, str(found), f"= {jobs}", found == jobs > 0)
