"""The ledger's tables hold their invariants themselves, and refuse writes from outside the core."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import IntegrityError, connection, models, transaction
from django.db.models import CheckConstraint, UniqueConstraint

from jobs_app.core import artifacts, control, tokens
from jobs_app.errors import LedgerWriteRefused
from jobs_app.lifecycle import Reason, State
from jobs_app.models import Artifact, Attempt, Event, Job, JobInput, LogLine, Queue, Refusal, Token
from jobs_app.models.guard import Guarded, writing
from tests.support.ledger import altered, claimed, fresh, reaching, submitted

MODELS = [Artifact, Attempt, Event, Job, JobInput, LogLine, Queue, Refusal, Token]
THEN = "2026-11-23 12:00:00"

# Which row each CHECK is broken on, and how. The state of a job's row is that of its name.
BROKEN_CHECKS: dict[str, list[tuple[str, str]]] = {
    "job_state_known": [("queued", "state = 'lost'"), ("queued", "state = ''")],
    "job_final_iff_finished": [
        ("queued", f"finished_at = '{THEN}'"),
        ("queued", "state = 'cancelled'"),
        ("succeeded", "finished_at = NULL"),
        ("succeeded", "state = 'queued'"),
    ],
    "job_running_iff_leased": [
        ("running", "lease_until = NULL"),
        ("queued", f"lease_until = '{THEN}'"),
        ("queued", f"state = 'running', lease_until = '{THEN}'"),
    ],
    "job_untouched_before_claim": [
        ("scheduled", "attempt = 1"),
        ("scheduled", f"dispatched_at = '{THEN}'"),
    ],
    "job_blocked_off_broker": [("queued", f"state = 'blocked', dispatched_at = '{THEN}'")],
    "job_child_has_key": [("queued", "child_key = 'one'")],
    "job_priority_range": [("queued", "priority = 101"), ("queued", "priority = -101")],
    "job_progress_range": [("queued", "progress = 1.01"), ("queued", "progress = -0.01")],
    "job_attempts_allowed": [("queued", "max_attempts = 0")],
    "attempt_from_one": [("attempt", "number = 0")],
    "attempt_finished_iff_ended": [("attempt", "outcome = 'failed'"), ("attempt", f"finished_at = '{THEN}'")],
    "queue_window_positive": [("queue", '"window" = 0')],
    "queue_limit_positive": [("queue", '"limit" = 0')],
    "queue_hard_limit_above": [("queue", '"limit" = 5, hard_limit = 4')],
    "queue_low_water_below": [("queue", '"limit" = 5, low_water = 5')],
    "queue_user_share": [("queue", "user_share = 0"), ("queue", "user_share = 1.1")],
    "queue_token_share": [("queue", "token_share = 0"), ("queue", "token_share = 1.1")],
    "refusal_counts": [("refusal", '"count" = 0')],
}
TABLES = {"attempt": Attempt, "queue": Queue, "refusal": Refusal}


def constraints(kind: type[models.BaseConstraint]) -> set[str]:
    return {each.name for model in MODELS for each in model._meta.constraints if isinstance(each, kind)}


def test_every_check_is_broken_below() -> None:
    assert constraints(CheckConstraint) == set(BROKEN_CHECKS)


@pytest.mark.parametrize(
    ("name", "row", "change"), [(name, *case) for name, cases in BROKEN_CHECKS.items() for case in cases]
)
def test_the_database_refuses_a_row_that_breaks_its_invariants(now: datetime, name: str, row: str, change: str) -> None:
    if row in TABLES:
        claimed(submitted(now=now), now=now)
        with writing():
            Queue.objects.get_or_create(name="default")
            Refusal.objects.create(queue="default", reason=Reason.FULL, at=now, count=1)
    else:
        reaching(State(row), now=now)
    table = TABLES.get(row, Job)._meta.db_table
    with pytest.raises(IntegrityError, match=name), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {change}")


def _two_jobs_one_key(owner: User | None, now: datetime) -> str:
    submitted(owner=owner, now=now, idempotency_key="first")
    submitted(owner=owner, now=now, idempotency_key="second")
    return "UPDATE jobs_app_job SET idempotency_key = 'same'"


def _two_claims(owner: User | None, now: datetime) -> str:
    job = submitted(owner=owner, now=now)
    claimed(job, now=now)
    with writing():
        Attempt.objects.create(job=job, number=2, started_at=now)
    return "UPDATE jobs_app_attempt SET number = 3"


def _two_files(owner: User | None, now: datetime) -> str:
    job = submitted(owner=owner, now=now)
    for name in ("a", "b"):
        artifacts.save_output(job, 1, name, b"", now=now)
    return "UPDATE jobs_app_artifact SET name = 'same'"


def _two_inputs(owner: User | None, now: datetime) -> str:
    files = [artifacts.take_upload(name, [b""], owner=owner, now=now) for name in ("a", "b")]
    submitted("probe.files", {"first": str(files[0].id), "others": [str(files[1].id)]}, owner=owner, now=now)
    return "UPDATE jobs_app_jobinput SET artifact_id = (SELECT id FROM jobs_app_artifact ORDER BY id LIMIT 1)"


def _two_children(owner: User | None, now: datetime) -> str:
    first, second = submitted(owner=owner, now=now), submitted(owner=owner, now=now)
    for each, key in ((first, "a"), (second, "b")):
        altered(each, parent=first, child_key=key)
    return "UPDATE jobs_app_job SET child_key = 'same'"


BROKEN_KEYS: dict[str, Callable[[User | None, datetime], str]] = {
    "job_idempotency_key": _two_jobs_one_key,
    "job_idempotency_key_system": lambda owner, now: _two_jobs_one_key(None, now),
    "job_child_once": _two_children,
    "attempt_once": _two_claims,
    "artifact_name_in_attempt": _two_files,
    "job_input_once": _two_inputs,
}


def test_every_key_is_broken_below() -> None:
    assert constraints(UniqueConstraint) == set(BROKEN_KEYS)


@pytest.mark.parametrize("name", BROKEN_KEYS)
def test_the_database_refuses_a_second_row_with_the_same_key(alice: User, now: datetime, name: str) -> None:
    statement = BROKEN_KEYS[name](alice, now)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_one_key_may_be_used_by_each_owner(alice: User, bob: User, now: datetime) -> None:
    jobs = {submitted(owner=owner, now=now, idempotency_key="same").id for owner in (alice, bob, None)}
    assert len(jobs) == 3


WRITES: dict[str, Callable[[Job, User], Any]] = {
    "save": lambda job, user: job.save(),
    "save one column": lambda job, user: job.save(update_fields=["state"]),
    "delete": lambda job, user: job.delete(),
    "create": lambda job, user: Queue.objects.create(name="new"),
    "get_or_create": lambda job, user: Queue.objects.get_or_create(name="new"),
    "update_or_create": lambda job, user: Queue.objects.update_or_create(name="new"),
    "update": lambda job, user: Job.objects.filter(id=job.id).update(state="succeeded"),
    "delete many": lambda job, user: Job.objects.filter(id=job.id).delete(),
    "bulk_create": lambda job, user: Queue.objects.bulk_create([Queue(name="new")]),
    "bulk_update": lambda job, user: Job.objects.bulk_update([job], ["priority"]),
    "related add": lambda job, user: user.jobs.add(job),
    "related set": lambda job, user: user.jobs.set([job]),
    "related clear": lambda job, user: job.reruns.clear(),
    "related create": lambda job, user: job.attempts.create(number=9, started_at=job.created_at),
    "related update": lambda job, user: job.events.update(reason="never happened"),
    "related delete": lambda job, user: job.events.all().delete(),
    "base manager": lambda job, user: Job._base_manager.filter(id=job.id).update(priority=1),
}


@pytest.mark.parametrize("verb", WRITES)
def test_a_write_from_outside_the_core_is_refused(alice: User, now: datetime, verb: str) -> None:
    job = submitted(now=now)
    before, queues = fresh(job).__dict__, set(Queue.objects.values_list("name", flat=True))
    words = r"rows to be changed by jobs_app.core only, got a direct \w+\(\)"
    with pytest.raises(LedgerWriteRefused, match=words), transaction.atomic():
        WRITES[verb](job, alice)
    assert {**fresh(job).__dict__, "_state": None} == {**before, "_state": None}
    assert set(Queue.objects.values_list("name", flat=True)) == queues
    assert Event.objects.get().reason == "python"


@pytest.mark.parametrize("model", MODELS)
def test_every_table_is_guarded(model: type[models.Model]) -> None:
    assert issubclass(model, Guarded)
    assert {model._default_manager.name, model._base_manager.name} == {"objects"}
    with pytest.raises(LedgerWriteRefused, match=model.__name__):
        model().save()
    with pytest.raises(LedgerWriteRefused, match=model.__name__):
        model._default_manager.update(id=1)


def test_the_lock_is_open_for_one_thread_at_a_time(now: datetime) -> None:
    refused: list[bool] = []

    def write() -> None:
        try:
            Queue(name="other").save()
        except LedgerWriteRefused:
            refused.append(True)

    with writing():
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
    assert refused == [True]


def test_a_user_without_jobs_can_be_deleted_with_their_tokens(alice: User, now: datetime) -> None:
    tokens.issue(alice, "laptop", now=now)
    alice.delete()
    assert not Token.objects.exists()


def test_a_user_with_jobs_or_in_the_record_cannot_be_deleted(alice: User, carol: User, now: datetime) -> None:
    job = submitted(owner=alice, now=now)
    control.cancel(job.id, actor=carol, now=now)
    for user in (alice, carol):
        with pytest.raises(models.ProtectedError):
            user.delete()


def test_ids_are_in_order_of_making(now: datetime) -> None:
    made = [submitted(now=now).id for _ in range(50)]
    assert made == sorted(made)
    assert {each.version for each in made} == {7}
    assert list(Job.objects.order_by("id").values_list("id", flat=True)) == made


def test_the_migrations_are_complete(db: None) -> None:
    out = StringIO()
    call_command("makemigrations", "--check", "--dry-run", stdout=out)
    assert "No changes detected" in out.getvalue()
