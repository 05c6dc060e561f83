"""How fast an API token may submit: a token bucket, as the generic cell rate algorithm keeps it (ITU-T I.371, 2004).

Its one number, when the bucket will be full again, is a row that all web processes see. A process takes one from it,
and twice as many each time that they are used up: so not every submission of a busy token writes, and little is taken
that is not needed.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from jobs_app.core import queries
from jobs_app.models import RateBucket
from jobs_app.models.guard import writing

BATCH_SECONDS = 0.1
"""A process takes at most what the rate allows in so long, at once."""

CREDIT_SECONDS = 1.0
"""What was not spent by then is lost."""

REMEMBERED = 10_000


@dataclass(frozen=True)
class Taken:
    """What came of asking a bucket: credits, or how many seconds until there is one. left: about what remains."""

    credits: int
    wait: float
    left: int


@dataclass
class _Purse:
    taken: Taken
    credits: int
    until: float


def fill(full_at: datetime, wanted: int, *, rate: float, burst: int, now: datetime) -> tuple[Taken, datetime]:
    """Take up to ``wanted`` from a bucket of ``burst`` that gains ``rate`` a second; returns when it is full again."""
    begin = max(full_at, now)
    there = burst - (begin - now).total_seconds() * rate
    granted = min(wanted, math.floor(there + 1e-6))
    if granted < 1:
        return Taken(0, (1 - there) / rate, 0), full_at
    return Taken(granted, 0.0, int(there) - granted), begin + timedelta(seconds=granted / rate)


class Rates:
    """What this process took from the buckets. ``clock`` in seconds; tests pass their own."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """Begin anew: in a forked child, and for each test."""
        self._purses: OrderedDict[int, _Purse] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, token: int, *, rate: float, burst: int, now: datetime) -> Taken:
        """Let one submission of a token pass, or say how long it has to wait."""
        wanted = 1
        with self._lock:
            purse = self._purses.get(token)
            if purse is not None and self._clock() < purse.until:
                if purse.taken.credits == 0:
                    return purse.taken
                if purse.credits > 0:
                    purse.credits -= 1
                    return Taken(1, 0.0, purse.taken.left + purse.credits)
                wanted = max(1, min(2 * purse.taken.credits, int(rate * BATCH_SECONDS), burst // 4))
        taken = _take(token, wanted, rate=rate, burst=burst, now=now)
        with self._lock:
            lasts = CREDIT_SECONDS if taken.credits else min(taken.wait, BATCH_SECONDS)
            self._purses[token] = _Purse(taken, taken.credits - 1, self._clock() + lasts)
            self._purses.move_to_end(token)
            while len(self._purses) > REMEMBERED:
                self._purses.popitem(last=False)
        return taken

    def left(self, token: int) -> int | None:
        """About how many more the token may submit at once; None when it did not submit here lately."""
        with self._lock:
            purse = self._purses.get(token)
            return None if purse is None else purse.taken.left + max(purse.credits, 0)


def _take(token: int, wanted: int, *, rate: float, burst: int, now: datetime) -> Taken:
    with queries.brief(), writing():
        RateBucket.objects.bulk_create([RateBucket(token_id=token, full_at=now)], ignore_conflicts=True)
        row = queries.locked(RateBucket.objects.filter(token_id=token)).get()
        taken, full_at = fill(row.full_at, wanted, rate=rate, burst=burst, now=now)
        RateBucket.objects.filter(token_id=token).update(full_at=full_at)
    return taken


rates = Rates()
os.register_at_fork(after_in_child=rates.forget)
