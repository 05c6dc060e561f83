"""Histograms of durations that can be added to one another, with quantiles of a known relative error.

A bin ends at 1 ms times a power of GROWTH, so each is wider than the one below by the same factor. The middle of a bin
is within ERROR of whatever lies in it, and so is any quantile that is read from it, however many histograms were added
before: bins add up exactly. That is the method of DDSketch (Masson, Rim, Lee: PVLDB 12, 2019) with every bin kept;
there are few, for a job takes between a millisecond and a month.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta

ERROR = 0.03
"""A quantile is within this part of the true one: the value that nearest rank names."""

GROWTH = (1 + ERROR) / (1 - ERROR)
LEAST = 1_000
"""Microseconds. Durations up to this share bin 0, which stands for half of it."""

_LOG_GROWTH = math.log(GROWTH)


def bin_of(micros: int) -> int:
    """The bin of a duration in microseconds. A clock that was set back makes no negative durations: they are 0."""
    return 0 if micros <= LEAST else math.ceil(math.log(micros / LEAST) / _LOG_GROWTH)


def micros_of(duration: timedelta) -> int:
    """A duration in whole microseconds, at least 0: exact, so that sums of it can be compared."""
    return max(duration // timedelta(microseconds=1), 0)


def seconds_of(number: int) -> float:
    """What stands for a bin: its middle, in seconds."""
    if number == 0:
        return LEAST / 2e6
    return LEAST / 1e6 * 2 * GROWTH**number / (GROWTH + 1)


def quantile(bins: Mapping[int, int], part: float) -> float | None:
    """The duration, in seconds, that ``part`` (0 to 1) of those counted do not exceed; None when none were counted."""
    total = sum(bins.values())
    if not total:
        return None
    rank, passed = max(1, math.ceil(part * total - 1e-9)), 0
    for number in sorted(bins):
        passed += bins[number]
        if passed >= rank:
            return seconds_of(number)
    raise AssertionError("the last bin holds the last rank")
