"""``Prefer: wait``: an answer with the result, from the request itself or from a worker."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection, connections
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from jobs_app.api.preference import Wait, read
from jobs_app.core import clock, estimates, execution, inline
from jobs_app.lifecycle import State
from jobs_app.models import Job, Pace, Queue
from jobs_app.models.guard import writing
from jobs_app.reads.awaiting import WAITERS, Awaiter
from tests.support.ledger import fresh, happened, reaching, submitted
from tests.support.processes import Workers, eventually
from tests.surfaces.api.support import client_of, submit

QUICK = "probe.usually_quick"


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (None, None),
        ("", None),
        ("respond-async", None),
        ("wait", Wait(None)),
        ("Wait=5", Wait(5.0)),
        ("respond-async, wait=10; x=1", Wait(10.0)),
        ('return=minimal; wait="7"', Wait(7.0)),
        ("wait=999999", Wait(30.0)),
        ("wait=-1", None),
        ("wait=soon", None),
        ("await=5", None),
    ],
)
def test_a_preference_is_read(header: str | None, said: Wait | None) -> None:
    assert read(header) == said


@given(st.text(max_size=200))
def test_whatever_comes_as_a_preference_is_bounded(header: str) -> None:
    said = read(header)
    assert said is None or said.seconds is None or 0 <= said.seconds <= 30


def measured(kind: str = QUICK, seconds: float = 0.01, samples: int = 20) -> None:
    """As if so many jobs of the kind had taken so long."""
    now = clock.database_now()
    with writing():
        Pace.objects.create(kind=kind, seconds=[seconds] * samples, updated_at=now)
    estimates.forget()


@pytest.fixture
def _ended() -> Iterator[None]:
    """No thread of the path goes on into the next test."""
    yield
    eventually(lambda: not Job.objects.filter(state=State.RUNNING).exists(), what="the handlers to return")


@pytest.fixture
def client(quiet: None, nudged: list[str], alice: User) -> Client:
    return client_of(alice)


def test_a_kind_that_is_quick_is_run_in_the_request_as_a_recorded_job(client: Client, nudged: list[str]) -> None:
    measured()
    response = submit(client, QUICK, {"Prefer": "wait"})
    assert (response.status_code, response.headers["Preference-Applied"]) == (200, "wait")
    body = response.json()
    assert (body["state"], body["result"]) == ("succeeded", "done")
    job = Job.objects.get(id=body["id"])
    assert happened(job) == ["submitted", "claimed", "succeeded"]
    assert job.attempts.get().holder.startswith("web@")
    assert nudged in ([], ["default"]), "a message is asked for after it, not for it"
    assert job.dispatched_at is None


def test_without_the_preference_it_waits_for_a_worker(client: Client, nudged: list[str]) -> None:
    measured()
    response = submit(client, QUICK)
    assert (response.status_code, response.json()["state"]) == (202, "queued")


@pytest.mark.parametrize(("seconds", "samples"), [(0.3, 20), (0.01, 4)])
def test_a_kind_that_is_slow_or_hardly_measured_is_left_to_workers(
    client: Client, seconds: float, samples: int
) -> None:
    measured(seconds=seconds, samples=samples)
    response = submit(client, QUICK, {"Prefer": "wait=0"})
    assert (response.status_code, response.json()["state"]) == (202, "queued")
    assert "Preference-Applied" not in response.headers


def test_a_paused_queue_runs_nothing_in_requests_either(client: Client) -> None:
    measured()
    with writing():
        Queue.objects.update_or_create(name="default", defaults={"paused_at": clock.database_now()})
    assert submit(client, QUICK, {"Prefer": "wait=0"}).json()["state"] == "queued"


@pytest.mark.usefixtures("_ended")
def test_one_that_is_slower_than_usual_goes_on_behind_the_answer(client: Client, tmp_path: Path) -> None:
    measured()
    flag = tmp_path / "flag"
    response = submit(client, QUICK, {"Prefer": "wait"}, parameters={"until": str(flag)})
    assert (response.status_code, response.json()["state"]) == (202, "running")
    flag.touch()
    job = Job.objects.get(id=response.json()["id"])
    eventually(lambda: fresh(job).state == State.SUCCEEDED, what="the job to end")
    assert happened(job) == ["submitted", "claimed", "succeeded"]


def test_a_job_that_could_not_be_run_in_the_request_was_accepted_all_the_same(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object, **__: object) -> int:
        raise OperationalError("the connection was lost")

    measured()
    monkeypatch.setattr(execution, "run", lost)
    response = submit(client, QUICK, {"Prefer": "wait"})
    assert (response.status_code, response.json()["state"]) == (202, "queued")


def test_nothing_is_read_of_a_queue_that_is_not_there(client: Client) -> None:
    measured()
    assert submit(client, QUICK, {"Prefer": "wait"}, queue="no such").status_code == 422
    assert "no such" not in estimates._sights._kept


@pytest.mark.usefixtures("_ended")
def test_when_all_threads_are_taken_a_job_is_left_to_workers(client: Client, tmp_path: Path) -> None:
    measured()
    flag = tmp_path / "flag"
    try:
        for _ in range(inline.THREADS):
            body = submit(client, QUICK, {"Prefer": "wait=0"}, parameters={"until": str(flag)}).json()
            eventually(lambda: Job.objects.get(id=body["id"]).state == State.RUNNING, what="it to run")  # noqa: B023
        assert submit(client, QUICK, {"Prefer": "wait=0"}).json()["state"] == "queued"
    finally:
        flag.touch()
    eventually(lambda: submit(client, QUICK, {"Prefer": "wait=5"}).status_code == 200, what="a thread to be free")


def test_a_repeated_key_is_not_run_twice(client: Client) -> None:
    measured()
    first, second = (submit(client, QUICK, {"Prefer": "wait", "Idempotency-Key": "key"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["Idempotency-Replayed"] == "true"
    assert happened(Job.objects.get()) == ["submitted", "claimed", "succeeded"]
    assert submit(client, QUICK, {"Prefer": "wait"}).status_code == 200, "its thread was given back"


def test_one_that_listens_to_nothing_is_settled_and_the_process_lives(client: Client, tmp_path: Path) -> None:
    measured("probe.quick_with_bound")
    flag = tmp_path / "flag"
    try:
        body = submit(client, "probe.quick_with_bound", {"Prefer": "wait=0"}, parameters={"until": str(flag)}).json()
        job = Job.objects.get(id=body["id"])
        eventually(lambda: fresh(job).state == State.FAILED, what="the hard timeout")
        assert "0.5 s" in fresh(job).error
    finally:
        flag.touch()
    eventually(lambda: "late write refused" in happened(job), what="its late end to be refused")
    assert fresh(job).state == State.FAILED


@pytest.mark.slow
def test_any_job_may_be_waited_for(workers: Workers, alice: User) -> None:
    response = submit(client_of(alice), "system.sleep", {"Prefer": "wait=30"}, parameters={"seconds": 0.2})
    body = response.json()
    assert (response.status_code, body["state"]) == (200, "succeeded")
    assert body["result"]["seconds"] >= 0.2
    assert Job.objects.get(id=body["id"]).attempts.get().holder.startswith("worker")


def test_waiting_ends_with_the_time_that_was_given(client: Client) -> None:
    began = time.monotonic()
    response = submit(client, "system.sleep", {"Prefer": "wait=1"}, parameters={"seconds": 1})
    assert (response.status_code, response.json()["state"]) == (202, "queued")
    assert time.monotonic() - began >= 1


def test_only_so_many_wait_at_once(quiet: None, nudged: list[str]) -> None:
    job, awaiter = submitted(), Awaiter(WAITERS)
    waiting = [threading.Thread(target=awaiter.wait, args=(job.id, 60)) for _ in range(WAITERS)]
    for each in waiting:
        each.start()
    eventually(lambda: awaiter.waiting == WAITERS, what="all to wait")
    began = time.monotonic()
    assert awaiter.wait(job.id, 30) is False
    assert time.monotonic() - began < 20, "it was not waited for"
    with writing():
        Job.objects.filter(id=job.id).update(state=State.CANCELLED, finished_at=job.created_at)
    for each in waiting:
        each.join(30)
        assert not each.is_alive()
    eventually(lambda: awaiter.waiting == 0, what="nobody to wait")


def test_a_job_that_has_ended_is_answered_at_once(quiet: None, nudged: list[str]) -> None:
    assert Awaiter(1).wait(reaching(State.SUCCEEDED).id, 30)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL tells who is connected")
def test_who_waits_holds_no_connection(quiet: None, nudged: list[str]) -> None:
    job, known = submitted(), []

    def wait() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            known.append(cursor.fetchone()[0])
        Awaiter(1).wait(job.id, 10)
        connections.close_all()

    def connected() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", known)
            return bool(cursor.fetchone()[0])

    waiter = threading.Thread(target=wait)
    waiter.start()
    eventually(lambda: known and not connected(), what="the connection to be given back")
    assert waiter.is_alive(), "it waits on"
    with writing():
        Job.objects.filter(id=job.id).update(state=State.CANCELLED, finished_at=job.created_at + timedelta(seconds=1))
    waiter.join(30)
