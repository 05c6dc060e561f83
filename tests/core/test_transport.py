"""The way to the broker: whoever submits never waits for it, and it is not tried while it is known to be away."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from jobs_app.core import transport
from jobs_app.core.transport import Circuit, Publisher
from jobs_app.errors import BrokerAway
from jobs_app.models import Job
from jobs_app.platform.waiting import until
from tests.support import broker, conveyor
from tests.support.processes import ROOT

LANE = "transport"


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    made = Publisher()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def _circuit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "circuit", Circuit())


class Gate:
    """Work that waits to be let through."""

    def __init__(self) -> None:
        self.begun, self.open = threading.Semaphore(0), threading.Semaphore(0)
        self.done: list[str] = []

    def __call__(self, queue: str) -> None:
        self.begun.release()
        assert self.open.acquire(timeout=10)
        self.done.append(queue)


def test_after_work_that_sent_nothing_it_rests(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LONGEST_REST_SECONDS", 60.0)
    monkeypatch.setattr(transport, "REST", 1e9)
    sent, asked = [1, 1, 0], []
    publisher.work = lambda queue: asked.append(queue) or sent.pop(0)  # type: ignore[func-returns-value]
    for _ in range(3):
        publisher.nudge("a")
        assert publisher.drain(10)
    publisher.nudge("a")
    assert not publisher.drain(0.2)
    assert asked == ["a"] * 3


def test_nudges_that_come_while_it_works_are_merged(publisher: Publisher) -> None:
    publisher.work = gate = Gate()
    publisher.nudge("a")
    assert gate.begun.acquire(timeout=10)
    for _ in range(100):
        publisher.nudge("a")
        publisher.nudge("b")
    gate.open.release(10)
    assert publisher.drain(10)
    assert sorted(gate.done) == ["a", "a", "b"]


def test_a_nudge_returns_while_the_work_hangs(publisher: Publisher) -> None:
    publisher.work = gate = Gate()
    began = time.monotonic()
    for number in range(1000):
        publisher.nudge(f"queue {number}")
    assert time.monotonic() - began < 2
    assert not publisher.drain(0.05), "it says that it is not done"
    gate.open.release(1000)
    assert publisher.drain(10)


def test_it_survives_whatever_the_work_raises(publisher: Publisher) -> None:
    done: list[str] = []

    def work(queue: str) -> None:
        done.append(queue)
        raise {"away": BrokerAway, "broken": RuntimeError, "odd": KeyError}[queue]("on purpose")

    publisher.work = work
    for queue in ("away", "broken", "odd", "unknown", "away"):
        publisher.nudge(queue)
        assert publisher.drain(10)
    assert done == ["away", "broken", "odd", "unknown", "away"]


def test_many_first_nudges_at_once_start_one_thread_and_none_is_lost() -> None:
    for _ in range(20):
        publisher, done = Publisher(), []
        publisher.work = done.append
        before, barrier = threading.active_count(), threading.Barrier(8)

        def nudge(queue: str, publisher: Publisher = publisher, barrier: threading.Barrier = barrier) -> None:
            barrier.wait(10)
            publisher.nudge(queue)

        threads = [threading.Thread(target=nudge, args=(str(number),)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert publisher.drain(10)
        assert sorted(done) == [str(number) for number in range(8)]
        assert threading.active_count() <= before + 1
        publisher.stop()


def test_it_can_be_stopped_and_starts_again(publisher: Publisher) -> None:
    done: list[str] = []
    publisher.work = done.append
    publisher.stop()
    for queue in ("a", "b"):
        publisher.nudge(queue)
        assert publisher.drain(10)
        publisher.stop()
    assert done == ["a", "b"]
    assert publisher.drain(0), "nothing is wanted of one that stands still"


def test_a_forked_child_has_a_thread_of_its_own() -> None:
    program = (
        "import os, threading\n"
        "from django.conf import settings\n"
        "settings.configure()\n"
        "from jobs_app.core.transport import publisher\n"
        "gate = threading.Event()\n"
        "publisher.work = lambda queue: gate.wait(10)\n"
        "publisher.nudge('parent')\n"
        "publisher._changed.acquire()  # as another thread of the parent might, while it forks\n"
        "if os.fork() == 0:\n"
        "    done = []\n"
        "    publisher.work = done.append\n"
        "    publisher.nudge('child')\n"
        "    os._exit(0 if publisher.drain(10) and done == ['child'] else 1)\n"
        "publisher._changed.release()\n"
        "gate.set()\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.wait()[1]))\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=60, check=False)
    assert ended.returncode == 0


def test_a_message_carries_ids_under_the_kinds_name() -> None:
    conveyor.purge(LANE)
    ids = [uuid4(), uuid4()]
    transport.publish("system.echo", ids, LANE)
    assert transport.depth(LANE) == 1
    assert conveyor.taken(LANE) == [("system.echo", ids)]
    assert transport.depth(LANE) == 0


def test_a_queue_that_was_never_used_is_empty() -> None:
    assert transport.depth(f"never-{uuid4()}") == 0


def test_a_message_to_a_queue_that_was_deleted_arrives_once_its_messages_were_counted() -> None:
    transport.publish("system.echo", [uuid4()], LANE)  # the publisher's connection has declared the queue
    started = broker.running
    assert started is not None
    started.delete_queues()
    assert transport.depth(LANE) == 0
    ids = [uuid4()]
    transport.publish("system.echo", ids, LANE)
    assert conveyor.taken(LANE) == [("system.echo", ids)]


def test_names_that_a_broker_would_spell_otherwise_are_counted_too() -> None:
    lane = f"a.name-with_signs-{uuid4().hex[:8]}"
    ids = [uuid4(), uuid4()]
    for each in ids:
        transport.publish("system.echo", [each], lane)
    assert transport.depth(lane) == 2
    assert sorted(found for _, (found,) in conveyor.taken(lane)) == sorted(ids)


def test_a_broker_that_hangs_is_given_up_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.monotonic()
    with conveyor.silent() as url, conveyor.broker_at(url, monkeypatch), ThreadPoolExecutor() as threads:
        asked = [
            threads.submit(transport.publish, "system.echo", [uuid4()], LANE),
            threads.submit(transport.depth, LANE),
        ]
        for each in asked:
            with pytest.raises(BrokerAway):
                each.result(30)
        assert time.monotonic() - began < 12
        assert not transport.circuit.closed


def test_a_circuit_opens_by_a_failure_and_closes_by_itself() -> None:
    assert Circuit(open_seconds=60).closed
    circuit = Circuit(open_seconds=0.2)
    circuit.trip()
    assert not circuit.closed
    assert until(lambda: circuit.closed, 5, pause=0.02)


def test_with_the_broker_down_a_submission_is_fast_and_raises_nothing(
    quiet: None, worker_environment: dict[str, str]
) -> None:
    program = (
        "import django; django.setup()\n"
        "import time\n"
        "from jobs_app.core import submission, transport\n"
        "submission.submit('system.echo', {'text': 'warm up'})\n"
        "began = time.monotonic()\n"
        "for number in range(10): submission.submit('system.echo', {'text': str(number)})\n"
        "spent = time.monotonic() - began\n"
        "assert transport.publisher.drain(10)\n"
        "print(spent / 10)\n"
    )
    with conveyor.refusing() as url:
        environment = {**worker_environment, "BROKER_URL": url, "DJANGO_SETTINGS_MODULE": "project.settings"}
        ended = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env=environment, timeout=60, check=True, capture_output=True,
            text=True,
        )  # fmt: skip
    assert float(ended.stdout) < 0.25
    assert "Traceback" not in ended.stderr
    assert re.search("was not refilled: the broker did not (answer|take a message)", ended.stderr)
    assert Job.objects.filter(state="queued").count() == 11
    assert Job.objects.filter(dispatched_at=None).count() >= 10, "all but one whose message may have arrived"
