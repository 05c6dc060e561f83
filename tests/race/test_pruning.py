"""Retention beside those who still write to what it deletes: no attempt and no event is left without its job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from jobs_app.core import transitions
from jobs_app.core.retention import pruning
from jobs_app.core.rollups import rolling
from jobs_app.core.turns import Turns
from jobs_app.lifecycle import EventName, State
from jobs_app.models import Attempt, Event, Job
from tests.support.ledger import reaching
from tests.support.together import HELD_SECONDS, against

pytestmark = pytest.mark.usefixtures("quiet", "nudged")

NOON = datetime(2026, 3, 4, 12, 0, 30, tzinfo=UTC)
LATER = NOON + timedelta(days=9000)


def test_an_event_that_commits_while_its_job_is_pruned_goes_with_it() -> None:
    job = reaching(State.SUCCEEDED, now=NOON)
    rolling.roll(now=NOON)
    amend = partial(transitions.amend, job, now=NOON, event=EventName.REPRIORITISED, priority=5)
    with against(amend) as rival:
        assert pruning.prune_jobs(now=LATER, turns=Turns(1)) == 1
    assert rival.waited >= HELD_SECONDS, "they met at the job's row"
    assert not Job.objects.exists()
    assert list(Event.objects.values_list("name", flat=True)) == []
    assert not Attempt.objects.exists()


def test_who_comes_to_a_job_that_is_pruned_finds_none_and_writes_nothing() -> None:
    job = reaching(State.SUCCEEDED, now=NOON)
    rolling.roll(now=NOON)
    with against(partial(pruning.prune_jobs, now=LATER, turns=Turns(1))) as rival:
        assert not transitions.amend(job, now=NOON, event=EventName.REPRIORITISED, priority=5)
    assert rival.waited >= HELD_SECONDS, "they met at the job's row"
    assert not Job.objects.exists()
    assert not Event.objects.exists()
