"""Unique kinds: at most one job at a time of chosen parameters, over chosen states and a period."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from jobs_app.core import control, outcomes, submission
from jobs_app.core.submission import Options, accept
from jobs_app.errors import BadDeclaration, Conflict
from jobs_app.lifecycle import WAITING, State
from jobs_app.models import Job, UniqueKey
from jobs_app.policies import NO_RETRY, Retry, Unique
from jobs_app.registry import job as declare
from tests.support.ledger import claimed, fresh, submitted

HOUR = timedelta(hours=1)
EXPORT, HOURLY, SHARED = "probe.unique", "probe.unique_each_hour", "probe.unique_for_all"


def export(customer: int = 1, note: str = "", **options: object) -> Job:
    return submitted(EXPORT, {"customer": customer, "note": note}, **options)  # type: ignore[arg-type]


def test_a_second_job_of_the_chosen_parameters_is_the_first_one(now: datetime) -> None:
    first = export(1, "a")
    again = accept(EXPORT, {"customer": 1, "note": "b"}, owner=None, options=Options(), now=now)
    assert (again.job.id, again.replayed) == (first.id, True)
    assert export(2).id != first.id
    assert Job.objects.count() == 2


def test_it_stands_in_the_way_until_it_has_ended(now: datetime) -> None:
    first = export(now=now)
    running = claimed(first, now=now)
    assert export().id == first.id
    assert outcomes.fail(running, outcomes.Failure("later"), Retry(HOUR), NO_RETRY, now=now)
    assert (fresh(first).state, export().id) == ("failed", UniqueKey.objects.get().job_id)
    second = UniqueKey.objects.get().job
    assert second.id != first.id
    control.cancel(second.id, actor=None, now=now)
    assert export().id not in {first.id, second.id}


def test_over_chosen_states_and_a_period(now: datetime) -> None:
    first = submitted(HOURLY, {"customer": 1}, now=now)
    assert outcomes.succeed(claimed(first, now=now), None, 4, now=now)
    late = now + HOUR
    assert submitted(HOURLY, {"customer": 1}, now=late - timedelta(seconds=1)).id == first.id
    assert submitted(HOURLY, {"customer": 1}, now=late).id != first.id
    assert UniqueKey.objects.count() == 1


def test_owners_do_not_stand_in_each_others_way(alice: User, bob: User) -> None:
    assert export(owner=alice).id != export(owner=bob).id
    assert export(owner=alice).owner == alice


def test_across_owners_the_second_is_refused_without_being_told_of_the_first(alice: User, bob: User) -> None:
    first = submitted(SHARED, owner=alice)
    assert submitted(SHARED, owner=alice).id == first.id
    with pytest.raises(Conflict, match="another user's is there") as refusal:
        submitted(SHARED, owner=bob)
    assert str(first.id) not in str(refusal.value)
    assert Job.objects.count() == 1


def test_a_submission_that_is_rolled_back_leaves_no_key() -> None:
    with transaction.atomic():
        export()
        transaction.set_rollback(True)
    assert not UniqueKey.objects.exists()
    assert submission.submit(EXPORT, {"customer": 1, "note": ""}).state == "queued"


def test_the_key_tells_nothing_of_the_parameters(now: datetime) -> None:
    assert len({export(number).unique_key.key for number in range(20)}) == 20
    assert all(len(key) == 64 for key in UniqueKey.objects.values_list("key", flat=True))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"states": frozenset({State.RUNNING})}, "scheduled and queued among them"),
        ({"states": WAITING, "period": timedelta(0)}, "a period above zero"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Unique(**arguments)  # type: ignore[arg-type]


def test_a_rule_names_parameters_of_its_kind() -> None:
    def nothing(number: int) -> None: ...

    declaration = declare("probe.unique_by_nothing", unique=Unique(by=("street", "city")))
    with pytest.raises(BadDeclaration, match="unique by parameters of the kind, got city, street"):
        declaration(nothing)
