"""One queue, several refills: the window is never exceeded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

import pytest

from jobs_app.core import clock, dispatch, transport
from jobs_app.lifecycle import State
from jobs_app.models import Event, Job, Queue
from jobs_app.models.guard import writing
from tests.support import conveyor
from tests.support.ledger import altered, reaching, submitted
from tests.support.together import HELD_SECONDS, against, at_once

pytestmark = pytest.mark.usefixtures("quiet", "nudged")
LANE = "race"


@pytest.fixture(autouse=True)
def lane(configured: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(transport, "circuit", transport.Circuit())
    configured(queues=("default", LANE), window=5)
    conveyor.purge(LANE)
    yield
    conveyor.purge(LANE)


def out() -> int:
    return Job.objects.filter(dispatched_at__isnull=False).count()


@pytest.mark.parametrize("known", [True, False])
def test_refills_at_once_fill_the_window_and_no_more(known: bool) -> None:
    for _ in range(4):
        now = clock.database_now()
        jobs = [submitted(now=now, queue=LANE) for _ in range(20)]
        with writing():
            Queue.objects.all().delete()
            if known:
                Queue.objects.create(name=LANE)
        sent = at_once(*[partial(dispatch.refill, LANE, now=now)] * 6)
        assert (sum(sent), out(), transport.depth(LANE)) == (5, 5, 5)
        messages = [ids for _, ids in conveyor.taken(LANE)]
        assert len({each for ids in messages for each in ids}) == 5
        for job in jobs:
            altered(job, state="cancelled", finished_at=now, dispatched_at=None)


@pytest.mark.parametrize("known", [True, False])
def test_the_second_refill_waits_for_the_first_and_counts_its_jobs(known: bool) -> None:
    now = clock.database_now()
    for _ in range(20):
        submitted(now=now, queue=LANE)
    if known:
        with writing():
            Queue.objects.create(name=LANE)
    with against(lambda: dispatch._choose(LANE, now, 0)) as rival:
        assert dispatch.refill(LANE, now=now) == 0
    assert rival.waited >= HELD_SECONDS
    assert out() == 5


def test_refills_that_wait_for_a_queues_first_row_take_turns_after_it() -> None:
    now = clock.database_now()
    for _ in range(20):
        submitted(now=now, queue=LANE)

    def make_known() -> None:
        with writing():
            Queue.objects.create(name=LANE)

    with against(make_known) as rival:
        sent = at_once(*[partial(dispatch.refill, LANE, now=now)] * 6)
    assert rival.waited >= HELD_SECONDS
    assert (sum(sent), out()) == (5, 5)


def test_refills_of_different_queues_do_not_mix() -> None:
    now = clock.database_now()
    for number in range(20):
        submitted(now=now, queue=(LANE, "default")[number % 2])
    at_once(*(partial(dispatch.refill, queue, now=now) for queue in (LANE, "default", LANE, "default")))
    for queue in (LANE, "default"):
        assert Job.objects.filter(queue=queue, dispatched_at__isnull=False).count() == 5
    conveyor.purge("default")


def test_two_upkeeps_at_once_make_each_job_due_once() -> None:
    now = clock.database_now()
    jobs = [
        altered(reaching(state, now=now), due_at=now - timedelta(seconds=1))
        for state in (State.SCHEDULED, State.RETRYING) * 10
    ]
    at_once(*[partial(dispatch.promote, now=now)] * 4)
    assert Job.objects.filter(state="queued").count() == len(jobs)
    assert Event.objects.filter(name="due").count() == len(jobs)
