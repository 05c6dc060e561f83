"""Flow: every move is counted once, for its queue; silence is told too; nothing is kept for long."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from jobs_app.core import claims, control, flow, outcomes, queries, turns
from jobs_app.lifecycle import State
from jobs_app.models import Event, Flow, Pace
from jobs_app.models.guard import writing
from jobs_app.policies import NO_RETRY
from tests.support.ledger import altered, claimed, reaching, submitted
from tests.support.together import at_once

SECOND = timedelta(seconds=1)
LANE = "lane"


@pytest.fixture(autouse=True)
def lane(configured: Callable[..., None]) -> None:
    configured(queues=("default", LANE))


def row(queue: str = LANE) -> Flow:
    found = Flow.objects.filter(queue=queue).order_by("-id").first()
    assert found is not None
    return found


def begun(now: datetime) -> None:
    """A first pass, which only notes where the record ends."""
    assert flow.observe(now=now - SECOND) == 2


def test_the_first_pass_counts_nothing_of_what_was_before(now: datetime) -> None:
    submitted(queue=LANE, now=now - 10 * SECOND)
    begun(now)
    assert (row().arrived, row().depth) == (0, 1)


def test_the_first_pass_learns_how_long_jobs_take_from_what_was_before(now: datetime) -> None:
    made = claimed(submitted(queue=LANE, now=now - 10 * SECOND), now=now - 9 * SECOND)
    outcomes.succeed(made, None, 4, now=now - 5 * SECOND)
    begun(now)
    assert (row().arrived, row().ended) == (0, 0)
    assert Pace.objects.get().seconds == [4]


def test_each_move_is_counted_once_for_its_queue(now: datetime) -> None:
    begun(now)
    first, second, third = (submitted(queue=LANE, now=now) for _ in range(3))
    submitted(queue=LANE, now=now, due_at=now + timedelta(hours=1))  # scheduled: does not wait yet
    outcomes.succeed(claimed(first, now=now), None, 4, now=now + 3 * SECOND)
    claimed(second, now=now)
    control.cancel(third.id, actor=None, now=now)
    assert flow.observe(now=now + 5 * SECOND) == 1, "the other queue is idle"
    seen = row()
    assert (seen.arrived, seen.left, seen.ended, seen.busy_seconds) == (3, 3, 1, 3.0)
    assert (seen.depth, seen.running, seen.ended_at) == (0, 1, now + 4 * SECOND)
    flow.observe(now=now + 7 * SECOND)
    assert (row().arrived, row().left, row().ended, row().running) == (0, 0, 0, 1)
    assert row().started_at == seen.ended_at, "rows of a queue follow one another"


def test_a_job_that_comes_due_or_is_given_back_arrives_again(now: datetime) -> None:
    begun(now)
    job = claimed(submitted(queue=LANE, now=now), now=now)
    assert claims.give_back(job, now=now + SECOND, reason="the worker stops")
    again = claimed(job, now=now + SECOND)
    outcomes.fail(again, outcomes.Failure("broken"), ValueError("broken"), NO_RETRY, now=now + 2 * SECOND)
    flow.observe(now=now + 4 * SECOND)
    assert (row().arrived, row().left, row().ended, row().busy_seconds) == (2, 2, 2, 2.0)
    assert not Pace.objects.exists(), "only what succeeds tells how long a kind takes"


def test_an_event_of_this_very_second_is_left_for_the_next_pass(now: datetime) -> None:
    begun(now)
    submitted(queue=LANE, now=now)
    flow.observe(now=now + SECOND / 2)
    assert (row().arrived, row().depth) == (0, 1)
    flow.observe(now=now + 2 * SECOND)
    assert row().arrived == 1


def test_an_idle_queue_says_so_every_ten_seconds_and_costs_four_queries(
    now: datetime, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    begun(now)
    with django_assert_num_queries(4):
        assert flow.observe(now=now + SECOND) == 0
    assert flow.observe(now=now + 10 * SECOND) == 2


def test_a_backlog_is_told_at_every_pass(now: datetime) -> None:
    submitted(queue=LANE, now=now)
    begun(now)
    assert [flow.observe(now=now + 2 * each * SECOND) for each in (1, 2)] == [1, 1]


def test_a_busy_pass_costs_the_same_however_much_moved(
    now: datetime, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    begun(now)
    for _ in range(30):
        outcomes.succeed(claimed(submitted(queue=LANE, now=now), now=now), None, 4, now=now + SECOND)
    with django_assert_max_num_queries(13):  # with BEGIN, COMMIT and savepoints
        flow.observe(now=now + 3 * SECOND)
    assert row().ended == 30


def test_of_too_many_events_only_the_newest_are_counted(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "EVENTS", 3)
    begun(now)
    for each in range(5):
        submitted(queue=LANE, now=now + each * SECOND)
    flow.observe(now=now + 10 * SECOND)
    assert row().arrived == 3
    assert row().started_at == now + 2 * SECOND, "the row tells of the time that was counted, and no more"
    flow.observe(now=now + 12 * SECOND)
    assert row().arrived == 0


def test_promises_are_compared_with_the_first_start_only(now: datetime) -> None:
    begun(now)
    kept, broken, untold, again = (submitted(queue=LANE, now=now) for _ in range(4))
    told = {"start_from": now, "start_until": now + 2 * SECOND}
    kept, broken, again = (altered(each, **told) for each in (kept, broken, again))
    altered(untold, start_from=None, start_until=None)
    altered(again, attempt=1)  # its first start is long past
    claimed(kept, now=now + 2 * SECOND)
    claimed(broken, now=now + 3 * SECOND)
    claimed(untold, now=now + SECOND)
    claimed(again, now=now + SECOND)
    flow.observe(now=now + 5 * SECOND)
    assert (row().promised, row().kept) == (2, 1)


def test_paces_are_the_latest_durations_of_what_succeeded(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "SAMPLES", 3)
    begun(now)
    for seconds in (1, 2, 3, 4):
        outcomes.succeed(claimed(submitted(queue=LANE, now=now), now=now), None, 4, now=now + seconds * SECOND)
    flow.observe(now=now + 6 * SECOND)
    assert Pace.objects.get().seconds == [2, 3, 4]
    outcomes.succeed(claimed(submitted(queue=LANE, now=now), now=now), None, 4, now=now + 7 * SECOND)
    flow.observe(now=now + 9 * SECOND)
    assert Pace.objects.get().seconds == [3, 4, 7]


def test_rows_are_kept_for_an_hour(now: datetime) -> None:
    begun(now)
    flow.observe(now=now + timedelta(minutes=59))
    assert Flow.objects.count() == 4
    flow.observe(now=now + timedelta(minutes=61))
    assert Flow.objects.count() == 4, "the first two are gone"


def test_a_pass_that_another_overtook_is_thrown_away(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(now)
    submitted(queue=LANE, now=now)
    before = flow._before()
    assert flow.observe(now=now + 2 * SECOND) == 1
    monkeypatch.setattr(flow, "_before", lambda: before)
    assert flow.observe(now=now + 2 * SECOND) == 0
    assert Flow.objects.filter(arrived=1).count() == 1


@pytest.mark.usefixtures("quiet")
def test_passes_at_once_count_each_event_once(now: datetime) -> None:
    begun(now)
    for _ in range(5):
        submitted(queue=LANE, now=now)
    at_once(*[lambda: flow.observe(now=now + 2 * SECOND)] * 4)
    assert sum(Flow.objects.values_list("arrived", flat=True)) == 5


@pytest.mark.parametrize("state", [State.RUNNING, State.SUCCEEDED, State.FAILED, State.CANCELLED])
def test_what_arrived_has_left_or_waits(state: State, now: datetime) -> None:
    begun(now)
    reaching(state, now=now, queue=LANE)
    reaching(State.QUEUED, now=now, queue=LANE)
    flow.observe(now=now + 2 * SECOND)
    assert row().arrived - row().left == row().depth == 1


def test_an_event_without_a_move_counts_as_nothing(now: datetime) -> None:
    begun(now)
    job = claimed(submitted(queue=LANE, now=now - 5 * SECOND), now=now - 4 * SECOND)
    flow.observe(now=now)
    control.cancel(job.id, actor=None, now=now)  # a wish only: it runs
    assert Event.objects.filter(name="cancel requested").count() == 1
    flow.observe(now=now + 3 * SECOND)
    assert (row().arrived, row().left, row().ended) == (0, 0, 0)


def test_removed_jobs_leave_no_trace_that_stops_a_pass(now: datetime) -> None:
    begun(now)
    job = submitted(queue=LANE, now=now)
    with writing():
        job.delete()
    flow.observe(now=now + 15 * SECOND)
    assert queries.locked(Flow.objects.filter(queue=LANE)).count() == 2


def test_a_deep_ledger_is_counted_seldom_and_what_moves_in_between_is_added(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "DEEP", 3)
    seconds = itertools.count(1.0)  # each look at the clock takes a second, and so does a count
    depths = flow._Depths()
    depths._seldom = turns.Seldom(lambda: next(seconds))
    for _ in range(3):
        submitted(queue=LANE, now=now)
    moved = {LANE: flow.Tally(arrived=5, left=1)}
    assert depths.now(moved, skipped=False)[LANE] == 3, "counted, with what moved"
    submitted(queue=LANE, now=now)
    assert depths.now(moved, skipped=False)[LANE] == 7
    assert depths.now(moved, skipped=True)[LANE] == 7, "what moved is not known"
    found = [depths.now({}, skipped=False)[LANE] for _ in range(20)]
    assert found == [7] * 17 + [4] * 3, "twenty times what a count takes"
