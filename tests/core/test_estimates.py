"""Estimates: ranges that are ordered and move the right way, from pictures of queues that cost almost nothing."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from jobs_app.core import estimates, pulses, ranges
from jobs_app.core.pulses import KindPace, Pulse
from jobs_app.models import Flow, Queue
from jobs_app.models.guard import writing
from tests.support.ledger import altered, claimed, reaching, submitted
from tests.support.measures import flowed, listening, paced
from tests.support.together import at_once

T = TypeVar("T")
SECOND = timedelta(seconds=1)
LANE = "lane"
KIND = "probe.nothing"
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def lane(configured: Callable[..., None]) -> Iterator[None]:
    configured(queues=("default", LANE))
    estimates.forget()
    yield
    estimates.forget()


def in_order(*numbers: float) -> bool:
    """Whether none is smaller than the one before, but for what arithmetic loses."""
    return all(low <= high * (1 + 1e-9) + 1e-6 for low, high in itertools.pairwise(numbers))


def sure(value: T | None) -> T:
    assert value is not None
    return value


# Ranges: pure arithmetic.

paces = st.builds(lambda seconds: KindPace.of(seconds), st.lists(st.floats(0.001, 5000), min_size=1, max_size=20))
known = st.builds(
    Pulse,
    queue=st.just(LANE), at=st.just(NOON), depth=st.integers(0, 10_000), running=st.integers(0, 20),
    drain_rate=st.none() | st.floats(0.001, 1000), work_rate=st.none() | st.floats(0.01, 100),
    measured_seconds=st.floats(0, 60), slots=st.integers(1, 64),
    busy=st.dictionaries(st.sampled_from("abc"), st.integers(1, 20), max_size=3),
    paces=st.dictionaries(st.sampled_from("abc"), paces, min_size=1, max_size=3),
)  # fmt: skip
work = st.dictionaries(st.sampled_from("abcd"), st.floats(0, 10_000), max_size=4)


@given(known, work, st.sampled_from("abcd"))
def test_ranges_are_ordered_and_begin_at_zero(pulse: Pulse, ahead: dict[str, float], kind: str) -> None:
    start = ranges.start_range(ahead, pulse)
    assert start is not None
    finish = ranges.finish_range(start, kind, pulse)
    assert finish is not None
    assert 0 <= start[0] <= start[1]
    assert start[0] <= finish[0] <= finish[1]
    assert start[1] <= finish[1]


@given(known, work, work)
def test_more_work_ahead_never_starts_earlier(pulse: Pulse, ahead: dict[str, float], more: dict[str, float]) -> None:
    both = {kind: ahead.get(kind, 0.0) + more.get(kind, 0.0) for kind in {*ahead, *more}}
    less_work, more_work = ranges.start_range(ahead, pulse), ranges.start_range(both, pulse)
    assert in_order(sure(less_work)[0], sure(more_work)[0])
    assert in_order(sure(less_work)[1], sure(more_work)[1])


@given(st.lists(st.floats(0.001, 5000), min_size=1, max_size=50))
def test_percentiles_of_a_pace_are_in_order_and_among_what_was_measured(seconds: list[float]) -> None:
    pace = KindPace.of(seconds)
    assert in_order(min(seconds), pace.p10, pace.p50, pace.p90, pace.p95, max(seconds))


def test_nothing_is_promised_of_a_queue_that_does_not_drain() -> None:
    pulse = Pulse(LANE, NOON, slots=2, paces={KIND: KindPace.of([1.0])})
    assert ranges.start_range({KIND: 5}, pulse) is not None
    for still in (replace(pulse, slots=0), replace(pulse, paused_at=NOON), replace(pulse, stalled=True)):
        assert ranges.start_range({KIND: 5}, still) is None
        assert estimates.drain_of(still) is None


def test_a_job_that_finds_a_free_slot_starts_at_once() -> None:
    pulse = Pulse(LANE, NOON, running=1, slots=2)
    assert ranges.start_range({}, pulse) == (0, ranges.LATENCY)
    assert ranges.start_range({KIND: 1}, pulse) is None, "and how long another one takes is not known"


def test_a_kind_that_was_never_measured_counts_as_a_usual_one_with_more_doubt() -> None:
    pulse = Pulse(LANE, NOON, running=2, slots=2, paces={KIND: KindPace.of([10.0] * 9)})
    measured, unmeasured = (sure(ranges.start_range({kind: 10}, pulse)) for kind in (KIND, "new"))
    assert unmeasured[0] < measured[0] < measured[1] < unmeasured[1]


def test_capacity_is_what_was_busy_and_what_jobs_cost_beyond_their_duration() -> None:
    pulse = Pulse(LANE, NOON, slots=2, work_rate=0.4, drain_rate=80.0, measured_seconds=30)
    short = ranges.capacity(pulse)
    assert short.overhead == pytest.approx(0.02)
    assert short.slots == pytest.approx(2.0)
    shared = ranges.capacity(replace(pulse, work_rate=1.0, drain_rate=0.1))
    assert shared.overhead == ranges.MOST_OVERHEAD
    assert shared.slots == pytest.approx(1.025), "the other slot is busy elsewhere"


@pytest.mark.parametrize("slots", [1, 2, 8])
@pytest.mark.parametrize("seed", range(3))
def test_four_of_five_starts_lie_in_the_range_when_three_kinds_of_different_length_are_mixed(
    slots: int, seed: int
) -> None:
    dice = random.Random(seed)
    draw = {
        "short": lambda: dice.uniform(0.1, 0.3),
        "middle": lambda: dice.gammavariate(2, 1.0),
        "long": lambda: dice.lognormvariate(2, 0.7),
    }
    known = {kind: KindPace.of([take() for _ in range(100)]) for kind, take in draw.items()}
    kept = 0
    for _ in range(400):
        ahead = dict.fromkeys(draw, 0)
        for _ in range(dice.randrange(120)):
            ahead[dice.choice(list(draw))] += 1
        queue = [draw[kind]() for kind, count in ahead.items() for _ in range(count)]
        dice.shuffle(queue)
        # Slots that have run for a while: each is found somewhere within a job, a long one more likely.
        running = [max((draw[kind]() for kind in draw), key=lambda took: took * dice.random()) for _ in range(slots)]
        free = [took * dice.random() for took in running]
        for took in queue:
            free[free.index(min(free))] += took
        pulse = Pulse(LANE, NOON, slots=slots, running=slots, busy={"long": slots}, paces=known)
        told = ranges.start_range(ahead, pulse)
        assert told is not None
        kept += told[0] <= min(free) <= told[1]
    assert kept / 400 >= 0.8


# Pulses: what is measured.


def test_rates_are_measured_while_there_is_a_backlog_and_only_then(now: datetime) -> None:
    listening(LANE, now)
    flowed(LANE, now - 20 * SECOND, 5, arrived=2, left=2, ended=2, busy_seconds=0.5, running=1)  # idle most of the time
    flowed(LANE, now, 10, arrived=8, left=6, ended=6, busy_seconds=3.6, running=2, depth=50)
    seen = pulses.read(LANE, now=now)
    assert seen.arrival_rate == pytest.approx((5 * 2 + 10 * 8) / 30)
    assert (seen.drain_rate, seen.work_rate, seen.measured_seconds) == (pytest.approx(3), pytest.approx(1.8), 18)


def test_long_jobs_count_as_busy_before_they_end(now: datetime) -> None:
    listening(LANE, now)
    flowed(LANE, now, 10, left=1, ended=0, running=2, depth=50)
    assert pulses.read(LANE, now=now).work_rate == pytest.approx(2)


def test_an_idle_queue_has_no_drain_rate_of_its_own_but_that_of_its_slots(now: datetime) -> None:
    listening(LANE, now)
    flowed(LANE, now, 10, arrived=1, left=1, ended=1, busy_seconds=0.1)
    assert pulses.read(LANE, now=now).drain_rate is None
    assert estimates.drain_of(estimates.pulse(LANE, now=now)) is None
    paced(KIND, 0.98, now=now)
    estimates.forget()
    assert estimates.drain_of(estimates.pulse(LANE, now=now)) == pytest.approx(2.0)


def test_a_backlog_that_nothing_leaves_is_stalled_unless_a_job_runs(now: datetime) -> None:
    listening(LANE, now)
    job = submitted(queue=LANE, now=now)
    flowed(LANE, now, 2, depth=5)
    assert not pulses.read(LANE, now=now).stalled, "not yet"
    flowed(LANE, now - 4 * SECOND, 2, depth=5)
    assert pulses.read(LANE, now=now).stalled
    claimed(job, now=now)
    submitted(queue=LANE, now=now)
    assert not pulses.read(LANE, now=now).stalled


def test_a_deep_queue_is_counted_in_part_and_scaled(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulses, "COUNTED", 4)
    for priority in (1, 1, 1, 0, 0, 0):
        submitted(queue=LANE, now=now, priority=priority)
    flowed(LANE, now, 1, depth=6)
    seen = pulses.read(LANE, now=now)
    assert seen.depth == 6
    assert sum(seen.waiting.values()) == pytest.approx(6)


def test_a_pulse_tells_who_waits_and_runs_and_listens(now: datetime) -> None:
    listening(LANE, now, slots=3)
    for priority, age in ((0, 5), (7, 3)):
        submitted(queue=LANE, now=now - age * SECOND, priority=priority)
    reaching_now = reaching(queue=LANE, now=now, state=claimed(submitted(queue=LANE, now=now), now=now).status)
    seen = pulses.read(LANE, now=now)
    assert (seen.depth, seen.running, seen.slots, seen.processes) == (2, 2, 3, 1)
    assert seen.waiting == {(KIND, 0): 1, (KIND, 7): 1}
    assert (seen.oldest_age, seen.busy) == (5, {reaching_now.kind: 2})


# Of jobs.


def test_what_a_process_submits_itself_is_counted_without_a_query(
    now: datetime, django_assert_num_queries: DjangoAssertNumQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimates, "FRESH_SECONDS", 60.0)
    listening(LANE, now)
    paced(KIND, 10.0, 10.0, now=now)
    first = sure(estimates.at_submission(LANE, KIND, now=now))
    with django_assert_num_queries(0):
        last = sure([estimates.at_submission(LANE, KIND, now=now) for _ in range(50)][-1])
    assert first.start_until <= now + 2 * SECOND
    assert last.start_from > now + 60 * SECOND, "fifty jobs of ten seconds wait for two slots"
    assert last.finish_from == last.start_from + 10 * SECOND


def test_only_jobs_of_the_same_or_a_higher_priority_are_ahead(now: datetime) -> None:
    listening(LANE, now, slots=1)
    paced(KIND, 10.0, 10.0, now=now)
    for priority in (0, 0, 5):
        submitted(queue=LANE, now=now, priority=priority)
    estimates.forget()
    told = [estimates.at_submission(LANE, KIND, now=now, priority=priority) for priority in (10, 5, 0)]
    starts = [each.start_until for each in told if each is not None]
    assert starts == sorted(starts)
    assert len(set(starts)) == 3


def test_a_job_due_later_starts_then_at_the_earliest(now: datetime) -> None:
    listening(LANE, now)
    due_at = now + timedelta(hours=1)
    told = estimates.at_submission(LANE, KIND, now=now, due_at=due_at)
    assert told is not None
    assert due_at <= told.start_from <= told.start_until <= due_at + 2 * SECOND


def test_a_queue_of_which_nothing_is_known_gets_no_estimate_and_no_error(now: datetime) -> None:
    assert estimates.at_submission(LANE, KIND, now=now) is None, "no worker listens"
    assert estimates.drain_of(estimates.pulse(LANE, now=now)) is None
    assert estimates.pulse(LANE, now=now).arrival_rate is None
    listening(LANE, now)
    with writing():
        Queue.objects.create(name=LANE, paused_at=now)
    estimates.forget()
    assert estimates.at_submission(LANE, KIND, now=now) is None, "it is paused"
    assert estimates.score(LANE, now=now) == estimates.Score(0, 0)
    assert estimates.score(LANE, now=now).part is None


def test_a_picture_is_drawn_again_when_it_is_old_or_of_another_time(now: datetime) -> None:
    assert estimates.pulse(LANE, now=now).depth == 0
    submitted(queue=LANE, now=now)
    assert estimates.pulse(LANE, now=now + 60 * SECOND).depth == 1


def test_a_waiting_job_has_those_before_it_ahead_and_no_others(now: datetime) -> None:
    listening(LANE, now, slots=1)
    paced(KIND, 10.0, 10.0, now=now)
    jobs = [
        submitted(queue=LANE, now=now - each * SECOND, priority=priority) for priority, each in ((0, 9), (0, 5), (3, 1))
    ]
    estimates.forget()
    told = [estimates.of_job(job, now=now) for job in (jobs[2], jobs[0], jobs[1])]
    starts = [each.start_until for each in told if each is not None]
    assert starts == sorted(set(starts)), "the higher priority first, then the older one"
    seen = estimates.pulse(LANE, now=now)
    assert [estimates._ahead_of(job, seen) for job in jobs] == [{KIND: 1}, {KIND: 2}, {}]


def test_a_job_deep_in_a_queue_has_all_before_it_ahead_about(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulses, "COUNTED", 4)
    listening(LANE, now, slots=1)
    jobs = [submitted(queue=LANE, now=now - (40 - each) * SECOND, priority=-1) for each in range(20)]
    for each in range(4):
        submitted(queue=LANE, now=now - each * SECOND, priority=3)
    flowed(LANE, now, 1, depth=24)
    estimates.forget()
    seen = estimates.pulse(LANE, now=now)
    seen = replace(seen, waiting={(KIND, -1): 20.0, (KIND, 3): 4.0})
    places = [sum(estimates._ahead_of(jobs[place], seen).values()) for place in (0, 10, 19)]
    assert places == [pytest.approx(expected, abs=1) for expected in (4, 14, 23)]


def test_the_oldest_of_a_deep_queue_is_found(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulses, "COUNTED", 4)
    for age, priority in ((1, 0), (2, 5), (3, 0), (4, 5), (50, 0)):
        submitted(queue=LANE, now=now - age * SECOND, priority=priority)
    assert pulses.read(LANE, now=now).oldest_age == 50
    altered(submitted(queue=LANE, now=now - 90 * SECOND), dispatched_at=now)
    assert pulses.read(LANE, now=now).oldest_age == 90


def test_a_running_job_ends_as_its_kind_does_and_the_past_is_left_out(now: datetime) -> None:
    job = claimed(submitted(queue=LANE, now=now), now=now)
    assert estimates.of_job(job, now=now) is None, "its kind was never measured"
    paced(KIND, 5.0, 10.0, 20.0, now=now)
    early, late, overdue = (sure(estimates.of_job(job, now=now + each * SECOND)) for each in (1, 12, 30))
    assert now + 5 * SECOND <= sure(early.finish_from) < sure(early.finish_until) <= now + 20 * SECOND
    assert late.finish_from == late.finish_until == now + 20 * SECOND
    assert overdue.finish_until is None, "longer than any that was measured"


def test_jobs_that_have_ended_or_wait_for_their_time_have_no_estimate(now: datetime) -> None:
    listening(LANE, now)
    for job in (submitted(queue=LANE, now=now, due_at=now + SECOND), altered(submitted(), state="blocked")):
        assert estimates.of_job(job, now=now) is None


def test_threads_share_one_picture_and_every_submission_is_counted(now: datetime) -> None:
    listening(LANE, now)
    paced(KIND, 10.0, now=now)
    sight = estimates._sights.of(LANE, now)
    at_once(*[lambda: [sight.add(KIND, 0) for _ in range(100)]] * 4)
    assert sight.own[KIND, 0] == 400


def test_the_score_is_of_the_last_hour(now: datetime) -> None:
    flowed(LANE, now, 2)
    with writing():
        Flow.objects.update(promised=5, kept=4)
        Flow.objects.filter(id=Flow.objects.earliest("id").id).update(ended_at=now - timedelta(hours=2))
    assert estimates.score(LANE, now=now).part == 0.8
