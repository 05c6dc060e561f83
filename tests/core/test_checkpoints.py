"""Checkpoints: the next attempt goes on where the last one got to, and no late worker turns that back."""

from __future__ import annotations

import pytest

from jobs_app.context import Cancelled, DetachedContext
from jobs_app.core import checkpoints, clock, control, execution, outcomes
from jobs_app.errors import TooLarge
from jobs_app.models import Checkpoint
from jobs_app.policies import NO_RETRY, Retry
from tests.support.kinds_of_lasting_work import counts_on
from tests.support.ledger import HOLDER, altered, claimed, fresh, run, submitted

pytestmark = pytest.mark.usefixtures("quiet", "nudged")


def test_the_next_attempt_goes_on_where_the_last_got_to() -> None:
    job = run("probe.counts_on", {"to": 10, "fails_at": [4, 7]}, max_attempts=3)
    assert (job.state, job.checkpoint.value, job.checkpoint.attempt) == ("retrying", {"done": 4}, 1)
    for _ in range(2):
        altered(job, state="queued")
        assert execution.run([job.id], holder=HOLDER) == 1
    row = fresh(job)
    assert (row.state, row.result) == ("succeeded", {"from": 7, "to": 10})


def test_a_worker_that_was_given_up_cannot_turn_it_back() -> None:
    now = clock.database_now()
    job = altered(submitted(), max_attempts=3)
    late = claimed(job)
    checkpoints.save(late, 1, now=now)
    assert outcomes.fail(late, outcomes.Failure("x"), Retry(now - now), NO_RETRY, now=now)
    altered(job, state="queued")
    new = claimed(job)
    assert checkpoints.load(new) == 1
    checkpoints.save(new, 2, now=now)
    with pytest.raises(Cancelled, match="taken over"):
        checkpoints.save(late, 1, now=now)
    assert checkpoints.load(new) == 2


def test_a_job_that_is_run_again_begins_anew() -> None:
    job = run("probe.counts_on", {"to": 3, "fails_at": []})
    assert Checkpoint.objects.get().job_id == job.id
    again = control.rerun(job.id, actor=None, now=clock.database_now()).job
    assert execution.run([again.id], holder=HOLDER) == 1
    assert fresh(again).result == {"from": 0, "to": 3}


def test_in_an_atomic_kind_it_vanishes_with_the_effects() -> None:
    job = run("probe.atomic_checkpoint", {}, max_attempts=2)
    assert job.state == "retrying"
    assert not Checkpoint.objects.exists()


def test_it_is_bounded() -> None:
    row = claimed(submitted())
    with pytest.raises(TooLarge, match="at most 65,536 bytes as JSON, got 70,002"):
        checkpoints.save(row, "a" * 70_000, now=clock.database_now())
    assert not Checkpoint.objects.exists()


def test_a_handler_that_is_called_as_a_function_may_be_given_one() -> None:
    context = DetachedContext(checkpoint={"done": 2})
    assert counts_on(to=5, fails_at=[], context=context) == {"from": 2, "to": 5}
    assert context.checkpoint == {"done": 5}
