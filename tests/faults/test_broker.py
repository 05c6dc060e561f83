"""A broker that loses, refuses, hangs or vanishes: submissions do not notice, and every job runs once."""

from __future__ import annotations

import shutil
import time
from datetime import datetime
from uuid import UUID

import httpx
import pytest
import redis

from jobs_app import conf
from jobs_app.core import clock, dispatch
from jobs_app.errors import BrokerAway
from jobs_app.models import Attempt, Job
from jobs_app.platform.waiting import until
from tests.faults.stage import Stage, set_window
from tests.support.broker import Valkey
from tests.support.conveyor import broker_at
from tests.support.ledger import fresh, submitted
from tests.support.processes import eventually, finished
from tests.support.stalls import stalls

pytestmark = pytest.mark.slow

RECOVERY_SECONDS = 60.0
REFILL_SECONDS = 5.0
"""From a flush to the first message again."""
PROMPT_SECONDS = 2.5
"""Well under the 5 s for which a socket to the broker is waited for: a submission that waited would take longer."""


@pytest.fixture
def valkey(stage: Stage) -> redis.Redis:
    """A client of the broker that goes past the relay."""
    assert isinstance(stage.broker, Valkey)
    return stage.broker.client()


def depth(valkey: redis.Redis, queue: str = "default") -> int:
    return int(valkey.llen(queue))  # type: ignore[arg-type]


def blocked(valkey: redis.Redis) -> int:
    """How many clients wait for a message to come."""
    return int(valkey.info("clients")["blocked_clients"])  # type: ignore[index]


def unfilled(stage: Stage) -> int:
    """How often the web server has said that it could not publish; the circuit is open then."""
    return stage.said("web").count("was not refilled")


def submitted_until_refused(stage: Stage, api: httpx.Client, failed: int) -> list[tuple[UUID, float]]:
    """Submit once a second until the web server says that it could not publish: what failed a moment ago it does not
    try again."""
    taken: list[tuple[UUID, float]] = []
    began = time.monotonic()

    def refused() -> bool:
        if time.monotonic() - began >= len(taken):
            taken.append(submit(api, f"{len(taken)}"))
        return unfilled(stage) > failed

    eventually(refused, what="the web server to give the broker up")
    return taken


def none_ran(jobs: list[UUID]) -> bool:
    return not Job.objects.filter(id__in=jobs, state="succeeded").exists()


def submit(api: httpx.Client, text: str = "hello") -> tuple[UUID, float]:
    """Submit over the API; returns the job's id and the seconds that took."""
    began = time.monotonic()
    response = api.post("/api/jobs", json={"kind": "system.echo", "parameters": {"text": text}})
    assert response.status_code == 202, response.text
    return UUID(response.json()["id"]), time.monotonic() - began


def sent(job: UUID) -> datetime:
    """When a job's message was sent, once it was."""
    moment = eventually(lambda: Job.objects.get(id=job).dispatched_at, what="the message to be sent")
    assert moment is not None
    return moment


def all_run_once(jobs: list[UUID], seconds: float = RECOVERY_SECONDS) -> None:
    mine = Job.objects.filter(id__in=jobs)
    eventually(lambda: mine.filter(state="succeeded").count() == len(jobs), seconds, what="every job to succeed")
    assert Attempt.objects.filter(job__in=jobs).count() == len(jobs), "once each"


def test_f01_a_message_that_died_with_the_worker_that_had_just_popped_it_is_sent_again(
    stage: Stage, api: httpx.Client, valkey: redis.Redis
) -> None:
    for _ in range(10):
        for name in ("worker", "upkeep"):
            stage.freeze(name)
        # They ask the broker for a message once a second: now both questions run out.
        eventually(lambda: blocked(valkey) == 0, what="nobody to ask for messages")
        stage.thaw("upkeep")
        job, _ = submit(api)
        sent_at = sent(job)
        eventually(lambda: depth(valkey) == 1, what="the message to arrive")
        valkey.rename("default", "aside")
        stage.thaw("worker")
        eventually(lambda: blocked(valkey) == 2, what="worker and upkeep to ask")
        stage.freeze("worker")
        valkey.rename("aside", "default")
        if until(lambda: depth(valkey) == 0, 0.3, pause=0.02) and Job.objects.get(id=job).state == "queued":
            break
        stage.thaw("worker")
        finished(job)
    else:
        pytest.fail("the worker could not be frozen between a message's way out of the broker and its own hands")
    assert Job.objects.get(id=job).state == "queued"
    stage.kill("worker")
    stage.start("worker")
    row = finished(job)
    assert (row.state, row.attempt, row.attempts.count()) == ("succeeded", 1, 1)
    assert row.started_at is not None
    assert row.started_at > sent_at


def test_f05_a_flushed_broker_is_filled_again_with_what_it_lost_and_no_more(stage: Stage, valkey: redis.Redis) -> None:
    set_window(100)
    full = dispatch.fill_of(100)
    stage.stop("worker")
    jobs = [submitted("probe.alone").id for _ in range(150)]
    eventually(lambda: depth(valkey) == full, what="the window to fill")
    with stalls() as lost:
        before = clock.database_now()
        valkey.flushall()
        eventually(lambda: depth(valkey) == full, what="as many messages as were lost")
    again = Job.objects.filter(dispatched_at__gt=before).order_by("dispatched_at")
    assert again.count() == full
    assert (again[0].dispatched_at - before).total_seconds() < REFILL_SECONDS + lost.seconds  # type: ignore[operator]
    stage.start("worker")
    eventually(lambda: Job.objects.filter(state="succeeded").count() > 20, what="some to be run")
    valkey.flushall()
    all_run_once(jobs)


def cut_off(stage: Stage, name: str) -> int:
    """How often a process has said that it finds no broker."""
    return stage.said(name).count("Cannot connect to ")


def test_f06_a_broker_that_was_killed_and_comes_back_empty_needs_no_hand(stage: Stage, valkey: redis.Redis) -> None:
    before = stage.pids()
    failed = {name: cut_off(stage, name) for name in ("worker", "upkeep")}
    stage.broker.kill()
    jobs = [submitted().id for _ in range(5)]
    for name, times in failed.items():
        eventually(lambda name=name, times=times: cut_off(stage, name) > times, what=f"{name} to miss the broker")
    assert none_ran(jobs)
    for kept in stage.broker.directory.glob("appendonly*"):
        shutil.rmtree(kept)
    stage.broker.start()
    all_run_once(jobs)
    for _ in range(3):
        for kind in ("normal", "pubsub"):
            valkey.client_kill_filter(_type=kind, skipme=True)
        eventually(lambda: blocked(valkey) == 2, what="worker and upkeep to ask again")
    stage.serves()
    assert stage.pids() == before


def test_f07_submissions_are_answered_while_the_broker_is_frozen_and_all_run_when_it_is_back(
    stage: Stage, api: httpx.Client
) -> None:
    submit(api, "warm")
    failed = unfilled(stage)
    stage.broker.freeze()
    taken = [submit(api, f"{number}") for number in range(20)]
    taken += submitted_until_refused(stage, api, failed)
    assert none_ran([job for job, _ in taken])
    taken += [submit(api, f"{number}") for number in range(20)]
    stage.broker.thaw()
    all_run_once([job for job, _ in taken])
    assert max(seconds for _, seconds in taken) < PROMPT_SECONDS


@pytest.mark.parametrize("fault", ["refuse", "black_hole", "half_open"])
def test_f09_submissions_never_wait_for_a_broker_that_is_away(stage: Stage, api: httpx.Client, fault: str) -> None:
    submit(api, "warm")
    before, failed = stage.pids(), unfilled(stage)
    getattr(stage.way_to_broker, fault)()
    taken = [submit(api, f"{number}") for number in range(20)]
    if fault == "half_open":  # new connections work, and the client takes one by itself
        eventually(lambda: stage.way_to_broker.swallowed, what="somebody to ask the broker")
    else:
        taken += submitted_until_refused(stage, api, failed)
    taken += [submit(api, f"{number}") for number in range(20)]
    stage.way_to_broker.mend()
    all_run_once([job for job, _ in taken])
    assert max(seconds for _, seconds in taken) < PROMPT_SECONDS
    assert stage.pids() == before


def test_f09_a_refill_of_a_broker_that_answers_no_packet_ends_soon(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    if conf.current().broker_scheme != "redis":
        pytest.skip("this process has the settings of another broker")
    stage.stop("upkeep")
    for _ in range(3):
        submitted()
    stage.way_to_broker.black_hole()
    with broker_at(stage.way_to_broker.at(stage.broker.url), monkeypatch):
        for bound in (15.0, 1.0):  # the second finds that the broker failed a moment ago
            began = time.monotonic()
            with pytest.raises(BrokerAway):
                dispatch.refill("default", now=clock.database_now())
            assert time.monotonic() - began < bound


def test_f08_every_process_recovers_from_half_open_connections_to_the_broker(stage: Stage, api: httpx.Client) -> None:
    before = stage.pids()
    running = submitted("probe.slow", {"seconds": 4})
    eventually(lambda: fresh(running).state == "running", what="a job to run")
    stage.way_to_broker.half_open()
    jobs = [submit(api)[0] for _ in range(3)]
    all_run_once([*jobs, running.id])
    stage.serves()
    assert stage.pids() == before


def test_f10_a_broker_without_memory_refuses_and_nobody_dies_of_it(
    stage: Stage, api: httpx.Client, valkey: redis.Redis
) -> None:
    before, failed = stage.pids(), unfilled(stage)
    try:
        valkey.config_set("maxmemory", 1)
        jobs = [job for job, _ in submitted_until_refused(stage, api, failed)]
        assert none_ran(jobs)
    finally:
        valkey.config_set("maxmemory", 0)
    all_run_once(jobs)
    assert stage.pids() == before
