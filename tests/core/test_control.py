"""What people do to jobs: cancel, run again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User

from jobs_app.core import artifacts, control, sealing
from jobs_app.errors import Conflict, IdempotencyConflict, InvalidParameters, NotAllowed, NotFound, UnknownKind
from jobs_app.lifecycle import FINAL, WAITING, State, Via
from jobs_app.models import Job
from jobs_app.parameters import MASK
from tests.support.ledger import altered, claimed, columns_of, fresh, happened, moves_of, reaching, submitted

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("state", sorted(WAITING))
def test_a_waiting_job_is_cancelled_at_once(alice: User, now: datetime, state: State) -> None:
    job = reaching(state, owner=alice, now=now)
    row = control.cancel(job.id, actor=alice, now=now + SECOND)
    assert (row.state, row.finished_at, row.cancel_requested_at) == ("cancelled", now + SECOND, now + SECOND)
    event = job.events.latest("id")
    assert (event.name, event.source, event.target, event.actor) == ("cancelled", state, "cancelled", alice)


def test_a_running_job_is_asked_to_stop(alice: User, now: datetime) -> None:
    job = reaching(State.RUNNING, owner=alice, now=now)
    row = control.cancel(job.id, actor=alice, now=now + SECOND)
    assert (row.state, row.cancel_requested_at, row.finished_at) == ("running", now + SECOND, None)
    event = job.events.latest("id")
    assert (event.name, event.source, event.target, event.actor) == ("cancel requested", "running", "running", alice)


def test_cancelling_twice_is_no_error_and_no_second_record(now: datetime) -> None:
    for state in (State.QUEUED, State.RUNNING):
        job = reaching(state, now=now)
        control.cancel(job.id, actor=None, now=now)
        before, events = columns_of(job), happened(job)
        control.cancel(job.id, actor=None, now=now + SECOND)
        assert columns_of(job) == before
        assert happened(job) == events


@pytest.mark.parametrize("state", sorted(FINAL - {State.CANCELLED}))
def test_what_has_ended_otherwise_cannot_be_cancelled(now: datetime, state: State) -> None:
    job = reaching(state, now=now)
    before = columns_of(job)
    with pytest.raises(Conflict, match=f"expected a job that has not ended, and this one has {state}"):
        control.cancel(job.id, actor=None, now=now)
    assert columns_of(job) == before


@pytest.mark.parametrize("action", [control.cancel, control.rerun])
def test_another_users_job_is_as_if_not_there(alice: User, bob: User, carol: User, now: datetime, action: Any) -> None:
    job = submitted(owner=alice, now=now)
    systems = submitted(now=now)
    before = columns_of(job)
    for there in (job.id, systems.id, uuid4()):
        with pytest.raises(NotFound, match=f"expected a job of yours, got {there}"):
            action(there, actor=bob, now=now)
    assert columns_of(job) == before
    assert Job.objects.count() == 2
    action(job.id, actor=carol, now=now)
    action(systems.id, actor=carol, now=now)


def test_seeing_all_jobs_is_not_acting_on_them(alice: User, bob: User, now: datetime) -> None:
    bob.user_permissions.add(Permission.objects.get(codename="see_all_jobs"))
    job = submitted(owner=alice, now=now)
    with pytest.raises(NotFound):
        control.cancel(job.id, actor=User.objects.get(id=bob.id), now=now)
    assert fresh(job).state == "queued"


def test_running_again_makes_a_new_linked_job_and_leaves_the_old_one(alice: User, now: datetime) -> None:
    job = reaching(State.FAILED, owner=alice, now=now, kind="probe.nothing", priority=5, max_attempts=1)
    before = columns_of(job)
    new = control.rerun(job.id, actor=alice, now=now + SECOND, via=Via.WEB).job
    assert columns_of(job) == before
    assert (new.rerun_of, new.state, new.owner, new.via, new.priority) == (job, "queued", alice, "web", 5)
    assert (new.attempt, new.error, new.created_at) == (0, "", now + SECOND)
    assert moves_of(new) == [("", "queued")]
    assert list(job.reruns.all()) == [new]


@pytest.mark.parametrize("state", list(State))
def test_any_job_can_be_run_again(now: datetime, state: State) -> None:
    job = reaching(state, now=now)
    assert control.rerun(job.id, actor=None, now=now).job.state == "queued"


def test_parameters_can_be_changed_one_by_one(now: datetime) -> None:
    job = submitted("system.sleep", {"seconds": 3}, now=now)
    assert control.rerun(job.id, actor=None, now=now).job.parameters == {"seconds": 3.0}
    assert control.rerun(job.id, actor=None, now=now, changes={"seconds": 4}).job.parameters == {"seconds": 4.0}
    with pytest.raises(InvalidParameters, match="seconds: expected less than or equal to 3600"):
        control.rerun(job.id, actor=None, now=now, changes={"seconds": 4000})
    with pytest.raises(InvalidParameters, match="minutes: there is no such parameter"):
        control.rerun(job.id, actor=None, now=now, changes={"minutes": 1})


def test_an_operators_rerun_is_the_operators_and_the_systems_stays_the_owners(
    alice: User, carol: User, now: datetime
) -> None:
    job = submitted(owner=alice, now=now)
    assert control.rerun(job.id, actor=carol, now=now).job.owner == carol
    assert control.rerun(job.id, actor=None, now=now).job.owner == alice


def test_a_rerun_keeps_secrets_it_does_not_show(now: datetime) -> None:
    job = submitted("probe.secretive", {"token": "the first"}, now=now)
    for changes in (None, {}, {"token": MASK}):
        again = control.rerun(job.id, actor=None, now=now, changes=changes).job
        assert again.parameters == {"token": MASK}
        assert sealing.unseal(again.sealed) == {"token": "the first"}  # type: ignore[arg-type]
    changed = control.rerun(job.id, actor=None, now=now, changes={"token": "the second"}).job
    assert sealing.unseal(changed.sealed) == {"token": "the second"}  # type: ignore[arg-type]


def test_secrets_in_depth_are_kept_where_a_mask_stands(now: datetime) -> None:
    def login(name: str, password: str) -> dict[str, str]:
        return {"name": name, "password": password}

    job = submitted("probe.signs_in", {"login": login("a", "one"), "spare": [login("b", "two")]}, now=now)
    changes = {"login": login("A", MASK), "spare": [login("B", MASK), login("C", "three")]}
    again = control.rerun(job.id, actor=None, now=now, changes=changes).job
    assert sealing.unseal(again.sealed) == {  # type: ignore[arg-type]
        "login": login("A", "one"), "spare": [login("B", "two"), login("C", "three")],
    }  # fmt: skip
    shorter = control.rerun(job.id, actor=None, now=now, changes={"spare": []}).job
    assert sealing.unseal(shorter.sealed) == {"login": login("a", "one"), "spare": []}  # type: ignore[arg-type]


def test_a_rerun_takes_the_same_files_if_they_may_still_be_read(
    alice: User, carol: User, bob: User, now: datetime
) -> None:
    upload = artifacts.take_upload("a.csv", [b"x"], owner=alice, now=now)
    job = submitted("probe.files", {"first": str(upload.id), "others": []}, owner=alice, now=now)
    assert control.rerun(job.id, actor=carol, now=now).job.inputs.get().artifact_id == upload.id
    bob.user_permissions.add(Permission.objects.get(codename="act_on_all_jobs"))
    with pytest.raises(InvalidParameters, match="or it is not yours"):
        control.rerun(job.id, actor=User.objects.get(id=bob.id), now=now)


def test_a_rerun_with_a_key_is_one_job(now: datetime) -> None:
    job = submitted("system.echo", {"text": "a"}, now=now)
    first, second = (control.rerun(job.id, actor=None, now=now, idempotency_key="again") for _ in range(2))
    assert (first.job.id, first.replayed) == (second.job.id, not second.replayed)
    with pytest.raises(IdempotencyConflict):
        control.rerun(job.id, actor=None, now=now, idempotency_key="again", changes={"text": "b"})


def test_a_job_of_a_kind_that_is_gone_cannot_be_run_again(now: datetime) -> None:
    job = altered(submitted(now=now), kind="probe.gone")
    with pytest.raises(UnknownKind):
        control.rerun(job.id, actor=None, now=now)
    assert control.cancel(job.id, actor=None, now=now).state == "cancelled"


def test_a_job_whose_queue_was_chosen_stays_in_it(now: datetime, configured: Any) -> None:
    configured(queues=("default", "slow"))
    assert control.rerun(submitted(now=now, queue="slow").id, actor=None, now=now).job.queue == "slow"
    assert control.rerun(submitted(now=now).id, actor=None, now=now).job.queue == "default"


def test_cancel_wins_over_a_claim_or_the_other_way_but_never_both(now: datetime) -> None:
    job = submitted(now=now)
    control.cancel(job.id, actor=None, now=now)
    with pytest.raises(ValueError, match="not enough values to unpack"):
        claimed(job, now=now)
    assert fresh(job).state == "cancelled"


def test_the_number_of_queries_is_known(alice: User, now: datetime, django_assert_num_queries: Any) -> None:
    waiting, running = submitted(now=now), claimed(submitted(now=now), now=now)
    with django_assert_num_queries(7):  # look, move, record, look; in the audit, within a savepoint
        control.cancel(waiting.id, actor=None, now=now)
    with django_assert_num_queries(9):  # and a savepoint more
        control.cancel(running.id, actor=None, now=now)


def test_only_its_owner_may_change_a_job_that_holds_a_secret(alice: User, carol: User, now: datetime) -> None:
    job = submitted("probe.secretive", {"token": "hunter2hunter2"}, owner=alice, now=now)
    with pytest.raises(NotAllowed, match="expected the job's owner"):
        control.rerun(job.id, actor=carol, now=now, changes={"token": "another one"})
    assert control.rerun(job.id, actor=carol, now=now).job.rerun_of_id == job.id
    assert control.rerun(job.id, actor=alice, now=now, changes={"token": "another one"}).job.rerun_of_id == job.id
