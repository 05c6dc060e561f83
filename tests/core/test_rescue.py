"""Rescue: jobs whose worker is gone run again, or end; a live worker wins."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError

from jobs_app.core import claims, control, liveness, outcomes, rescue, transitions, transport
from jobs_app.lifecycle import State
from jobs_app.models import Job
from tests.support.ledger import altered, claimed, columns_of, fresh, happened, moves_of, reaching, submitted

SECOND = timedelta(seconds=1)
LAPSED = timedelta(seconds=5.001)
"""Just beyond the lease of the tests."""


def test_a_lease_that_ran_out_gives_the_job_back(now: datetime) -> None:
    job = claimed(submitted(now=now), now=now)
    assert rescue.expired_leases(now=now + LAPSED) == 1
    row = fresh(job)
    assert (row.state, row.kills, row.failures, row.lease_until, row.dispatched_at) == ("queued", 1, 0, None, None)
    attempt = row.attempts.get()
    assert (attempt.outcome, attempt.error_type) == ("lost", "WorkerLost")
    assert attempt.error == "its worker stopped answering"
    assert attempt.finished_at == now + LAPSED
    assert moves_of(job)[-1] == ("running", "queued")
    assert rescue.expired_leases(now=now + LAPSED) == 0


def test_a_lease_that_holds_is_left_alone(now: datetime) -> None:
    job = claimed(submitted(now=now), now=now)
    before = columns_of(job)
    assert job.lease_until is not None
    assert rescue.expired_leases(now=job.lease_until) == 0
    assert columns_of(job) == before


@pytest.mark.parametrize("state", sorted(set(State) - {State.RUNNING}))
def test_only_running_jobs_are_rescued(now: datetime, state: State) -> None:
    job = reaching(state, now=now)
    before = columns_of(job)
    assert rescue.expired_leases(now=now + timedelta(days=1)) == 0
    assert rescue.lost_child([job.id], "message", now=now, reason="dead") == 0
    assert columns_of(job) == before


def test_a_job_that_ends_its_worker_again_and_again_is_stopped(now: datetime) -> None:
    job = submitted(now=now)
    for kill in (1, 2, 3):
        claimed(job, now=now)
        assert rescue.expired_leases(now=now + LAPSED) == 1
        assert fresh(job).kills == kill
    row = fresh(job)
    assert (row.state, row.error_type) == ("failed", "WorkerLost")
    assert row.error == (
        "it ended its worker 3 times, so it is not tried again; the last time: its worker stopped answering"
    )
    assert list(row.attempts.values_list("outcome", flat=True)) == ["lost"] * 3


def test_a_lost_job_that_was_to_be_cancelled_is_cancelled(now: datetime) -> None:
    job = claimed(submitted(now=now), now=now)
    control.cancel(job.id, actor=None, now=now)
    assert rescue.expired_leases(now=now + LAPSED) == 1
    row = fresh(job)
    assert (row.state, row.attempts.get().outcome) == ("cancelled", "lost")


def test_the_late_worker_of_a_rescued_job_changes_nothing(now: datetime) -> None:
    job = claimed(submitted(now=now), now=now)
    rescue.expired_leases(now=now + LAPSED)
    other = claimed(job, now=now + LAPSED, holder="another")
    before = columns_of(job)
    assert not outcomes.succeed(job, "late", 6, now=now + LAPSED)
    assert liveness.extend([(job.id, 1)], now=now + 2 * LAPSED) == {}
    assert columns_of(job) == before
    assert happened(job)[-1] == "late write refused"
    assert outcomes.succeed(other, "in time", 9, now=now + LAPSED)


@pytest.mark.parametrize("meanwhile", ["heartbeat", "settled", "cancel requested"])
def test_what_happened_since_the_rows_were_read_counts(now: datetime, meanwhile: str) -> None:
    job = claimed(submitted(now=now), now=now)
    seen = fresh(job)
    later = now + LAPSED
    match meanwhile:
        case "heartbeat":
            assert liveness.extend([(job.id, 1)], now=later) == {job.id: False}
        case "settled":
            assert outcomes.succeed(job, 1, 1, now=later)
        case "cancel requested":
            control.cancel(job.id, actor=None, now=later)
    rescued = rescue._rescue(seen, "gone", later, lapsed=True)
    assert (rescued, fresh(job).state) == {
        "heartbeat": (False, "running"), "settled": (False, "succeeded"), "cancel requested": (True, "cancelled"),
    }[meanwhile]  # fmt: skip


def test_a_dead_process_loses_what_it_held_of_its_message_at_once(now: datetime) -> None:
    mine, other = (claimed(submitted(now=now), now=now, holder=f"worker@a/{pid}/{pid}-id") for pid in (7, 8))
    ids = [mine.id, other.id, submitted(now=now).id]
    assert rescue.lost_child(ids, "7-id", now=now, reason="its worker process was killed") == 1
    assert (fresh(mine).state, fresh(other).state) == ("queued", "running")
    assert fresh(mine).attempts.get().error == "its worker process was killed"
    assert rescue.lost_child(ids, "7-id", now=now, reason="told twice") == 0


@pytest.mark.parametrize("message", ["", "d", "%", "_-id", "-id", "1/7-id"])
def test_a_forged_report_of_a_death_rescues_nothing(now: datetime, message: str) -> None:
    job = claimed(submitted(now=now), now=now, holder="worker@a/7/7-id")
    assert rescue.lost_child([job.id], message, now=now, reason="forged") == 0
    assert fresh(job).state == "running"


def test_a_report_without_the_ids_rescues_nothing(now: datetime) -> None:
    job = claimed(submitted(now=now), now=now, holder="worker@a/7/7-id")
    assert rescue.lost_child([], "7-id", now=now, reason="forged") == 0
    assert fresh(job).state == "running"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "Worker exited prematurely: signal 9 (SIGKILL) Job: 3.",
            "its worker process was killed by signal 9 (SIGKILL, as the system does when memory runs out)",
        ),
        (
            "Worker exited prematurely: signal 11 (SIGSEGV) Job: 3.",
            "its worker process was killed by signal 11 (SIGSEGV)",
        ),
        ("Worker exited prematurely: exitcode 3 Job: 3.", "its worker process exited with code 3"),
        ("no idea", "its worker process died"),
        ("", "its worker process died"),
    ],
)
def test_how_a_process_died_is_said_in_words(words: str, said: str) -> None:
    assert rescue.describe_exit(words) == said


def test_jobs_that_waited_past_their_expiry_fail(now: datetime) -> None:
    soon, late, never = (submitted(now=now, expires_at=at) for at in (now + SECOND, now + 60 * SECOND, None))
    assert rescue.expire_waiting(now=now + SECOND) == 1
    row = fresh(soon)
    assert (row.state, row.error, row.error_type) == ("failed", "it was not started before its expiry", "Expired")
    assert happened(soon) == ["submitted", "expired"]
    assert (fresh(late).state, fresh(never).state) == ("queued", "queued")


def test_a_job_that_was_started_does_not_expire(now: datetime) -> None:
    job = claimed(submitted(now=now, expires_at=now + SECOND), now=now)
    assert rescue.expire_waiting(now=now + LAPSED) == 0
    assert rescue.expired_leases(now=now + LAPSED) == 1
    assert rescue.expire_waiting(now=now + LAPSED) == 0
    assert fresh(job).state == "queued"


def test_a_scheduled_job_expires_once_it_is_queued(now: datetime) -> None:
    job = submitted(now=now, due_at=now + SECOND, expires_at=now + 2 * SECOND)
    assert rescue.expire_waiting(now=now + 9 * SECOND) == 0
    transitions.make_due([job.id], State.SCHEDULED, now=now + 9 * SECOND)
    assert rescue.expire_waiting(now=now + 9 * SECOND) == 1


def test_a_rescue_works_in_bounded_batches(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescue, "BATCH", 2)
    for _ in range(5):
        claimed(submitted(now=now), now=now)
    assert [rescue.expired_leases(now=now + LAPSED) for _ in range(4)] == [2, 2, 1, 0]


def test_a_row_that_cannot_be_rescued_keeps_no_other_from_it(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = claimed(submitted(now=now), now=now), claimed(submitted(now=now), now=now)
    altered(bad, lease_until=now - SECOND)
    end_attempt = claims.end_attempt

    def end(job: Job, *outcome: Any, **named: Any) -> None:
        if job.id == bad.id:
            raise IntegrityError("this row breaks a constraint")
        end_attempt(job, *outcome, **named)

    monkeypatch.setattr(claims, "end_attempt", end)
    assert rescue.expired_leases(now=now + LAPSED) == 1
    assert (fresh(bad).state, fresh(good).state) == ("running", "queued")


def test_a_rescued_job_is_sent_again(quiet: None, now: datetime, nudged: list[str]) -> None:
    job = claimed(submitted(now=now), now=now)
    transport.publisher.drain()
    nudged.clear()
    rescue.expired_leases(now=now + LAPSED)
    transport.publisher.drain()
    assert nudged == ["default"]
    assert fresh(job).state == "queued"


def test_a_job_that_is_due_again_after_many_kills_keeps_the_count(now: datetime) -> None:
    job = claimed(submitted(now=now), now=now)
    rescue.expired_leases(now=now + LAPSED)
    outcomes.succeed(claimed(job, now=now), 1, 1, now=now)
    assert (fresh(job).kills, fresh(job).attempt) == (1, 2)


def test_the_oldest_leases_come_first(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescue, "BATCH", 1)
    jobs = [claimed(submitted(now=now), now=now) for _ in range(3)]
    altered(jobs[1], lease_until=now - SECOND)
    rescue.expired_leases(now=now + LAPSED)
    assert [row.id for row in Job.objects.filter(state="queued")] == [jobs[1].id]
