"""When not to believe the capacity planner: where its assumptions do not hold, in plain sentences. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from jobs_app.queueing import SLOTS, Load

VARIED, EVEN = 1.5, 0.5
"""Squared coefficients of variation and indices of dispersion beyond these are told; the formulas take 1."""

BRINK = 0.95
FEW = 30
"""Measurements below which a mean says little: its error is about the deviation / √30, a fifth of it."""

STRETCHES = 12


def warnings(load: Load, *, dispersion: float | None = None, samples: int | None = None) -> list[str]:
    """What speaks against the forecast of this load.

    dispersion: of the measured arrivals; samples: how many measurements the figures rest on. None: not measured.
    """
    return [*_of_slots(load), *_of_service(load), *_of_arrivals(dispersion), *_of_samples(samples)]


def dispersion(arrivals: Sequence[tuple[float, int]]) -> float | None:
    """The index of dispersion of arrivals, given as (seconds, jobs) of successive stretches of time.

    1 for independent (Poisson) arrivals, more for bursts, 0 for a steady beat: the variance of the counts over their
    mean, each stretch against what the mean rate lets expect in its length (Cox and Lewis, The Statistical Analysis
    of Series of Events, 1966). None when there are too few to tell.
    """
    told = [(seconds, jobs) for seconds, jobs in arrivals if seconds > 0]
    total = sum(jobs for _, jobs in told)
    if len(told) < STRETCHES or total < FEW:
        return None
    rate = total / sum(seconds for seconds, _ in told)
    return sum((jobs - rate * seconds) ** 2 / (rate * seconds) for seconds, jobs in told) / (len(told) - 1)


def _of_slots(load: Load) -> list[str]:
    share = f"{load.utilisation:.0%}".replace("%", " %")
    if load.spare_rate <= 0:
        least = math.floor(load.offered) + 1
        needed = f"at least {least:,} are needed" if least <= SLOTS else f"even {SLOTS:,} would not do"
        return [
            f"Jobs come faster than {load.slots:,} slot{'s' * (load.slots > 1)} can do them (utilisation {share}): "
            f"the queue grows without bound; {needed}."
        ]
    if load.utilisation > BRINK:
        return [
            f"At a utilisation of {share} the waits hang on a hair: a few per cent more jobs, or a little longer ones, "
            "and the queue grows without bound."
        ]
    return []


def _of_service(load: Load) -> list[str]:
    if load.service_deviation is None:
        return [
            "How much service times vary is not known; exponential times were taken. Jobs that all take the same time "
            "wait about half as long, jobs that vary more wait longer."
        ]
    if load.variation > VARIED:
        much = "far more than exponential times (1): a few long jobs hold up many"
    elif load.variation < EVEN:
        much = "less than exponential times (1)"
    else:
        return []
    return [
        f"Service times vary {much}; their squared coefficient of variation is {load.variation:.1f}. "
        "The waits are scaled for it, by an approximation."
    ]


def _of_arrivals(index: float | None) -> list[str]:
    if index is None or EVEN <= index <= VARIED:
        return []
    words = (
        "in bursts: waits are longer than told here"
        if index > VARIED
        else "more evenly than by chance: waits are shorter than told here"
    )
    return [f"Jobs come {words} (their index of dispersion is {index:.1f}; the formulas take 1)."]


def _of_samples(samples: int | None) -> list[str]:
    if samples is None or samples >= FEW:
        return []
    few = f"Only {samples} attempt{'' if samples == 1 else 's'} measured" if samples else "No attempt was measured yet"
    return [f"{few}: the figures may be far off ({FEW} would do)."]
