"""A real queue that is full: the client waits as long as it is told, with one key, and gets in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import User

from jobs_app.client import Client, Refused
from jobs_app.models import Job
from tests.support.processes import eventually
from tests.surfaces.api.support import Servers, run, token_of

Connect = Callable[..., Any]
ECHO = ("system.echo", {"text": "hello"})
SMALL = {"QUEUE_LIMIT": "2", "USER_SHARE": "1", "TOKEN_SHARE": "1", "RETRY_AFTER_SECONDS": "2"}


@pytest.fixture
def small(
    transactional_db: None, worker_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A server whose queues take two jobs, and that never tells anyone to stay away for more than 2 s."""
    servers = Servers({**worker_environment, **SMALL}, tmp_path_factory.mktemp("small"))
    try:
        servers.start_web()
        yield servers.web
    finally:
        servers.stop()


def test_a_full_queue_is_waited_out_and_makes_one_job(connect: Connect, small: str, alice: User, bob: User) -> None:
    token = token_of(alice)
    with Client(small, token_of(bob), patience=0) as other, Client(small, token, patience=0) as hasty:
        held = [other.submit(*ECHO).id for _ in range(2)]
        with pytest.raises(Refused) as raised:
            hasty.submit(*ECHO, idempotency_key="refused first")
    error = raised.value
    assert (error.status, error.code, error.problem["queue"]) == (503, "queue-full", "default")
    assert 1 <= (error.retry_after or 0) <= 2
    assert Job.objects.count() == 2
    waits: list[float] = []
    patient = connect(small, token, patience=60, on_wait=lambda seconds, _: waits.append(seconds))
    with ThreadPoolExecutor(1) as thread:
        submitted = thread.submit(lambda: patient.submit(*ECHO, idempotency_key="refused first"))
        eventually(lambda: waits or submitted.done(), what="the client to be refused")
        for each in held:
            run(each)
        made = submitted.result(60)
    assert waits
    assert all(1 <= each <= 2.1 for each in waits)
    assert (made.state, made.replayed) == ("queued", False)
    assert Job.objects.exclude(id__in=held).get().idempotency_key == "refused first"
