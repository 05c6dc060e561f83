"""Ranges: how long until a job starts and ends, in seconds from a queue's pulse. Pure arithmetic.

Expected start = (work ahead + what is left of the jobs that run) / slots that are busy. The range is that, give or take
how much the durations vary, and a stated doubt about the measurement itself. Aimed at: four true starts of five lie
within. Retries, and jobs of higher priority that come later, are not counted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from jobs_app.core import pulses
from jobs_app.core.pulses import KindPace, Pulse

LATENCY = 2.0
"""Seconds within which a free worker starts a job: publishing, the broker, and its turn."""

DEVIATIONS = 1.4
"""How many standard deviations a range reaches to each side."""

OVERHEAD = 0.02
"""Seconds that a job takes beyond its own duration, where that has not been measured."""

MOST_OVERHEAD = 0.25


@dataclass(frozen=True)
class Capacity:
    """Slots that work on a queue, seconds a job takes beyond its own duration, and the doubt as a part of the whole."""

    slots: float
    overhead: float
    doubt: float


def start_range(work_ahead: Mapping[str, float], pulse: Pulse) -> tuple[float, float] | None:
    """Seconds from the pulse's moment until a job starts that has so many jobs of each kind before it.

    Returns (not before, not later than); None when nothing drains the queue, or no duration was ever measured. More
    work ahead never makes either end earlier.
    """
    if not pulse.drains:
        return None
    if sum(work_ahead.values()) + pulse.running < pulse.slots:
        return 0.0, LATENCY
    working, usual = capacity(pulse), typical(pulse)
    if usual is None:
        return None
    loads = []  # (mean, variance, least mean) of all jobs of a kind together; short ones may share what is overhead
    for kind, count in work_ahead.items():
        pace = pulse.paces.get(kind)
        mean, deviation = (pace.mean, pace.deviation) if pace else (usual.mean, 2 * usual.mean)
        least = mean if pace and pace.short else mean + working.overhead
        loads.append((count * (mean + working.overhead), count * deviation**2, count * least))
    residual = (pulses.pooled(p for k in pulse.busy if (p := pulse.paces.get(k))) or usual).residual
    first_free, spread = 2 * residual / (working.slots + 1), 1.4 * residual / (working.slots + 1)
    return _range(loads, working.slots, working.doubt, first_free, spread)


def finish_range(start: tuple[float, float], kind: str, pulse: Pulse) -> tuple[float, float] | None:
    """The seconds until the job has ended: its start and what nine of ten of its kind take, retries not counted."""
    pace = pulse.paces.get(kind)
    if pace is not None:
        return start[0] + pace.p10, start[1] + pace.p90
    usual = typical(pulse)
    return (start[0], start[1] + 3 * usual.mean) if usual is not None else None


def capacity(seen: Pulse) -> Capacity:
    """Who works on this queue: as measured while it had a backlog, else all slots that listen to it.

    What slots were idle between jobs is a time that each job takes beyond its own, up to a quarter of a second; what
    they were idle beyond that, they were busy elsewhere.
    """
    if not seen.work_rate or not seen.drain_rate:
        return Capacity(float(seen.slots), OVERHEAD, 0.5)
    overhead = min(max(seen.slots - seen.work_rate, 0.0) / seen.drain_rate, MOST_OVERHEAD)
    slots = min(seen.work_rate + seen.drain_rate * overhead, float(seen.slots))
    return Capacity(slots, overhead, 0.2 if seen.measured_seconds >= 20 else 0.35)


def typical(seen: Pulse) -> KindPace | None:
    """A usual job's pace; by Little's law, if no job of any kind has ever succeeded."""
    if seen.typical is not None:
        return seen.typical
    if not seen.drain_rate or not seen.work_rate:
        return None
    mean = seen.work_rate / seen.drain_rate
    return KindPace(0, mean, mean, 0.0, mean, 3 * mean, 3 * mean)


def _range(
    loads: list[tuple[float, float, float]], slots: float, doubt: float, first_free: float, spread: float
) -> tuple[float, float]:
    """A range from means and variances. What varies much may only widen it: the lower end leaves out work whose doubt
    outweighs it, the most doubtful first. So more work never lowers it."""
    work, variance = sum(mean for mean, _, _ in loads), sum(each for _, each, _ in loads)
    until = first_free + work / slots * (1 + doubt) + DEVIATIONS * math.hypot(math.sqrt(variance) / slots, spread)
    start, work, variance = first_free - DEVIATIONS * spread, 0.0, 0.0
    for _, each, least in sorted(loads, key=lambda load: load[1] / load[2] if load[2] else math.inf):
        work, variance = work + least, variance + each
        reach = DEVIATIONS * math.hypot(math.sqrt(variance) / slots, spread)
        start = max(start, first_free + work / slots * (1 - doubt) - reach)
    return max(start, 0.0), until + LATENCY
