"""A worker that is told to stop: running jobs have a grace, what was not started goes back at once."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError

from jobs_app.core import claims, clock, dispatch, execution
from jobs_app.core.held import Held
from jobs_app.core.stamps import Stamps
from jobs_app.core.stopping import StopSign, draining, sign
from jobs_app.models import Job
from jobs_app.platform.waiting import until
from tests.support import conveyor
from tests.support.ledger import HOLDER, altered, fresh, happened, submitted
from tests.support.together import at_once

pytestmark = pytest.mark.usefixtures("quiet", "nudged")


@pytest.fixture(autouse=True)
def lowered() -> Iterator[None]:
    yield
    sign.lower()
    draining.lower()


SIGNS = pytest.mark.parametrize(
    ("raised", "told"), [(sign, "told to stop"), (draining, "drained")], ids=["stop", "drain"]
)


def test_every_process_of_a_worker_sees_the_sign() -> None:
    shared = StopSign()
    child = os.fork()
    if child == 0:
        shared.raise_()
        os._exit(0)
    os.waitpid(child, 0)
    first = shared.raised_at
    assert first is not None
    shared.raise_()
    assert shared.raised_at == first, "the grace begins with the first signal"


@SIGNS
def test_a_message_that_comes_after_the_sign_is_left_to_another_worker(raised: StopSign, told: str) -> None:
    job = submitted()
    dispatch.refill("default", now=clock.database_now())
    raised.raise_()
    assert execution.run([job.id], holder=HOLDER) == 0
    row = fresh(job)
    assert (row.state, row.attempt, row.dispatched_at) == ("queued", 0, None)
    conveyor.purge("default")


@SIGNS
def test_jobs_that_were_claimed_and_not_started_go_back_while_the_first_still_runs(
    configured: Callable[..., None], raised: StopSign, told: str
) -> None:
    configured(stop_grace_seconds=60)
    first = submitted("probe.slow", {"seconds": 3})
    waiting = [submitted() for _ in range(3)]

    def work() -> None:
        execution.run([first.id, *(job.id for job in waiting)], holder=HOLDER)

    def stop() -> None:
        assert until(lambda: fresh(waiting[-1]).state == "running", 20)
        raised.raise_()
        assert until(lambda: {fresh(job).state for job in waiting} == {"queued"}, 20)
        assert fresh(first).state == "running", "it has its grace"

    at_once(work, stop)
    assert fresh(first).state == "succeeded"
    for job in waiting:
        row = fresh(job)
        assert (row.state, row.failures, row.kills) == ("queued", 0, 0)
        assert happened(job) == ["submitted", "claimed", "rescued"]
        assert row.attempts.get().error == f"its worker was {told} before it was started"


def test_a_drained_worker_gives_what_runs_all_the_time_it_needs(configured: Callable[..., None]) -> None:
    configured(stop_grace_seconds=0, cancel_grace_seconds=0)
    draining.raise_()
    held = Held(uuid4(), 1, math.inf, math.inf, *(lambda *_: None,) * 2, started=True)
    assert not held.should_stop
    sign.raise_()
    assert held.should_stop


@pytest.mark.parametrize("first", ["probe.nothing", "probe.slow"])
def test_what_was_not_started_goes_back_though_the_ledger_is_away_for_a_moment(
    monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """Whether the worker was told to stop before the first of its jobs was started, or while that ran."""
    jobs = [submitted(first, {"seconds": 3} if first == "probe.slow" else {}), submitted(), submitted()]
    give_back, away = claims.give_back_unstarted, [True]

    def away_at_first(held: Any, **named: Any) -> int:
        if away and away.pop():
            raise OperationalError("the ledger is away")
        return give_back(held, **named)

    def stop() -> None:
        assert until(lambda: fresh(jobs[-1]).state == "running", 20)
        sign.raise_()

    monkeypatch.setattr(claims, "give_back_unstarted", away_at_first)
    if first == "probe.nothing":
        hold = execution.heart.hold
        monkeypatch.setattr(execution.heart, "hold", lambda *held: hold(*held) or sign.raise_())
        execution.run([job.id for job in jobs], holder=HOLDER)
    else:
        at_once(lambda: execution.run([job.id for job in jobs], holder=HOLDER), stop)  # type: ignore[arg-type]
    assert not away
    assert {(row.state, row.kills) for row in map(fresh, jobs[1:])} == {("queued", 0)}


@pytest.mark.parametrize("kind", ["probe.slow", "probe.stubborn"])
def test_a_job_that_runs_past_the_grace_goes_back_without_using_up_an_attempt(
    configured: Callable[..., None], kind: str
) -> None:
    configured(stop_grace_seconds=0.5, cancel_grace_seconds=30)
    job = submitted(kind, {"seconds": 100})
    sign_up = altered(job, max_attempts=1)

    def stop() -> None:
        assert until(lambda: fresh(job).state == "running", 20)
        sign.raise_()

    # The handler runs in this thread: it is interrupted by a signal, and those reach the main thread only.
    stopper = threading.Thread(target=stop)
    stopper.start()
    execution.run([sign_up.id], holder=HOLDER)
    stopper.join()
    row = fresh(job)
    assert (row.state, row.failures, row.kills) == ("queued", 0, 0)
    assert row.attempts.get().error == "its worker was told to stop, and its grace was over"
    sign.lower()
    (again,) = claims.claim([job.id], holder=HOLDER, now=clock.database_now())
    assert again.attempt == 2


def test_stamps_tell_of_a_process_that_no_longer_stirs() -> None:
    shared, here = Stamps(), os.getpid()
    assert shared.age(here) == 0.0
    shared.put()
    assert until(lambda: 0.05 < shared.age(here) < 30, 5)
    shared.clear()
    assert shared.age(here) == 0.0
    assert Job.objects.count() == 0
