"""Flower for real: closed to strangers, showing kinds to those who have the password."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from jobs_app.platform.waiting import until
from tests.support.ledger import fresh, submitted
from tests.support.processes import eventually
from tests.surfaces.processes import Broker, Running, celery, environment_with, free_port

pytestmark = [pytest.mark.slow]

LOGIN = ("weir", "a-password")
CLOSED = (
    "/", "/workers", "/worker/any", "/tasks", "/tasks/datatable", "/task/any", "/broker", "/metrics",
    "/api/workers", "/api/tasks", "/api/task/types", "/api/task/info/any", "/api/queues/length",
)  # fmt: skip
ACTS = ("/api/worker/shutdown/any", "/api/task/send-task/system.echo", "/api/task/revoke/any", "/api/task/apply/any")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flower")


@pytest.fixture(scope="module")
def broker(directory: Path) -> Iterator[Broker]:
    made = Broker(directory / "broker")
    made.start()
    yield made
    made.stop()


class Flower:
    def __init__(self, running: Running, port: int) -> None:
        self.running = running
        self.base = f"http://127.0.0.1:{port}/flower"

    def get(self, path: str, **options: object) -> httpx.Response:
        return httpx.get(self.base + path, trust_env=False, timeout=20, **options)

    def ready(self) -> bool:
        assert self.running.process.poll() is None, self.running.said
        try:
            return self.get("/healthcheck").status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module")
def flower(broker: Broker, directory: Path) -> Iterator[Flower]:
    """As the plain command starts it: everything that closes it comes from the project."""
    port = free_port()
    environment = environment_with(broker, {}, FLOWER_BASIC_AUTH=":".join(LOGIN))
    with celery("flower", f"--port={port}", environment=environment, log=directory / "flower.log") as running:
        made = Flower(running, port)
        eventually(made.ready, what="Flower to answer")
        yield made
        assert running.stop() == 0


def test_strangers_see_nothing(flower: Flower) -> None:
    for path in CLOSED:
        for wrong in (None, ("weir", "wrong"), ("", ""), ("weir", "")):
            assert flower.get(path, auth=wrong).status_code == 401, (path, wrong)
    assert flower.get("/healthcheck").text == "OK"
    listening = psutil.Process(flower.running.process.pid).net_connections(kind="inet")
    assert {each.laddr.ip for each in listening if each.status == psutil.CONN_LISTEN} == {"127.0.0.1"}


def test_those_with_the_password_look_but_do_not_touch(flower: Flower) -> None:
    assert flower.get("/", auth=LOGIN).status_code == 200
    metrics = flower.get("/metrics", auth=LOGIN)
    assert (metrics.status_code, "python_info" in metrics.text) == (200, True)
    for path in ACTS:
        answer = httpx.post(flower.base + path, auth=LOGIN, json={"args": []}, trust_env=False)
        assert answer.status_code == 403, path


def test_messages_bear_the_names_of_kinds(
    quiet: None, broker: Broker, flower: Flower, tmp_path: Path, worker_environment: dict[str, str]
) -> None:
    environment = environment_with(broker, worker_environment)
    arguments = ("worker", "-Q", "default,system", "-c", "1", "-n", "worker@flower-test", "--without-mingle")
    with (
        celery(*arguments, environment=environment, log=tmp_path / "worker.log"),
        celery("beat", environment=environment, log=tmp_path / "beat.log"),
    ):
        eventually(lambda: flower.get("/api/workers?refresh=1", auth=LOGIN).json(), what="Flower to see the worker")
        job = submitted("system.echo", {"text": "do not show me"})
        eventually(lambda: fresh(job).state == "succeeded", what="the job to run")
        seen = eventually(
            lambda: [
                each
                for each in flower.get("/api/tasks", auth=LOGIN).json().values()
                if str(job.id) in str(each["args"])
            ],
            what="Flower to see the message",
        )
    assert {each["name"] for each in seen} == {"system.echo"}
    assert "do not show me" not in str(seen)


@pytest.mark.parametrize("given", [None, "no-colon", ":secret", "weir:good,bad"])
def test_without_a_password_it_does_not_start(tmp_path: Path, broker: Broker, given: str | None) -> None:
    environment = environment_with(broker, {}, **({} if given is None else {"FLOWER_BASIC_AUTH": given}))
    with celery("flower", f"--port={free_port()}", environment=environment, log=tmp_path / "flower.log") as running:
        assert until(lambda: running.process.poll() is not None, 60)
        assert running.process.returncode == 1
        assert running.said.startswith("expected FLOWER_BASIC_AUTH=user:password, got ")
        assert running.said.count("\n") == 1
        if given:
            assert given not in running.said
