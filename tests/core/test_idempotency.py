"""One key of one owner is one job."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from jobs_app.core import control, submission
from jobs_app.errors import IdempotencyConflict, InvalidParameters, InvalidRequest
from jobs_app.models import Job
from tests.support.ledger import fresh, happened, submitted


def accepted(kind: str, parameters: dict[str, Any], owner: User | None, now: datetime, key: str) -> submission.Accepted:
    options = submission.Options(idempotency_key=key)
    return submission.accept(kind, parameters, owner=owner, options=options, now=now)


@pytest.mark.parametrize("owned", [True, False])
def test_the_same_key_gives_the_same_job(alice: User, now: datetime, owned: bool) -> None:
    owner = alice if owned else None
    first = accepted("system.echo", {"text": "a"}, owner, now, "key")
    second = accepted("system.echo", {"text": "a"}, owner, now + timedelta(hours=1), "key")
    assert (first.replayed, second.replayed) == (False, True)
    assert first.job.id == second.job.id == Job.objects.get().id
    assert happened(first.job) == ["submitted"]


@pytest.mark.parametrize("owned", [True, False])
@pytest.mark.parametrize(("kind", "parameters"), [("system.echo", {"text": "b"}), ("system.sleep", {})])
def test_the_same_key_with_another_request_is_a_conflict(
    alice: User, now: datetime, owned: bool, kind: str, parameters: dict[str, Any]
) -> None:
    owner = alice if owned else None
    first = accepted("system.echo", {"text": "a"}, owner, now, "key")
    with pytest.raises(IdempotencyConflict, match=f"this one belongs to job {first.job.id}, which has another kind"):
        accepted(kind, parameters, owner, now, "key")
    assert Job.objects.count() == 1


def test_requests_are_compared_as_validated(now: datetime) -> None:
    first = accepted("system.sleep", {"seconds": "3"}, None, now, "key")
    assert accepted("system.sleep", {"seconds": 3.0}, None, now, "key").job.id == first.job.id


def test_secrets_count_though_they_look_the_same(now: datetime) -> None:
    accepted("probe.secretive", {"token": "first"}, None, now, "key")
    assert accepted("probe.secretive", {"token": "first"}, None, now, "key").replayed
    with pytest.raises(IdempotencyConflict):
        accepted("probe.secretive", {"token": "second"}, None, now, "key")


def test_keys_of_different_owners_do_not_meet(alice: User, bob: User, now: datetime) -> None:
    jobs = {accepted("system.echo", {"text": str(owner)}, owner, now, "key").job.id for owner in (alice, bob, None)}
    assert len(jobs) == 3


def test_without_a_key_each_request_is_a_job(now: datetime) -> None:
    assert len({submitted("system.echo", {"text": "a"}, now=now).id for _ in range(3)}) == 3


def test_the_key_outlives_the_jobs_end(now: datetime) -> None:
    first = accepted("system.echo", {"text": "a"}, None, now, "key")
    control.cancel(first.job.id, actor=None, now=now)
    again = accepted("system.echo", {"text": "a"}, None, now, "key")
    assert again.replayed
    assert again.job.state == "cancelled"


def test_a_refused_request_uses_up_no_key(now: datetime) -> None:
    with pytest.raises(InvalidParameters):
        accepted("system.echo", {}, None, now, "key")
    with pytest.raises(InvalidRequest):
        submitted("system.echo", {"text": "a"}, now=now, idempotency_key="key", priority=500)
    assert not accepted("system.echo", {"text": "a"}, None, now, "key").replayed


def test_a_key_of_a_request_that_was_rolled_back_is_free(quiet: None, now: datetime) -> None:
    with transaction.atomic():
        accepted("system.echo", {"text": "a"}, None, now, "key")
        transaction.set_rollback(True)
    assert not accepted("system.echo", {"text": "b"}, None, now, "key").replayed


def test_a_replay_inside_the_callers_transaction_leaves_it_usable(now: datetime) -> None:
    with transaction.atomic():
        first = accepted("system.echo", {"text": "a"}, None, now, "key")
        assert accepted("system.echo", {"text": "a"}, None, now, "key").replayed
        assert submitted("system.echo", {"text": "c"}, now=now).id != first.job.id
    assert fresh(first.job).state == "queued"
