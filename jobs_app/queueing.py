"""How long jobs wait with so many slots: the formulas of the M/M/c queue.

Pure functions of three figures: jobs that arrive a second (λ), seconds that a job takes in mean (s = 1/μ), slots that
take jobs (c). Rates are in jobs a second, times in seconds. None: a wait or a length that grows without bound.

Sources
- Loss and delay formulas (B and C): A. K. Erlang, Solution of some problems in the theory of probabilities of
  significance in automatic telephone exchanges, Elektroteknikeren 13, 1917.
- The M/M/c queue and its waiting times: L. Kleinrock, Queueing Systems, volume 1: Theory, Wiley 1975, chapter 3.
- Length and wait, L = λW: J. D. C. Little, A proof for the queuing formula L = λW, Operations Research 9 (3), 1961.
- Service times that are not exponential (M/G/c), the wait of M/M/c times (1 + cv²) / 2, cv² being their squared
  coefficient of variation: A. M. Lee and P. A. Longton, Queueing processes associated with airline passenger check-in,
  Operational Research Quarterly 10, 1959. The formula of Allen and Cunneen (A. O. Allen, Probability, Statistics, and
  Queueing Theory, Academic Press 1990) is this for Poisson arrivals, here with Erlang's C and not Sakasegawa's (1977).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from jobs_app.errors import InvalidRequest

SLOTS = 100_000
RATE = 1e6
SECONDS_LEAST = 1e-6
SECONDS_MOST = 1e7
BACKLOG = 10**9
HIGH = 0.95
"""The part of the jobs that a target is for: 95 of 100."""


@dataclass(frozen=True)
class Load:
    """What comes in and what takes it. ``service_deviation`` is the standard deviation; None: exponential times.

    Raises InvalidRequest for figures out of bounds.
    """

    arrival_rate: float
    service_seconds: float
    slots: int
    service_deviation: float | None = None

    def __post_init__(self) -> None:
        _check("an arrival rate", self.arrival_rate, 0, RATE, "jobs a second")
        _check("a service time", self.service_seconds, SECONDS_LEAST, SECONDS_MOST, "seconds")
        _check_slots(self.slots)
        if self.service_deviation is not None:
            _check("a deviation of the service time", self.service_deviation, 0, SECONDS_MOST, "seconds")

    @property
    def offered(self) -> float:
        """Slots that would be busy in mean if there were enough, λs, in erlang."""
        return self.arrival_rate * self.service_seconds

    @property
    def utilisation(self) -> float:
        """The part of its time that a slot is busy, λs / c; 1 or more cannot last."""
        return self.offered / self.slots

    @property
    def spare_rate(self) -> float:
        """Jobs a second that the slots could do beyond those that arrive, cμ - λ; negative when they cannot keep up."""
        return (self.slots - self.offered) / self.service_seconds

    @property
    def variation(self) -> float:
        """The squared coefficient of variation of the service time."""
        return 1.0 if self.service_deviation is None else (self.service_deviation / self.service_seconds) ** 2


@dataclass(frozen=True)
class Forecast:
    """What a load leads to once it has lasted. Waits are from due to started; None where they grow without bound."""

    slots: int
    utilisation: float
    waiting_probability: float
    wait_mean: float | None
    wait_p50: float | None
    wait_p95: float | None
    queue_length: float | None


def losses(offered: float) -> Iterator[float]:
    """Erlang's B for 0, 1, 2, … slots: B(k) = aB(k-1) / (k + aB(k-1)).

    Every term is positive and at most 1, so nothing cancels or overflows, however many slots.
    """
    loss, slots = 1.0, 0
    while True:
        yield loss
        slots += 1
        loss = offered * loss / (slots + offered * loss)


def erlang_b(offered: float, slots: int) -> float:
    """The part of arrivals that find every slot busy where nothing may wait. Raises InvalidRequest."""
    _check("an offered load", offered, 0, RATE * SECONDS_MOST, "erlang")
    _check_slots(slots)
    return next(islice(losses(offered), slots, None))


def erlang_c(offered: float, slots: int) -> float:
    """The part of arrivals that have to wait; 1 when the slots cannot keep up. Raises InvalidRequest."""
    return _delayed(offered, slots, erlang_b(offered, slots))


def forecast(load: Load) -> Forecast:
    """What this load leads to."""
    return next(forecasts(load, load.slots, load.slots))


def forecasts(load: Load, least: int, most: int) -> Iterator[Forecast]:
    """What the same arrivals lead to with ``least`` to ``most`` slots, in one pass. Raises InvalidRequest."""
    _check_slots(least)
    _check_slots(most)
    for slots, loss in enumerate(islice(losses(load.offered), least, most + 1), least):
        delayed = _delayed(load.offered, slots, loss)
        mean = _mean_of_those_who_wait(load, slots)
        wait = None if mean is None else delayed * mean
        yield Forecast(
            slots=slots,
            utilisation=load.offered / slots,
            waiting_probability=delayed,
            wait_mean=wait,
            wait_p50=_quantile(delayed, mean, 0.5),
            wait_p95=_quantile(delayed, mean, HIGH),
            queue_length=None if wait is None else load.arrival_rate * wait,
        )


def wait_quantile(load: Load, part: float) -> float | None:
    """The wait that ``part`` of the jobs stay under; None when it grows without bound. Raises InvalidRequest.

    P(W > t) = C exp(-t / m), with m = 1 / (cμ - λ) for exponential times: so nobody waits up to the part 1 - C, and
    beyond it t = m ln(C / (1 - part)). For other times m is times (1 + cv²) / 2, which is an approximation.
    """
    if not 0 <= part < 1:
        raise InvalidRequest(f"expected a part of the jobs from 0 to below 1, such as 0.95, got {part}")
    delayed = erlang_c(load.offered, load.slots)
    return _quantile(delayed, _mean_of_those_who_wait(load, load.slots), part)


def slots_for(load: Load, target_seconds: float, part: float = HIGH) -> int | None:
    """The fewest slots with which ``part`` of the jobs wait at most the target; None: not with 100,000.

    The slots of ``load`` do not matter. Raises InvalidRequest.
    """
    _check("a target", target_seconds, 0, SECONDS_MOST, "seconds")
    if load.offered >= SLOTS:
        return None
    for slots, loss in enumerate(islice(losses(load.offered), SLOTS + 1)):
        if slots > load.offered:
            delayed = _delayed(load.offered, slots, loss)
            wait = _quantile(delayed, _mean_of_those_who_wait(load, slots), part)
            if wait is not None and wait <= target_seconds:
                return slots
    return None


def drain_seconds(load: Load, backlog: int) -> float | None:
    """How long until ``backlog`` waiting jobs are gone while others go on arriving: N / (cμ - λ).

    The flow is taken as even (a fluid), with every slot busy until the end. None: never, since the slots do not
    finish jobs faster than they arrive. Raises InvalidRequest.
    """
    _check("a backlog", backlog, 0, BACKLOG, "jobs")
    if load.spare_rate <= 0:
        return None if backlog else 0.0
    return backlog / load.spare_rate


def _delayed(offered: float, slots: int, loss: float) -> float:
    """Erlang's C from his B, C = cB / (c - a + aB): both parts of the sum are positive, so that nothing cancels."""
    return 1.0 if offered >= slots else slots * loss / (slots - offered + offered * loss)


def _mean_of_those_who_wait(load: Load, slots: int) -> float | None:
    free = slots - load.offered
    return None if free <= 0 else load.service_seconds / free * (1 + load.variation) / 2


def _quantile(delayed: float, mean: float | None, part: float) -> float | None:
    if mean is None:
        return None
    return mean * math.log(delayed / (1 - part)) if delayed > 1 - part else 0.0


def _check(what: str, value: float, least: float, most: float, unit: str) -> None:
    if not (math.isfinite(value) and least <= value <= most):
        raise InvalidRequest(f"expected {what} from {least:,g} to {most:,g} {unit}, got {value:,g}")


def _check_slots(slots: int) -> None:
    if not 1 <= slots <= SLOTS:
        raise InvalidRequest(f"expected from 1 to {SLOTS:,} slots, got {slots:,}")
