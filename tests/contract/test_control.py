"""Cancel, retry, run again and change of priority do the same on every surface, to the same people."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.contrib.auth.models import User

from jobs_app.core import clock, submission
from jobs_app.models import Event, Job
from tests.contract.surfaces import SURFACES, InTheAdmin, Surface
from tests.support.ledger import happened
from tests.support.processes import Workers, eventually, finished


@pytest.fixture
def chief(db: None) -> User:
    return User.objects.create_superuser("chief", password="chief's password")


def waiting(owner: User) -> Job:
    due_at = clock.database_now() + timedelta(hours=1)
    return submission.submit("system.echo", {"text": "later"}, owner=owner, due_at=due_at)


@pytest.mark.parametrize("surface", SURFACES)
def test_a_waiting_job_is_cancelled_at_once(chief: User, surface: type[Surface]) -> None:
    job = waiting(chief)
    assert surface(chief).cancel(job.id) == job.id
    row = Job.objects.get(id=job.id)
    assert (row.state, row.finished_at is not None, row.attempt) == ("cancelled", True, 0)
    event = Event.objects.filter(job=job).latest("id")
    assert (event.name, event.source, event.target, event.actor_id) == ("cancelled", "scheduled", "cancelled", chief.id)


@pytest.mark.parametrize("surface", SURFACES)
def test_a_running_job_stops_when_cancelled(workers: Workers, surface: type[Surface]) -> None:
    chief = User.objects.create_superuser("chief", password="chief's password")
    job = submission.submit("system.sleep", {"seconds": 60}, owner=chief)
    eventually(lambda: Job.objects.get(id=job.id).state == "running", what="the job to run")
    assert surface(chief).cancel(job.id) == job.id
    row = finished(job.id, 15)
    assert row.state == "cancelled"
    assert happened(row) == ["submitted", "claimed", "cancel requested", "cancelled"]


@pytest.mark.parametrize("surface", SURFACES)
def test_a_job_that_has_ended_cannot_be_cancelled(chief: User, surface: type[Surface]) -> None:
    job = waiting(chief)
    SURFACES[0](chief).cancel(job.id)
    before = list(Event.objects.filter(job=job).values())
    surface(chief).cancel(job.id)  # cancelling twice is no error
    assert list(Event.objects.filter(job=job).values()) == before


@pytest.mark.parametrize("surface", SURFACES)
def test_run_again_makes_a_new_linked_job_and_leaves_the_old(chief: User, surface: type[Surface]) -> None:
    old = waiting(chief)
    SURFACES[0](chief).cancel(old.id)
    before = Job.objects.filter(id=old.id).values().get()
    made = surface(chief).rerun(old.id)
    assert isinstance(made, UUID), made
    new = Job.objects.get(id=made)
    assert (new.rerun_of_id, new.kind, new.parameters, new.owner_id) == (old.id, old.kind, old.parameters, chief.id)
    assert (new.state, new.via) == ("queued", surface.via)
    assert Job.objects.filter(id=old.id).values().get() == before


@pytest.mark.parametrize("surface", SURFACES)
def test_retry_makes_a_job_due_that_waits_for_its_time(chief: User, surface: type[Surface]) -> None:
    job = waiting(chief)
    assert surface(chief).retry(job.id) == job.id
    row = Job.objects.get(id=job.id)
    assert (row.state, row.due_at < job.due_at, row.due_at <= clock.database_now()) == ("scheduled", True, True)
    event = Event.objects.filter(job=job).latest("id")
    assert (event.name, event.source, event.target, event.actor_id) == (
        "made due",
        "scheduled",
        "scheduled",
        chief.id,
    )


@pytest.mark.parametrize("surface", SURFACES)
def test_retry_of_what_did_not_end_well_makes_a_new_linked_job(chief: User, surface: type[Surface]) -> None:
    old = waiting(chief)
    SURFACES[0](chief).cancel(old.id)
    before = Job.objects.filter(id=old.id).values().get()
    made = surface(chief).retry(old.id)
    assert isinstance(made, UUID), made
    new = Job.objects.get(id=made)
    assert (new.rerun_of_id, new.state, new.via, new.owner_id) == (old.id, "queued", surface.via, chief.id)
    assert Job.objects.filter(id=old.id).values().get() == before


@pytest.mark.parametrize("surface", SURFACES)
def test_what_waits_for_a_worker_cannot_be_retried(chief: User, surface: type[Surface]) -> None:
    job = submission.submit("system.echo", {"text": "now"}, owner=chief)
    answer = surface(chief).retry(job.id)
    assert isinstance(answer, str)
    assert "expected a job that waits for its time" in answer
    assert Job.objects.count() == 1


@pytest.mark.parametrize("surface", [each for each in SURFACES if each is not InTheAdmin])
def test_the_priority_of_a_waiting_job_is_changed(chief: User, surface: type[Surface]) -> None:
    job = waiting(chief)
    assert surface(chief).reprioritise(job.id, -7) == job.id
    assert Job.objects.get(id=job.id).priority == -7
    event = Event.objects.filter(job=job).latest("id")
    assert (event.name, event.reason, event.actor_id) == ("reprioritised", "from 0 to -7", chief.id)
    answer = surface(chief).reprioritise(job.id, 101)
    assert isinstance(answer, str)
    assert "expected a priority from -100 to 100" in answer
    SURFACES[0](chief).cancel(job.id)
    answer = surface(chief).reprioritise(job.id, 1)
    assert isinstance(answer, str)
    assert "expected a job that waits, and this one is cancelled" in answer
    assert Job.objects.get(id=job.id).priority == -7


@pytest.mark.parametrize("surface", [each for each in SURFACES if each is not InTheAdmin])
def test_another_users_job_keeps_its_priority(chief: User, alice: User, surface: type[Surface]) -> None:
    job = waiting(chief)
    assert isinstance(surface(alice).reprioritise(job.id, 3), str)
    assert Job.objects.get(id=job.id).priority == 0


@pytest.mark.parametrize("surface", [each for each in SURFACES if each is not InTheAdmin])
@pytest.mark.parametrize("verb", ["cancel", "rerun", "retry"])
def test_another_users_job_is_as_if_it_were_not_there(
    chief: User, alice: User, surface: type[Surface], verb: str
) -> None:
    job = waiting(chief)
    answer = getattr(surface(alice), verb)(job.id)
    assert isinstance(answer, str)
    assert Job.objects.count() == 1
    assert Job.objects.get(id=job.id).state == "scheduled"


@pytest.mark.parametrize("verb", ["cancel", "rerun", "retry"])
def test_the_admin_is_not_for_those_who_are_not_staff(chief: User, alice: User, verb: str) -> None:
    job = waiting(chief)
    answer = getattr(InTheAdmin(alice), verb)(job.id)
    assert isinstance(answer, str)
    assert Job.objects.get(id=job.id).state == "scheduled"
