"""Queues as they are shown: the figures, and one sentence that says why the head of the queue waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobs_app.core import estimates, transport
from jobs_app.core.pulses import Pulse
from jobs_app.errors import NotFound
from jobs_app.models import Queue
from jobs_app.models.guard import writing
from jobs_app.reads import queues, reasons
from jobs_app.reads.reasons import Facts
from tests.support.ledger import altered, claimed, submitted
from tests.support.measures import SECOND, flowed, listening, paced

LANE = "lane"
KIND = "probe.nothing"
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BUSY = Pulse(LANE, NOON, depth=340, running=2, slots=2, measured_at=NOON, oldest_at=NOON - 40 * SECOND)
FACTS = Facts(limit=1000, drain_rate=12.0)


@pytest.fixture(autouse=True)
def lane(configured: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    configured(queues=("default", LANE))
    monkeypatch.setattr(transport, "circuit", transport.Circuit())
    estimates.forget()
    yield
    estimates.forget()


def why(facts: Facts = FACTS, **columns: Any) -> str:
    return reasons.because(replace(BUSY, **columns), facts)


def test_an_empty_queue_waits_for_nothing_even_if_paused() -> None:
    assert why(depth=0, paused_at=NOON, slots=0) == "Nothing waits."


def test_a_pause_is_told_before_all_else() -> None:
    paused = why(paused_at=NOON - timedelta(minutes=12), slots=0)
    assert paused == "It was paused 12 min ago; whoever may control queues can resume it."


def test_a_queue_without_workers_says_so_and_since_when_if_that_is_known() -> None:
    assert why(slots=0) == "No worker listens to it; start one for this queue."
    heard = why(replace(FACTS, last_heard=NOON - 40 * SECOND), slots=0)
    assert heard == "No worker listens to it; the last one was heard of 40 s ago. Start one for this queue."


def test_a_broker_that_failed_this_process_a_moment_ago_is_away() -> None:
    said = why(replace(FACTS, publishing=False), running=0)
    assert said == "The broker takes no messages: 2 slots are free, yet nothing starts."
    assert "All 2 slots are busy" in why(replace(FACTS, publishing=False)), "that is why it waits now"
    assert "in a moment" in why(replace(FACTS, publishing=False), running=0, oldest_at=NOON - SECOND)


def test_silence_of_upkeep_speaks_of_the_broker_that_calls_it() -> None:
    for measured_at in (None, NOON - 16 * SECOND):
        said = why(running=1, measured_at=measured_at)
        assert said.startswith("The broker, or upkeep, seems to be away: 1 slot is free, yet nothing starts")
    assert "in a moment" in why(running=1, measured_at=NOON - 14 * SECOND)


def test_messages_that_reach_nobody_are_told_apart_from_a_broker_that_is_away() -> None:
    assert why(running=0, stalled=True).startswith("No message reaches a worker: 2 slots are free")


def test_a_busy_queue_tells_its_slots_its_jobs_and_how_fast_they_leave() -> None:
    assert why() == "All 2 slots are busy; 340 jobs wait, 12 leave a second."
    assert why(slots=1, depth=1, running=1) == "The only slot is busy; 1 job waits, 12 leave a second."
    assert why(replace(FACTS, drain_rate=None)).endswith("340 jobs wait; how fast they leave is not known yet.")
    assert why(depth=1000).endswith("; the queue is full, with a limit of 1,000.")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1234.4, "1,234 leave a second"),
        (1.2, "one leaves a second"),
        (0.5, "one leaves every 2 s"),
        (0.01, "one leaves every 100 s"),
        (0.001, "one leaves every 16 min"),
    ],
)
def test_rates_are_told_as_people_do(value: float, words: str) -> None:
    assert reasons.rate(value) == words


def test_a_queue_is_shown_with_everything(now: datetime) -> None:
    with writing():
        Queue.objects.create(name=LANE, limit=50, window=7)
    listening(LANE, now, slots=2)
    paced(KIND, 2.0, 2.0, now=now)
    flowed(LANE, now, 10, arrived=4, left=2, ended=2, busy_seconds=4, running=2, depth=9, promised=2, kept=1)
    jobs = [submitted(queue=LANE, now=now - each * SECOND) for each in range(6)]
    claimed(jobs[0], now=now)
    claimed(jobs[1], now=now)
    altered(jobs[2], dispatched_at=now)
    estimates.forget()
    view = queues.queue(LANE, now)
    assert (view.depth, view.limit, view.low_water, view.window, view.on_broker) == (4, 50, 45, 7, 1)
    assert (view.running, view.slots, view.processes, view.oldest_age) == (2, 2, 1, 5)
    assert (view.arrival_rate, view.drain_rate) == (pytest.approx(2), pytest.approx(1))
    assert view.expected_wait is not None
    assert 2 < view.expected_wait.p50 < 6 < view.expected_wait.p95 < 14, "four jobs of two seconds before two slots"
    assert (view.score.promised, view.score.kept, view.score.part) == (20, 10, 0.5)
    assert view.waits_because == "All 2 slots are busy; 4 jobs wait, one leaves a second."


def test_every_queue_that_matters_is_listed(now: datetime) -> None:
    submitted(queue="default", now=now)
    altered(submitted(now=now), queue="of another day")
    with writing():
        Queue.objects.create(name="with a row")
    assert [each.name for each in queues.queues(now)] == ["default", LANE, "of another day", "with a row"]
    with pytest.raises(NotFound, match="expected a queue, such as default, lane"):
        queues.queue("nobody's", now)


def test_a_queue_of_which_nothing_is_known_is_shown_all_the_same(now: datetime) -> None:
    view = queues.queue(LANE, now)
    assert (view.depth, view.oldest_age, view.arrival_rate, view.drain_rate, view.expected_wait) == (0, *[None] * 4)
    assert view.waits_because == "Nothing waits."
    submitted(queue=LANE, now=now)
    estimates.forget()
    assert queues.queue(LANE, now).waits_because == "No worker listens to it; start one for this queue."
    listening(LANE, now - 40 * SECOND)
    estimates.forget()
    assert "the last one was heard of 40 s ago" in queues.queue(LANE, now).waits_because


def test_a_pause_shows_at_once_though_the_picture_is_kept_for_a_moment(now: datetime) -> None:
    submitted(queue=LANE, now=now)
    listening(LANE, now)
    estimates.forget()
    assert queues.queue(LANE, now).paused_at is None
    with writing():
        Queue.objects.create(name=LANE, paused_at=now - 3 * SECOND)
    assert queues.queue(LANE, now).waits_because.startswith("It was paused 3 s ago")


def test_a_deep_queue_costs_no_more_queries(now: datetime, django_assert_max_num_queries: Any) -> None:
    for _ in range(20):
        submitted(queue=LANE, now=now)
    estimates.forget()
    with django_assert_max_num_queries(15):
        queues.queue(LANE, now)


def test_history_is_an_hour_in_halves_of_minutes_with_gaps_where_nothing_was_measured(now: datetime) -> None:
    flowed(LANE, now, 10, arrived=4, left=2, depth=8)
    flowed(LANE, now - timedelta(minutes=30), 10, depth=2)
    flowed(LANE, now - timedelta(minutes=90), 10, depth=100)
    moments = queues.history(LANE, now=now)
    assert len(moments) == 120
    assert (moments[-1].depth, moments[-1].arrival_rate, moments[-1].drain_rate) == (8, 2, 1)
    assert {each.depth for each in moments} == {None, 2, 8}


def test_what_was_measured_is_there_for_a_planner(now: datetime) -> None:
    listening(LANE, now, slots=3)
    paced(KIND, 1.0, 3.0, now=now)
    submitted(queue=LANE, now=now)
    estimates.forget()
    found = queues.measured(LANE, now=now)
    assert (found.slots, found.backlog, found.samples) == (3, 1, 2)
    assert (found.service_seconds, found.service_deviation) == (2.0, 1.0)
    assert found.arrival_rate is None
