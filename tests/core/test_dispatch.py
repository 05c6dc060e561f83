"""Dispatch: due jobs go to the broker in order, never more than the window, and lost messages are sent again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from jobs_app import conf
from jobs_app.core import chunks, claims, clock, control, dispatch, side_door, transport
from jobs_app.errors import BrokerAway
from jobs_app.lifecycle import State
from jobs_app.models import Job, Queue
from jobs_app.models.guard import writing
from tests.support import broker, conveyor
from tests.support.ledger import HOLDER, altered, claimed, fresh, happened, reaching, submitted

SECOND = timedelta(seconds=1)
LAG = conf.current().broker_count_lag
LANE = "lane"
"""A queue of these tests' own: no worker of the run reads it."""


@pytest.fixture(autouse=True)
def lane(configured: Callable[..., None]) -> Iterator[None]:
    configured(queues=("default", LANE), window=3)
    conveyor.purge(LANE)
    yield
    conveyor.purge(LANE)


@pytest.fixture(autouse=True)
def _circuit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "circuit", transport.Circuit())


def due(count: int, now: datetime, **options: Any) -> list[Job]:
    return [submitted(now=now, queue=LANE, **options) for _ in range(count)]


def lane_row(**columns: Any) -> None:
    with writing():
        Queue.objects.update_or_create(name=LANE, defaults=columns)


def sent() -> list[Any]:
    return [ids[0] for _, ids in conveyor.taken(LANE)]


def test_a_due_job_is_published_under_its_kinds_name(now: datetime) -> None:
    job = submitted("system.echo", {"text": "a"}, now=now, queue=LANE)
    assert dispatch.refill(LANE, now=now + SECOND) == 1
    assert conveyor.taken(LANE) == [("system.echo", [job.id])]
    assert fresh(job).dispatched_at == now + SECOND
    assert dispatch.refill(LANE, now=now + SECOND) == 0, "once"


def test_the_window_is_never_exceeded(now: datetime) -> None:
    jobs = due(8, now)
    assert [dispatch.refill(LANE, now=now) for _ in range(3)] == [3, 0, 0]
    assert transport.depth(LANE) == 3
    claimed(jobs[0], now=now)
    control.cancel(jobs[1].id, actor=None, now=now)
    conveyor.taken(LANE)
    assert dispatch.refill(LANE, now=now) == 2, "as many as left the conveyor"
    assert Job.objects.filter(state="queued", dispatched_at__isnull=False).count() == 3


@pytest.mark.skipif(not conf.current().broker_counts_exactly, reason="this broker only estimates its count")
def test_duplicates_of_jobs_that_were_claimed_take_up_room_too(now: datetime) -> None:
    jobs = due(5, now)
    dispatch.refill(LANE, now=now)
    transport.publish("probe.nothing", [jobs[0].id], LANE)
    claimed(jobs[0], now=now)
    assert transport.depth(LANE) == 4
    assert dispatch.refill(LANE, now=now) == 0
    conveyor.taken(LANE)
    assert dispatch.refill(LANE, now=now) == 1, "two are still marked as published"


def test_a_queue_may_have_a_window_of_its_own(now: datetime) -> None:
    due(8, now)
    lane_row(window=5)
    assert dispatch.refill(LANE, now=now) == 5
    lane_row(window=2)
    assert dispatch.refill(LANE, now=now) == 0, "a window that was made smaller empties by itself"


@pytest.mark.parametrize(("window", "filled"), [(1, 1), (19, 19), (20, 19), (100, 95), (1000, 950)])
def test_a_large_window_is_not_filled_to_the_brim(window: int, filled: int) -> None:
    assert dispatch.fill_of(window) == filled


def test_windows_are_each_queues_own(now: datetime) -> None:
    due(4, now)
    elsewhere = [submitted(now=now) for _ in range(2)]
    assert dispatch.refill(LANE, now=now) == 3
    assert {fresh(job).dispatched_at for job in elsewhere} == {None}


def test_jobs_go_by_priority_then_by_due_time_then_by_age(now: datetime, configured: Callable[..., None]) -> None:
    configured(queues=("default", LANE), window=100)
    later, first, urgent, second, patient, overdue = (
        submitted(now=now, queue=LANE, priority=priority, due_at=now + shift)
        for priority, shift in (
            (0, -SECOND), (0, -2 * SECOND), (9, timedelta(0)), (0, -2 * SECOND), (-9, -9 * SECOND), (0, -9 * SECOND),
        )
    )  # fmt: skip
    dispatch.refill(LANE, now=now)
    assert sent() == [job.id for job in (urgent, overdue, first, second, later, patient)]


@pytest.mark.parametrize("state", sorted(set(State) - {State.QUEUED}))
def test_only_queued_jobs_are_published(now: datetime, state: State) -> None:
    reaching(state, now=now, queue=LANE)
    assert dispatch.refill(LANE, now=now) == 0
    assert sent() == []


def test_a_paused_queue_publishes_nothing(now: datetime) -> None:
    due(2, now)
    lane_row(paused_at=now)
    assert dispatch.refill(LANE, now=now) == 0
    assert sent() == []
    lane_row(paused_at=None)
    assert dispatch.refill(LANE, now=now) == 2


@pytest.mark.skipif(not conf.current().broker_counts_exactly, reason="this broker is not asked for its count first")
def test_a_broker_that_is_down_leaves_no_marks(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = due(2, now)
    with conveyor.refusing() as url, conveyor.broker_at(url, monkeypatch):
        with pytest.raises(BrokerAway, match="the broker did not answer"):
            dispatch.refill(LANE, now=now)
        assert {fresh(job).dispatched_at for job in jobs} == {None}
        assert not transport.circuit.closed
    assert dispatch.refill(LANE, now=now) == 2, "once it is back"


def test_a_message_that_may_have_arrived_stays_marked_until_it_is_missed(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = due(2, now)
    monkeypatch.setattr(transport, "depth", lambda queue: 0)  # it answers a question, and then is gone
    with conveyor.refusing() as url, conveyor.broker_at(url, monkeypatch):
        with pytest.raises(BrokerAway, match="the broker did not take a message"):
            dispatch.refill(LANE, now=now)
        assert [fresh(job).dispatched_at is not None for job in jobs] == [True, False]
    assert dispatch.refill(LANE, now=now) == 1, "once it is back"
    claimed(jobs[1], now=now)
    conveyor.purge(LANE)
    assert dispatch.find_lost(LANE, now=now + LAG) == 1
    assert dispatch.refill(LANE, now=now) == 1


@pytest.mark.skipif(broker.in_force() != "valkey", reason="it is Valkey whose memory is filled")
def test_a_broker_whose_memory_is_full_is_one_that_is_away(now: datetime) -> None:
    due(2, now)
    server = broker.running
    assert isinstance(server, broker.Valkey)
    with server.client() as client:
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(BrokerAway, match="command not allowed when used memory"):
                dispatch.refill(LANE, now=now)
        finally:
            client.config_set("maxmemory", 0)


def test_while_the_circuit_is_open_the_broker_is_not_tried(
    now: datetime, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    jobs = due(2, now)
    circuit = transport.Circuit(open_seconds=3600)
    monkeypatch.setattr(transport, "circuit", circuit)
    circuit.trip()
    for attempt in (dispatch.refill, lambda queue, now: transport.publish("system.echo", [], queue)):
        with django_assert_num_queries(0), pytest.raises(BrokerAway, match="it is tried again shortly"):
            attempt(LANE, now=now)
    with pytest.raises(BrokerAway):
        transport.depth(LANE)
    assert sent() == []
    assert {fresh(job).dispatched_at for job in jobs} == {None}


def test_messages_that_the_broker_lost_are_sent_again(now: datetime) -> None:
    jobs = due(3, now)
    dispatch.refill(LANE, now=now)
    assert conveyor.purge(LANE) == 3
    late = now + LAG
    assert dispatch.find_lost(LANE, now=late - SECOND) == 0, "a message that was just sent is not missed yet"
    assert dispatch.find_lost(LANE, now=late) == 3
    assert dispatch.refill(LANE, now=late) == 3
    assert sent() == [job.id for job in jobs]


def test_what_was_lost_is_told_from_what_was_published_since(now: datetime) -> None:
    """A flush, then a refill: the broker has messages again, and still the older ones are missed."""
    lane_row(window=4)
    first = due(2, now)
    dispatch.refill(LANE, now=now)
    conveyor.purge(LANE)
    since = due(2, now)
    dispatch.refill(LANE, now=now + SECOND)
    assert transport.depth(LANE) == 2
    assert dispatch.find_lost(LANE, now=now + LAG) == 0, "while others wait, it is less certain"
    assert dispatch.find_lost(LANE, now=now + 2 * LAG) == 2
    assert {fresh(job).dispatched_at for job in first} == {None}
    assert None not in {fresh(job).dispatched_at for job in since}


def test_of_messages_sent_at_once_the_ones_at_the_head_are_missed(now: datetime) -> None:
    """The head of the queue is what a worker takes first, and loses when it dies with it in its hands."""
    jobs = [*due(2, now, priority=5), *due(1, now)]
    dispatch.refill(LANE, now=now)
    (kind, _), *left = conveyor.taken(LANE)
    for _, ids in left:
        transport.publish(kind, ids, LANE)
    assert dispatch.find_lost(LANE, now=now + 2 * LAG) == 1
    assert [fresh(job).dispatched_at is not None for job in jobs] == [False, True, True]


@pytest.mark.skipif(not conf.current().broker_counts_exactly, reason="this broker keeps no order")
def test_what_was_overtaken_is_missed_however_many_duplicates_the_broker_counts(now: datetime) -> None:
    (lost,) = due(1, now)
    dispatch.refill(LANE, now=now)
    conveyor.purge(LANE)
    late = now + 5 * LAG
    first, second = due(2, now)
    dispatch.refill(LANE, now=late)
    for _ in range(5):
        transport.publish("probe.nothing", [first.id], LANE)
    assert dispatch.find_lost(LANE, now=late) == 0, "seven messages, and three that wait"
    claimed(first, now=late)
    assert dispatch.find_lost(LANE, now=late) == 1
    assert [fresh(job).dispatched_at for job in (lost, second)] == [None, late]


def test_a_message_that_is_missed_again_and_again_is_waited_for_ever_longer(now: datetime) -> None:
    (job,) = due(1, now)
    waits, sent_at = [], now
    for _ in range(9):
        dispatch.refill(LANE, now=sent_at)
        conveyor.purge(LANE)
        missed_at = sent_at
        while not dispatch.find_lost(LANE, now=missed_at):
            missed_at += SECOND
        waits.append((missed_at - sent_at).total_seconds())
        sent_at = missed_at
    lag = LAG.total_seconds()
    assert waits == [min(lag * 2**times, 300) for times in range(9)]
    dispatch.refill(LANE, now=sent_at)
    conveyor.purge(LANE)
    assert dispatch.find_lost(LANE, now=sent_at + timedelta(hours=1)) == 1
    assert job.resend.times == 1, "what was missed long ago starts anew"


def test_what_a_stopping_worker_puts_back_is_sent_again_at_once(now: datetime) -> None:
    queued, running = due(2, now)
    dispatch.refill(LANE, now=now)
    claimed(running, now=now)
    assert dispatch.put_back([queued.id, running.id]) == 1
    assert dispatch.refill(LANE, now=now) == 1
    assert fresh(running).state == "running"


def test_messages_that_wait_are_not_missed(now: datetime) -> None:
    due(3, now)
    dispatch.refill(LANE, now=now)
    assert dispatch.find_lost(LANE, now=now + timedelta(minutes=5)) == 0
    assert transport.depth(LANE) == 3


def test_a_message_forgotten_among_others_is_sent_again_in_the_end(now: datetime) -> None:
    job, other = due(2, now)
    dispatch.refill(LANE, now=now)
    altered(other, dispatched_at=now + timedelta(minutes=1))
    assert dispatch.find_lost(LANE, now=now + dispatch.FORGOTTEN_AFTER) == 1
    assert (fresh(job).dispatched_at, fresh(other).dispatched_at) == (None, now + timedelta(minutes=1))


def test_a_duplicate_of_a_message_runs_nothing_twice(now: datetime) -> None:
    (job,) = due(1, now)
    dispatch.refill(LANE, now=now)
    dispatch.find_lost(LANE, now=now + dispatch.FORGOTTEN_AFTER)
    altered(job, dispatched_at=None)
    dispatch.refill(LANE, now=now)
    messages = conveyor.taken(LANE)
    assert len(messages) == 2
    assert [len(claims.claim(ids, holder=HOLDER, now=now)) for _, ids in messages] == [1, 0]


def test_a_claimed_job_is_not_missed(now: datetime) -> None:
    (job,) = due(1, now)
    dispatch.refill(LANE, now=now)
    claimed(job, now=now)
    conveyor.purge(LANE)
    assert dispatch.find_lost(LANE, now=now + timedelta(hours=1)) == 0


def test_the_broker_is_not_asked_when_nothing_could_be_missed(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    due(2, now)
    with conveyor.refusing() as url, conveyor.broker_at(url, monkeypatch):
        assert dispatch.find_lost(LANE, now=now + timedelta(hours=1)) == 0
        altered(due(1, now)[0], dispatched_at=now)
        with pytest.raises(BrokerAway, match="the broker did not answer"):
            dispatch.find_lost(LANE, now=now + timedelta(hours=1))


@pytest.mark.parametrize("source", [State.SCHEDULED, State.RETRYING])
def test_what_has_come_due_is_queued(now: datetime, source: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "BATCH", 2)
    jobs = [altered(reaching(source, now=now, queue=LANE), due_at=now + step * SECOND) for step in range(7)]
    assert dispatch.promote(now=now + 4 * SECOND) == {LANE}
    assert [fresh(job).state for job in jobs] == ["queued"] * 5 + [source] * 2
    assert happened(jobs[0])[-1] == "due"
    assert dispatch.promote(now=now + 4 * SECOND) == set()


@pytest.mark.parametrize("source", [State.SCHEDULED, State.RETRYING])
def test_one_call_queues_so_many_and_the_next_goes_on(
    now: datetime, source: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (dispatch, side_door):
        monkeypatch.setattr(place, "BATCH", 2)
    monkeypatch.setattr(dispatch, "PROMOTIONS", 2)
    jobs = [altered(reaching(source, now=now, queue=LANE), due_at=now + step * SECOND) for step in range(6)]
    later = now + 9 * SECOND
    assert dispatch.promote(now=later, seconds=0) == set(), "no time is left to begin"
    dispatch.promote(now=later)
    assert [fresh(job).state for job in jobs] == ["queued"] * 4 + [source] * 2
    dispatch.promote(now=later)
    assert {fresh(job).state for job in jobs} == {"queued"}


def test_a_retry_that_has_come_due_is_published_again(now: datetime) -> None:
    job = altered(reaching(State.RETRYING, now=now, queue=LANE), due_at=now)
    dispatch.promote(now=now)
    assert dispatch.refill(LANE, now=now) == 1
    assert sent() == [job.id]


def test_a_queue_that_is_no_longer_configured_is_still_served(now: datetime, configured: Callable[..., None]) -> None:
    (job,) = due(1, now)
    configured(queues=("default",))
    assert dispatch.queue_names() == ["default", LANE]
    assert dispatch.refill(LANE, now=now) == 1
    assert sent() == [job.id]


def test_the_names_of_queues_are_found_without_reading_all_that_waits(
    now: datetime, configured: Callable[..., None], django_assert_num_queries: Any
) -> None:
    configured(queues=("default", LANE, "other"))
    due(20, now)
    submitted(queue="other", now=now)
    with django_assert_num_queries(3) as seen:
        assert dispatch.queue_names() == ["default", LANE, "other"]
    assert all("LIMIT 1" in each["sql"] and "DISTINCT" not in each["sql"] for each in seen.captured_queries)


def test_a_refill_takes_as_many_queries_for_one_job_as_for_forty_seven(
    now: datetime, configured: Callable[..., None], django_assert_num_queries: Any
) -> None:
    configured(queues=("default", LANE), window=50)
    lane_row()
    chunks.memory.of(LANE, now=now)  # what is measured is read once a second
    for count in (1, 47):
        due(count, now)
        with django_assert_num_queries(8):  # savepoint, the lane, how many are out, which are due, mark, release
            dispatch.refill(LANE, now=now)


def test_upkeep_does_all_of_it(quiet: None, nudged: list[str]) -> None:
    from tasks import upkeep

    now = clock.database_now()
    scheduled = altered(reaching(State.SCHEDULED, now=now, queue=LANE), due_at=now)
    lost = altered(due(1, now)[0], dispatched_at=now - timedelta(minutes=1))
    upkeep.refill()
    assert set(sent()) == {scheduled.id, lost.id}
    conveyor.purge("default")
