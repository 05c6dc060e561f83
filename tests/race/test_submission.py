"""One idempotency key, several requests: one job."""

from __future__ import annotations

from functools import partial

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from jobs_app.core import clock, control, submission, tokens
from jobs_app.errors import IdempotencyConflict
from jobs_app.models import Event, Job, Token
from tests.support.ledger import submitted
from tests.support.together import HELD_SECONDS, against, at_once

pytestmark = pytest.mark.usefixtures("quiet", "nudged")


def accepted(text: str, owner: User | None = None) -> submission.Accepted:
    options = submission.Options(idempotency_key="the key")
    return submission.accept("system.echo", {"text": text}, owner=owner, options=options, now=clock.database_now())


@pytest.mark.parametrize("owned", [True, False])
def test_one_key_submitted_twenty_times_at_once_is_one_job(alice: User, owned: bool) -> None:
    owner = alice if owned else None
    found = at_once(*[partial(accepted, "same", owner)] * 20)
    assert len({each.job.id for each in found}) == Job.objects.count() == Event.objects.count() == 1
    assert sorted(each.replayed for each in found) == [False] + [True] * 19


def test_the_second_request_waits_for_the_first_and_gets_its_job() -> None:
    with against(lambda: accepted("same")) as rival:
        second = accepted("same")
    assert rival.waited >= HELD_SECONDS
    assert second.replayed
    assert second.job.id == Job.objects.get().id


def test_if_the_first_is_rolled_back_the_second_is_the_job() -> None:
    def submit_and_roll_back() -> None:
        accepted("same")
        transaction.set_rollback(True)

    with against(submit_and_roll_back) as rival:
        second = accepted("same")
    assert rival.waited >= HELD_SECONDS
    assert not second.replayed
    assert second.job.id == Job.objects.get().id


def test_the_second_request_may_wait_within_a_transaction_that_goes_on() -> None:
    with against(lambda: accepted("same")), transaction.atomic():
        second = accepted("same")
        other = submitted("system.echo", {"text": "after it"})
    assert second.replayed
    assert set(Job.objects.values_list("id", flat=True)) == {second.job.id, other.id}


def test_another_request_under_the_same_key_is_a_conflict_and_no_error_of_the_database() -> None:
    with against(lambda: accepted("one")) as rival, pytest.raises(IdempotencyConflict):
        accepted("another")
    assert rival.waited >= HELD_SECONDS
    assert Job.objects.get().parameters == {"text": "one"}


def unique_job() -> Job:
    return submitted("probe.unique", {"customer": 1})


def test_a_unique_job_submitted_twenty_times_at_once_is_one_job() -> None:
    assert len({job.id for job in at_once(*[unique_job] * 20)}) == Job.objects.count() == 1


def test_a_unique_job_waits_for_another_that_may_yet_be_rolled_back() -> None:
    with against(unique_job) as rival:
        second = unique_job()
    assert rival.waited >= HELD_SECONDS
    assert second.id == Job.objects.get().id


def test_once_the_first_has_ended_twenty_at_once_are_one_job_again() -> None:
    first = unique_job()
    control.cancel(first.id, actor=None, now=clock.database_now())
    assert len({job.id for job in at_once(*[unique_job] * 20)} | {first.id}) == Job.objects.count() == 2


def test_a_token_is_revoked_once(alice: User) -> None:
    now = clock.database_now()
    row, _ = tokens.issue(alice, "laptop", now=now)
    assert sorted(at_once(*[partial(tokens.revoke, row, now=now)] * 5)) == [False] * 4 + [True]
    assert Token.objects.get().revoked_at == now
