"""Schedules: a tick is one job."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from jobs_app.core import scheduling
from jobs_app.errors import IdempotencyConflict, InvalidParameters, InvalidRequest, UnknownKind
from jobs_app.models import Job
from tests.support.ledger import fresh, happened

MINUTE = timedelta(minutes=1)


def test_a_tick_submits_a_job_of_the_systems(now: datetime) -> None:
    job = fresh(scheduling.tick("nightly", "system.echo", {"text": "a"}, due_at=now, now=now))
    assert (job.owner, job.via, job.state, job.parameters) == (None, "schedule", "queued", {"text": "a"})
    assert job.idempotency_key == f"nightly@{now.isoformat()}"


def test_a_tick_sent_twice_is_one_job(now: datetime) -> None:
    first, second = (
        scheduling.tick("nightly", "system.echo", {"text": "a"}, due_at=now, now=now + shift)
        for shift in (timedelta(0), MINUTE)
    )
    assert first.id == second.id == Job.objects.get().id
    assert happened(first) == ["submitted"]


def test_each_tick_of_each_schedule_is_a_job(now: datetime) -> None:
    ticks = [("a", now), ("b", now), ("a", now + MINUTE)]
    jobs = {scheduling.tick(name, "probe.nothing", {}, due_at=due_at, now=now).id for name, due_at in ticks}
    assert len(jobs) == 3


def test_a_schedule_that_was_changed_within_its_tick_does_not_tick_twice(now: datetime) -> None:
    scheduling.tick("nightly", "system.echo", {"text": "a"}, due_at=now, now=now)
    with pytest.raises(IdempotencyConflict):
        scheduling.tick("nightly", "system.echo", {"text": "b"}, due_at=now, now=now)


@pytest.mark.parametrize("act", ["tick", "check"])
def test_what_cannot_be_scheduled_is_refused(now: datetime, act: str) -> None:
    def attempt(kind: str, parameters: dict[str, object]) -> None:
        if act == "tick":
            scheduling.tick("nightly", kind, parameters, due_at=now, now=now)
        else:
            scheduling.check(kind, parameters)

    with pytest.raises(InvalidRequest, match=r"expected a kind that may be scheduled, got probe\.not_schedulable"):
        attempt("probe.not_schedulable", {})
    with pytest.raises(UnknownKind):
        attempt("probe.unheard_of", {})
    with pytest.raises(InvalidParameters, match="text: expected a value, got none"):
        attempt("system.echo", {})
    assert not Job.objects.exists()


def test_a_schedule_keeps_no_secret(db: None) -> None:
    scheduling.check("system.echo", {"text": "a"})
    scheduling.check("probe.everything", {"text": "a", "count": 1, "colour": "red"})
    with pytest.raises(InvalidParameters, match="token: expected no secret: a schedule would keep it in clear"):
        scheduling.check("probe.secretive", {"token": "hunter2"})
    with pytest.raises(InvalidParameters, match="login: expected no secret"):
        scheduling.check("probe.signs_in", {"login": {"name": "a", "password": "hunter2"}})
