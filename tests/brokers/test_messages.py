"""Whatever happens to messages, queues and the broker itself, a job that was accepted is run by real workers.

These tests run on the broker in force; ``make test-brokers`` runs them on RabbitMQ and on a local Amazon SQS.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from uuid import uuid4

import pytest
from celery import current_app

from jobs_app.core import submission, transport
from jobs_app.errors import BrokerAway
from jobs_app.models import Job
from tests.support import broker, conveyor
from tests.support.processes import Workers, eventually, finished
from tests.support.rabbitmq import RabbitMQ
from tests.support.servers import Broker

OUTAGE_SECONDS = 120.0
"""How long a job may take after the broker failed: the worst is a worker that asks a frozen one."""


@pytest.fixture
def server() -> Iterator[Broker]:
    """The broker of this run; what a test did to it is undone."""
    running = broker.running
    assert running is not None
    yield running
    running.thaw()
    running.start()


@pytest.fixture(autouse=True)
def _circuit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "circuit", transport.Circuit())


def submitted(text: str) -> Job:
    return submission.submit("system.echo", {"text": text})


def ran(job: Job, seconds: float = OUTAGE_SECONDS) -> None:
    row = finished(job.id, seconds)
    assert (row.state, row.attempt) == ("succeeded", 1)


@pytest.fixture
def idle(workers: Workers) -> Workers:
    """Workers that have run a job just now: what is known of them is that they work."""
    ran(submitted("before"))
    return workers


def test_jobs_run(idle: Workers) -> None:
    jobs = [submitted(str(number)) for number in range(30)]
    for job in jobs:
        ran(job)


def test_messages_that_were_lost_are_sent_again(idle: Workers, server: Broker) -> None:
    idle.processes["worker"].terminate()
    idle.processes["worker"].wait(30)
    jobs = [submitted(str(number)) for number in range(5)]
    eventually(lambda: transport.depth("default") == 5, what="five messages to wait")
    server.flush()
    assert transport.depth("default") < 5
    idle.start("worker")
    for job in jobs:
        ran(job)


def test_a_queue_that_was_deleted_under_its_worker_is_made_again(idle: Workers, server: Broker) -> None:
    before = {name: process.pid for name, process in idle.processes.items()}
    server.delete_queues()
    ran(submitted("after"))
    assert {name: process.pid for name, process in idle.processes.items() if process.poll() is None} == before


def test_workers_and_jobs_survive_a_broker_that_comes_back_empty(idle: Workers, server: Broker) -> None:
    before = {name: process.pid for name, process in idle.processes.items()}
    server.lose()
    job = submitted("while it is down")
    with pytest.raises(BrokerAway):
        eventually(lambda: transport.publish("system.echo", [uuid4()], "default"), 20)
    server.start()
    ran(job)
    ran(submitted("after"))
    assert {name: process.pid for name, process in idle.processes.items() if process.poll() is None} == before


def test_a_frozen_broker_costs_bounded_time_and_nothing_else(idle: Workers, server: Broker) -> None:
    before = {name: process.pid for name, process in idle.processes.items()}
    transport.publish("system.echo", [uuid4()], "default")  # its connection is warm
    server.freeze()
    began = time.monotonic()
    with pytest.raises(BrokerAway):
        transport.publish("system.echo", [uuid4()], "default")
    assert time.monotonic() - began < 13
    assert not transport.circuit.closed
    began = time.monotonic()
    job = submitted("while it is frozen")
    assert time.monotonic() - began < 2
    transport.publisher.drain(20)
    server.thaw()
    ran(job)
    assert {name: process.pid for name, process in idle.processes.items() if process.poll() is None} == before


def test_a_broker_that_is_down_is_noticed_at_once(server: Broker) -> None:
    server.kill()
    began = time.monotonic()
    with pytest.raises(BrokerAway):
        transport.publish("system.echo", [uuid4()], "default")
    with pytest.raises(BrokerAway, match="a moment ago"):
        transport.depth("default")
    assert time.monotonic() - began < 5


def test_forged_messages_do_nothing(idle: Workers) -> None:
    worker, jobs = idle.processes["worker"].pid, Job.objects.count()
    transport.publish("system.echo", [uuid4()], "default")
    current_app.send_task("celery.map", kwargs={"task": "x", "it": [1]}, queue="default", ignore_result=True)
    with current_app.producer_pool.acquire() as producer:
        for kind, encoding in (
            ("application/x-python-serialize", "binary"),
            ("application/json", "utf-8"),
            ("text/plain", "utf-8"),
        ):
            producer.publish(
                b"cos\nsystem\n(S'true'\ntR.", routing_key="default", exchange="", content_type=kind,
                content_encoding=encoding, headers={"task": "system.echo", "id": str(uuid4())},
            )  # fmt: skip
    ran(submitted("after them"))
    assert idle.processes["worker"].pid == worker
    assert idle.processes["worker"].poll() is None
    assert Job.objects.count() == jobs + 1


def test_an_idle_worker_stops_within_seconds(idle: Workers) -> None:
    began = time.monotonic()
    worker = idle.processes["worker"]
    worker.terminate()
    assert worker.wait(30) == 0
    assert time.monotonic() - began < 12
    idle.start("worker")
    ran(submitted("after"))


def test_every_queue_is_a_quorum_queue_and_no_queue_is_for_waiting(idle: Workers, server: Broker) -> None:
    if not isinstance(server, RabbitMQ):
        pytest.skip("quorum queues are RabbitMQ's")
    listed = server.control("list_queues", "name", "type")
    kinds = dict(line.split("\t") for line in listed.splitlines()[1:])
    assert {"default", "system"} <= kinds.keys()
    assert {kinds["default"], kinds["system"]} == {"quorum"}
    assert not [name for name in kinds if "delayed" in name]


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    yield
    if broker.running is not None and broker.running.running:
        conveyor.purge("default")
