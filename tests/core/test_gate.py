"""What the gate decides, and what a process makes of its credits: with made-up clocks."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobs_app.core import gate
from jobs_app.core.gate import Grant, Standing, batch, counted, must_count
from jobs_app.core.lanes import Policy
from jobs_app.core.line import KEYLESS, Line
from jobs_app.core.rates import fill
from jobs_app.core.shares import Entered, Shares
from jobs_app.core.turnstile import Full, Turnstile

POLICY = Policy(limit=100, hard_limit=110, low_water=90, user_limit=50, token_limit=50, window=10, paused_at=None)
OPEN = Standing(credits=50, depth=50, closed=False, age=0.2, cost=0.001)


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("standing", "due"),
    [
        (Standing(0, 0, False, None, 0.0), True),
        (OPEN, False),
        (Standing(50, 50, False, 1.0, 0.001), True),
        (Standing(50, 50, False, 1.0, 0.2), False),
        (Standing(0, 100, False, 0.0, 0.004), True),
        (Standing(0, 100, False, 0.0, 0.5), True),
        (Standing(50, 50, False, 2.0, 0.205), False),
        (Standing(0, 100, True, 0.05, 0.001), False),
        (Standing(0, 100, True, 0.1, 0.001), True),
    ],
)
def test_a_queue_is_counted_when_it_is_worth_it(standing: Standing, due: bool) -> None:
    assert must_count(standing) is due


def test_a_gate_closes_without_room_and_opens_at_low_water() -> None:
    full = counted(OPEN, POLICY, depth=100, held=0)
    assert full.closed
    assert batch(full, 1) == 0
    above = counted(full, POLICY, depth=91, held=0)
    assert above.closed
    assert batch(above, 1) == 0
    low = counted(above, POLICY, depth=90, held=0)
    assert not low.closed
    assert low.credits == 10
    assert not counted(low, POLICY, depth=99, held=0).closed


@given(st.integers(0, 200), st.integers(0, 50), st.booleans(), st.integers(1, 16))
@example(95, 10, False, 1)
def test_batches_never_exceed_the_room(depth: int, held: int, closed: bool, processes: int) -> None:
    after = counted(Standing(0, 0, closed, 1.0, 0.0), POLICY, depth=depth, held=held)
    granted = batch(after, processes)
    assert 0 <= granted <= max(POLICY.limit - depth - held, 0)
    assert granted > 0 or after.closed
    if depth + held >= POLICY.limit:
        assert granted == 0


@pytest.fixture
def contacts(monkeypatch: pytest.MonkeyPatch) -> list[Grant]:
    """What the next contacts with the gate give. The gate itself is tested with its database elsewhere."""
    grants: list[Grant] = []
    monkeypatch.setattr(gate, "exclusive", lambda queue: False)
    monkeypatch.setattr(gate, "still_closed", lambda *_, **__: None)
    monkeypatch.setattr(gate, "contact", lambda *_, **__: grants.pop(0))
    monkeypatch.setattr(gate, "report", lambda *_, **__: None)
    return grants


def test_credits_are_spent_before_the_gate_is_asked_again(contacts: list[Grant], noon: datetime) -> None:
    contacts.append(Grant(3, 50, 50, 1))
    turnstile = Turnstile(Clock())
    for _ in range(3):
        turnstile.enter("default", POLICY, now=noon)
    contacts.append(Grant(0, 0, 100, 2))
    with pytest.raises(Full) as full:
        turnstile.enter("default", POLICY, now=noon)
    assert (full.value.depth, full.value.processes) == (100, 2)


def test_old_credits_are_given_up_and_a_refusal_is_remembered_for_a_moment(
    contacts: list[Grant], noon: datetime
) -> None:
    clock = Clock()
    turnstile = Turnstile(clock)
    contacts.append(Grant(3, 50, 50, 1))
    turnstile.enter("default", POLICY, now=noon)
    clock.now += 1.1
    contacts.append(Grant(0, 0, 100, 1))
    with pytest.raises(Full):
        turnstile.enter("default", POLICY, now=noon)
    with pytest.raises(Full):
        turnstile.enter("default", POLICY, now=noon)  # the list of grants is empty: nobody was asked
    clock.now += 0.11
    contacts.append(Grant(1, 1, 99, 1))
    turnstile.enter("default", POLICY, now=noon)


def test_how_much_room_there_was_is_not_told_for_long(contacts: list[Grant], noon: datetime) -> None:
    clock = Clock()
    turnstile = Turnstile(clock)
    contacts.append(Grant(3, 50, 50, 1))
    assert turnstile.room("default") is None
    turnstile.enter("default", POLICY, now=noon)
    clock.now += 4
    assert turnstile.room("default") == 50
    clock.now += 2
    assert turnstile.room("default") is None


def test_a_full_queue_that_is_dear_to_count_is_asked_about_less_often(
    monkeypatch: pytest.MonkeyPatch, contacts: list[Grant], noon: datetime
) -> None:
    clock, asked = Clock(), []

    def dear(*_: object, **__: object) -> Grant:
        asked.append(clock.now)
        clock.now += 0.055
        return Grant(0, 0, 100, 1)

    monkeypatch.setattr(gate, "contact", dear)
    turnstile = Turnstile(clock)
    for _ in range(100):
        with pytest.raises(Full):
            turnstile.enter("default", POLICY, now=noon)
        clock.now += 0.05
    assert len(asked) <= 6, "a twentieth of the time at most"


def test_a_share_is_given_out_by_parts_and_counted_when_they_are_used_up() -> None:
    clock, counts = Clock(), []
    shares = Shares(clock)

    def enter(held: int, wanted: int = 1) -> Entered:
        def count() -> int:
            counts.append(held)
            return held

        return shares.enter(("a",), 1000, count=count, ahead=lambda: 7, processes=2, wanted=wanted)

    one, none = Entered(1), Entered(0, ahead=7)
    assert [enter(0) for _ in range(62)] == [one] * 62  # an eighth of the room, for two processes
    assert len(counts) == 1
    for _ in range(62):
        shares.leave(("a",))
    assert enter(62) == one
    assert len(counts) == 2
    clock.now += 1.1
    assert enter(1000) == enter(0) == none, "a refusal is remembered for a moment"
    clock.now += 0.11
    assert enter(998) == one, "one is on its way, and one may come in"
    assert enter(998) == none


def test_those_refused_are_told_times_one_after_another() -> None:
    line = Line(Clock())
    told = [line.place("default", key, first=2.0, pace=5.0, longest=300) for key in range(200)]
    assert told == sorted(told)
    assert told[0] == 3  # two seconds, a place in the line, and a tenth more
    assert 40 <= told[-1] - told[0] <= 48
    assert max(told.count(second) for second in set(told)) <= 5


def test_callers_without_a_key_are_spread_too_and_one_user_does_not_make_the_line_long() -> None:
    line = Line(Clock(), random.Random(1).random)
    told = [line.place("default", None, user=1, first=2.0, pace=5.0, longest=300) for _ in range(200)]
    assert max(told) - min(told) >= 30
    assert max(told.count(second) for second in set(told)) <= 15
    for _ in range(10_000):
        line.place("default", None, user=1, first=2.0, pace=5.0, longest=300)
    assert line.place("default", None, user=2, first=2.0, pace=5.0, longest=300) <= 2 + KEYLESS / 5 * 1.1 + 2


def test_lines_for_different_things_do_not_lengthen_each_other() -> None:
    line = Line(Clock())
    for key in range(100):
        line.place(("default", "user share", 1), str(key), first=0.0, pace=1.0, longest=300)
    assert line.place("default", "other", first=2.0, pace=5.0, longest=300) == 3


def test_a_caller_that_comes_too_early_keeps_its_place() -> None:
    clock = Clock()
    line = Line(clock)
    first = line.place("default", "a", first=10.0, pace=5.0, longest=300)
    line.place("default", "b", first=10.0, pace=5.0, longest=300)
    clock.now += 4
    assert line.place("default", "a", first=10.0, pace=5.0, longest=300) == first - 4


@given(st.floats(-5, 10_000), st.floats(0.001, 1000), st.integers(1, 600), st.integers(1, 50), st.booleans())
def test_told_times_are_whole_seconds_within_bounds(
    first: float, pace: float, longest: int, callers: int, keyed: bool
) -> None:
    line = Line(Clock())
    for caller in range(callers):
        told = line.place("default", caller if keyed else None, first=first, pace=pace, longest=longest)
        assert isinstance(told, int)
        assert 1 <= told <= longest


def test_a_line_grows_no_longer_than_the_longest_time() -> None:
    clock = Clock()
    line = Line(clock)
    for key in range(10_000):
        line.place("default", key, first=1.0, pace=1.0, longest=60)
    clock.now += 61
    assert line.place("default", "new", first=1.0, pace=1.0, longest=60) <= 3


@given(st.lists(st.floats(0, 2), min_size=1, max_size=100), st.floats(0.5, 50), st.integers(1, 20))
def test_a_bucket_never_gives_more_than_its_burst_and_rate(gaps: list[float], rate: float, burst: int) -> None:
    begin = now = datetime.fromisoformat("2026-11-23T12:00:00+00:00")
    full_at, given_out = begin, 0
    for gap in gaps:
        now += timedelta(seconds=gap)
        taken, full_at = fill(full_at, 1, rate=rate, burst=burst, now=now)
        given_out += taken.credits
        assert taken.credits in (0, 1)
        assert (taken.wait > 0) is (taken.credits == 0)
        assert given_out <= burst + (now - begin).total_seconds() * rate + 1e-3


def test_a_bucket_says_when_to_come_back(noon: datetime) -> None:
    _, full_at = fill(noon, 4, rate=2.0, burst=4, now=noon)
    taken, _ = fill(full_at, 1, rate=2.0, burst=4, now=noon)
    assert (taken.credits, taken.wait) == (0, pytest.approx(0.5))
    assert fill(full_at, 1, rate=2.0, burst=4, now=noon + timedelta(seconds=0.5))[0].credits == 1
