"""The formulas of the capacity planner: against published tables, exact arithmetic, laws, and simulated queues."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from fractions import Fraction
from statistics import fmean, quantiles

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs_app import queueing
from jobs_app.errors import InvalidRequest
from jobs_app.queueing import Load

# T. S. Rappaport, Wireless Communications, 2nd edition, Prentice Hall 2002, table 3.4: the erlang that so many channels
# carry when 1 %, 0.5 %, 0.2 % and 0.1 % of calls are blocked.
ERLANG_B_TABLE = {
    2: ("0.153", "0.105", "0.065", "0.046"),
    4: ("0.869", "0.701", "0.535", "0.439"),
    5: ("1.36", "1.13", "0.900", "0.762"),
    10: ("4.46", "3.96", "3.43", "3.09"),
    20: ("12.0", "11.1", "10.1", "9.41"),
    100: ("84.1", "80.9", "77.4", "75.2"),
}
BLOCKED = (0.01, 0.005, 0.002, 0.001)

# J. Dunlop, D. Girma, J. Irvine, Digital Mobile Communications and the TETRA System, Wiley 1999, appendix A, table C:
# (channels, part delayed, erlang carried).
ERLANG_C_TABLE = [(8, 0.05, "3.87"), (10, 0.01, "4.08")]


@pytest.mark.parametrize("slots", ERLANG_B_TABLE)
def test_erlang_b_gives_the_published_loads(slots: int) -> None:
    for blocked, printed in zip(BLOCKED, ERLANG_B_TABLE[slots], strict=True):
        assert as_printed(solved(queueing.erlang_b, slots, blocked), printed)


@pytest.mark.parametrize(("slots", "delayed", "printed"), ERLANG_C_TABLE)
def test_erlang_c_gives_the_published_loads(slots: int, delayed: float, printed: str) -> None:
    assert as_printed(solved(queueing.erlang_c, slots, delayed), printed)


def test_the_emergency_room_of_hillier_and_lieberman() -> None:
    """F. S. Hillier, G. J. Lieberman, Introduction to Operations Research, M/M/s: 2 patients, 3 treated an hour."""
    hour = 3600
    one, two = (queueing.forecast(Load(2 / hour, hour / 3, doctors)) for doctors in (1, 2))
    assert (one.queue_length, two.queue_length) == (pytest.approx(4 / 3), pytest.approx(1 / 12))
    assert (one.wait_mean, two.wait_mean) == (pytest.approx(2 / 3 * hour), pytest.approx(hour / 24))
    # P(W > 0), P(W > 1/2 h) and P(W > 1 h) as printed there, to three places.
    for doctors, printed in ((1, (0.667, 0.404, 0.245)), (2, (0.167, 0.022, 0.003))):
        for waited, part in zip((0, hour / 2, hour), printed, strict=True):
            assert beyond(Load(2 / hour, hour / 3, doctors), waited) == pytest.approx(part, abs=0.0006)


@pytest.mark.parametrize(("offered", "slots"), [("1/10", 1), ("10", 10), ("8", 10), ("99/2", 50), ("180", 200)])
def test_both_formulas_agree_with_the_sums_of_erlang_in_exact_arithmetic(offered: str, slots: int) -> None:
    load = Fraction(offered)
    terms = [load**k / math.factorial(k) for k in range(slots + 1)]
    loss = terms[-1] / sum(terms)
    assert queueing.erlang_b(float(load), slots) == pytest.approx(float(loss), rel=1e-12)
    if load < slots:
        waiting = terms[-1] * slots / (slots - load)
        assert queueing.erlang_c(float(load), slots) == pytest.approx(float(waiting / (sum(terms[:-1]) + waiting)))


def test_single_values_that_are_printed_often() -> None:
    assert queueing.erlang_b(10, 10) == pytest.approx(0.2146, abs=0.00005)
    # Westbay Engineers, manual of the Erlang calculators: 15 lines that block 1 % of calls carry 8.108 erlang.
    assert as_printed(solved(queueing.erlang_b, 15, 0.01), "8.108")
    assert queueing.erlang_c(2 / 3, 1) == pytest.approx(2 / 3)


def test_a_hundred_thousand_slots_are_no_trouble() -> None:
    # Halfin and Whitt, Heavy-traffic limits for queues with many exponential servers, 1981: with c = a + b √a slots and
    # a large, C tends to 1 / (1 + b Φ(b) / φ(b)); for b = 1 that is 0.2234.
    for offered in (9_900.0, 99_000.0):
        assert queueing.erlang_c(offered, round(offered + math.sqrt(offered))) == pytest.approx(0.2234, abs=0.004)
    assert queueing.erlang_b(5, 100_000) == 0
    assert queueing.forecast(Load(5, 1, 100_000)).wait_p95 == 0
    assert 99_000 < (queueing.slots_for(Load(99_000, 1, 1), 0.001) or 0) < 100_000


loads = st.builds(
    Load,
    arrival_rate=st.floats(1e-3, 500),
    service_seconds=st.floats(1e-3, 10),
    slots=st.integers(1, 300),
    service_deviation=st.none() | st.floats(0, 50),
)
busy = st.builds(  # 20 to 99.9 % of the time
    lambda seconds, slots, part, deviation: Load(part * slots / seconds, seconds, slots, deviation),
    st.floats(1e-3, 10), st.integers(1, 20), st.floats(0.2, 0.999), st.none() | st.floats(0, 50),
)  # fmt: skip
quick = settings(database=None, deadline=None)


@quick
@given(loads)
def test_more_slots_never_wait_longer(load: Load) -> None:
    fewer, more = queueing.forecasts(load, load.slots, load.slots + 1)
    assert more.waiting_probability <= fewer.waiting_probability
    for name in ("wait_mean", "wait_p50", "wait_p95", "queue_length"):
        before, after = getattr(fewer, name), getattr(more, name)
        assert before is None or after <= before


@quick
@given(loads)
def test_length_is_rate_times_wait_and_utilisation_is_work_over_slots(load: Load) -> None:
    told = queueing.forecast(load)
    assert told.utilisation == pytest.approx(load.arrival_rate * load.service_seconds / load.slots)
    assert 0 <= told.waiting_probability <= 1
    if told.wait_mean is None:
        assert told.utilisation >= 1
        assert told.queue_length is told.wait_p50 is told.wait_p95 is None
    else:
        assert told.utilisation < 1
        assert told.queue_length == pytest.approx(load.arrival_rate * told.wait_mean)
        assert told.wait_p50 <= told.wait_p95


@quick
@given(busy, st.floats(0.01, 0.99))
def test_the_mean_is_the_area_over_the_quantiles(load: Load, part: float) -> None:
    # Nobody waits up to the part 1 - C; above it, midpoints.
    delayed, steps = queueing.erlang_c(load.offered, load.slots), 100
    area = delayed * fmean(queueing.wait_quantile(load, 1 - delayed * (step + 0.5) / steps) for step in range(steps))
    assert area == pytest.approx(queueing.forecast(load).wait_mean, rel=0.01)
    # And a quantile undoes the tail that P(W > t) states.
    wait = queueing.wait_quantile(load, part)
    assert beyond(load, wait) == pytest.approx(min(1 - part, delayed))


@quick
@given(loads, st.floats(0, 100))
def test_the_slots_of_a_target_meet_it_and_one_fewer_do_not(load: Load, target: float) -> None:
    slots = queueing.slots_for(load, target)
    assert slots is not None
    with_them = next(queueing.forecasts(load, slots, slots))
    assert with_them.wait_p95 is not None
    assert with_them.wait_p95 <= target
    if slots > 1:
        (fewer,) = queueing.forecasts(load, slots - 1, slots - 1)
        assert fewer.wait_p95 is None or fewer.wait_p95 > target


def test_no_number_of_slots_is_enough_for_too_much_work() -> None:
    assert queueing.slots_for(Load(1e6, 1e7, 1), 1) is None
    assert queueing.slots_for(Load(100_000, 1, 1), 1e7) is None
    assert queueing.slots_for(Load(0, 1, 7), 0) == 1


@quick
@given(loads, st.integers(0, 10**9))
def test_a_backlog_drains_by_the_spare_rate_or_never(load: Load, backlog: int) -> None:
    seconds = queueing.drain_seconds(load, backlog)
    if backlog and load.offered >= load.slots:
        assert seconds is None
    else:
        arrived = load.arrival_rate * (seconds or 0)
        assert load.slots / load.service_seconds * (seconds or 0) == pytest.approx(backlog + arrived)


def test_one_slot_with_any_service_times_is_exact() -> None:
    """Pollaczek and Khinchine, M/G/1: the mean wait is λE(S²) / 2(1 - ρ)."""
    for deviation in (0.0, 0.3, 1.0, 4.0):
        exact = 0.6 * (1 + deviation**2) / (2 * (1 - 0.6))
        assert queueing.forecast(Load(0.6, 1, 1, deviation)).wait_mean == pytest.approx(exact)


# Waits that follow one another are alike, so that even the mean of 120,000 is uncertain: by 2, 3, 4 and 7 per cent at
# these loads (one deviation over many seeds, none of them biased). The tolerance is twice that.
@pytest.mark.parametrize(
    ("rate", "seconds", "slots", "tolerance"),
    [(0.6, 1.0, 1, 0.04), (12.0, 0.1, 2, 0.06), (2.4, 1.0, 4, 0.08), (5.0, 1.0, 8, 0.14)],
)
def test_a_simulated_queue_waits_as_long_as_told(rate: float, seconds: float, slots: int, tolerance: float) -> None:
    dice = random.Random(20261123)
    waits = simulated(rate, lambda: -seconds * math.log(1 - dice.random()), slots, dice, jobs=120_000)
    told = queueing.forecast(Load(rate, seconds, slots))
    assert fmean(waits) == pytest.approx(told.wait_mean, rel=tolerance)
    assert quantiles(waits, n=20)[-1] == pytest.approx(told.wait_p95, rel=tolerance)
    assert fmean(wait > 0 for wait in waits) == pytest.approx(told.waiting_probability, rel=tolerance)


# The scaling by (1 + cv²) / 2 is an approximation; for the 95th percentile a rougher one.
@pytest.mark.parametrize(("variation", "slots"), [(0.0, 1), (0.0, 4), (2.0, 1), (2.0, 4)])
def test_other_service_times_wait_about_as_long_as_told(variation: float, slots: int) -> None:
    dice, spread = random.Random(20261123), math.sqrt(math.log(1 + variation))
    waits = simulated(0.75 * slots, lambda: dice.lognormvariate(-(spread**2) / 2, spread), slots, dice, jobs=60_000)
    told = queueing.forecast(Load(0.75 * slots, 1, slots, math.sqrt(variation)))
    assert fmean(waits) == pytest.approx(told.wait_mean, rel=0.15)
    assert quantiles(waits, n=20)[-1] == pytest.approx(told.wait_p95, rel=0.2)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Load(-1, 1, 1), "arrival rate from 0 to 1e+06 jobs a second, got -1"),
        (lambda: Load(2e6, 1, 1), "arrival rate"),
        (lambda: Load(math.nan, 1, 1), "got nan"),
        (lambda: Load(1, math.inf, 1), "service time"),
        (lambda: Load(1, 0, 1), "service time from 1e-06 to 1e+07 seconds, got 0"),
        (lambda: Load(1, 1, 0), "expected from 1 to 100,000 slots, got 0"),
        (lambda: Load(1, 1, 100_001), "got 100,001"),
        (lambda: Load(1, 1, 1, -0.1), "deviation"),
        (lambda: queueing.slots_for(Load(1, 1, 1), -1), "a target"),
        (lambda: queueing.drain_seconds(Load(1, 1, 1), -1), "a backlog"),
        (lambda: queueing.wait_quantile(Load(1, 1, 1), 1.0), "such as 0.95"),
        (lambda: queueing.erlang_b(-1, 1), "offered load"),
        (lambda: list(queueing.forecasts(Load(1, 1, 1), 0, 5)), "got 0"),
    ],
)
def test_figures_out_of_bounds_are_refused_in_words(build: Callable[[], object], words: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        build()
    assert words in str(refused.value)


def solved(formula: Callable[[float, int], float], slots: int, wanted: float) -> float:
    """The load at which a formula, which rises with it, gives what is wanted."""
    low, high = 0.0, float(slots)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if formula(middle, slots) < wanted else (low, middle)
    return low


def as_printed(value: float, printed: str) -> bool:
    """Whether a table that prints so many places would print this; tables round, and some cut off."""
    unit = 10.0 ** -len(printed.partition(".")[2])
    return abs(value - float(printed)) < unit


def beyond(load: Load, waited: float) -> float:
    """The part of jobs that wait longer, as the formula has it."""
    mean = load.service_seconds / (load.slots - load.offered) * (1 + load.variation) / 2
    return queueing.erlang_c(load.offered, load.slots) * math.exp(-waited / mean)


def simulated(rate: float, service: Callable[[], float], slots: int, dice: random.Random, *, jobs: int) -> list[float]:
    """The waits of so many jobs that come by chance at this rate, after 2,000 that warm the queue up."""
    world, waits = simpy.Environment(), list[float]()
    places = simpy.Resource(world, slots)

    def job() -> simpy.events.ProcessGenerator:
        came = world.now
        with places.request() as place:
            yield place
            waits.append(world.now - came)
            yield world.timeout(service())

    def arrivals() -> simpy.events.ProcessGenerator:
        for _ in range(jobs + 2_000):
            yield world.timeout(-math.log(1 - dice.random()) / rate)
            world.process(job())

    world.process(arrivals())
    world.run()
    return waits[2_000:]
