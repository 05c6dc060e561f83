"""RabbitMQ that forgets what it took, drops its connections, loses a queue, or has no patience with a consumer."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from django.contrib.auth.models import User

from jobs_app.models import Attempt, Job
from tests.faults.stage import Stage, api_of
from tests.support.ledger import fresh, submitted
from tests.support.processes import eventually, finished
from tests.support.rabbitmq import RabbitMQ
from tests.surfaces.processes import celery

pytestmark = pytest.mark.slow

BODY = {"kind": "system.echo", "parameters": {"text": "hello"}}


@pytest.fixture(scope="module")
def _rabbit_stage(worker_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    directory = tmp_path_factory.mktemp("rabbit")
    made = Stage(directory, RabbitMQ(directory / "broker"), worker_environment)
    yield made
    made.close()


@pytest.fixture
def stage(quiet: None, unpublished: None, _rabbit_stage: Stage) -> Iterator[Stage]:
    """The stage on RabbitMQ."""
    _rabbit_stage.ensure()
    _rabbit_stage.serves()
    yield _rabbit_stage
    _rabbit_stage.heal()


@pytest.fixture
def rabbit(stage: Stage) -> RabbitMQ:
    assert isinstance(stage.broker, RabbitMQ)
    return stage.broker


@pytest.fixture
def api(stage: Stage, alice: User) -> Iterator[httpx.Client]:
    """Alice at the stage's web server."""
    with api_of(stage, alice) as client:
        yield client


def submit(api: httpx.Client) -> UUID:
    response = api.post("/api/jobs", json=BODY)
    assert response.status_code == 202, response.text
    return UUID(response.json()["id"])


def all_run_once(jobs: list[UUID]) -> None:
    mine = Job.objects.filter(id__in=jobs)
    eventually(lambda: mine.filter(state="succeeded").count() == len(jobs), what="every job to succeed")
    assert Attempt.objects.filter(job__in=jobs).count() == len(jobs), "once each"


def slow_job(seconds: float) -> UUID:
    job = submitted("probe.slow", {"seconds": seconds})
    eventually(lambda: fresh(job).state == "running", what="the job to run")
    return job.id


def test_f11_what_a_frozen_rabbitmq_took_and_a_killed_one_forgot_is_sent_again(
    stage: Stage, rabbit: RabbitMQ, api: httpx.Client, tmp_path: Path
) -> None:
    finished(submit(api))
    stage.stop("beat")
    before = stage.pids()
    with celery("beat", environment=stage.environment, log=tmp_path / "beat") as beat:  # as in production
        stage.serves(120)
        rabbit.freeze()
        jobs = [submit(api) for _ in range(20)]
        rabbit.kill()
        rabbit.start()
        all_run_once(jobs)
        assert beat.process.poll() is None
    assert stage.pids() == before


def test_f11_a_queue_that_came_back_as_a_name_only_is_made_anew(
    stage: Stage, rabbit: RabbitMQ, api: httpx.Client
) -> None:
    """What RabbitMQ makes of a quorum queue that was declared moments before a power cut."""
    finished(submit(api))
    before = stage.pids()
    rabbit.kill()
    logs = [each for each in (rabbit.directory / "data").glob("*/quorum/*/*") if each.is_dir()]
    assert len(logs) >= 2, "of the queues default and system"
    for each in logs:
        shutil.rmtree(each)
    rabbit.start()
    all_run_once([submit(api), submit(api)])
    stage.serves()
    assert "RabbitMQ cannot serve its queue default" in stage.said("worker")
    assert stage.pids() == before


def test_f12_a_job_outlives_the_connections_that_rabbitmq_closes(stage: Stage, rabbit: RabbitMQ) -> None:
    before = stage.pids()
    running = slow_job(6)
    rabbit.control("close_all_connections", "tests")
    all_run_once([running, submitted().id])
    assert stage.pids() == before


def test_f12_a_queue_that_was_deleted_is_there_again(stage: Stage, rabbit: RabbitMQ, api: httpx.Client) -> None:
    before = stage.pids()
    finished(submit(api))
    rabbit.delete_queues()
    all_run_once([submit(api), submitted().id])
    stage.serves()
    assert stage.pids() == before


def test_f12_a_job_that_is_longer_than_rabbitmqs_patience_runs_once(stage: Stage, rabbit: RabbitMQ) -> None:
    before = stage.pids()
    rabbit.evaluate("application:set_env(rabbit, consumer_timeout, 3000).")
    try:
        all_run_once([slow_job(9)])
        stage.serves()
    finally:
        rabbit.evaluate("application:set_env(rabbit, consumer_timeout, 1800000).")
    assert stage.pids() == before


def test_f08_every_process_recovers_from_half_open_connections_to_rabbitmq(
    stage: Stage, rabbit: RabbitMQ, api: httpx.Client
) -> None:
    finished(submit(api))
    before = stage.pids()
    running = slow_job(4)
    stage.way_to_broker.half_open()
    jobs = [submit(api) for _ in range(3)]
    all_run_once([*jobs, running])
    stage.serves()
    assert stage.pids() == before
