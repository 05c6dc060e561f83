"""The clients against Weir's own servers: granian, the live stream, the ledger of the tests."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User

from jobs_app.client import Conflict, Invalid, NotAllowed, NotFound
from jobs_app.models import Artifact, Job, LogLine
from tests.client.support import Severing
from tests.surfaces.api.support import Servers, run, token_of

Connect = Callable[..., Any]
ECHO = ("system.echo", {"text": "hello"})


@pytest.fixture
def weir(connect: Connect, servers: Servers, alice: User) -> Any:
    return connect(servers.web, token_of(alice))


@pytest.fixture
def severing() -> Iterator[Callable[..., Severing]]:
    made: list[Severing] = []

    def make(url: str, **options: int) -> Severing:
        made.append(Severing(url, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_job_is_submitted_waited_for_and_its_result_fetched(weir: Any, alice: User) -> None:
    due = datetime.now(UTC) + timedelta(hours=1)
    made = weir.submit(*ECHO, priority=3, max_attempts=2)
    row = Job.objects.get()
    assert (made.id, made.kind, made.queue, made.state) == (str(row.id), "system.echo", "default", "queued")
    assert (row.owner, row.priority, row.max_attempts, len(row.idempotency_key or "")) == (alice, 3, 2, 36)
    with pytest.raises(Conflict):
        weir.result(made)
    with ThreadPoolExecutor(1) as thread:
        waited = thread.submit(weir.wait, made.id, 60)
        run(made.id)
        assert waited.result(60).state == "succeeded"
    assert weir.result(UUID(made.id)) == {"text": "hello"}
    later = weir.submit(*ECHO, due_at=due, expires_at=due + timedelta(hours=1))
    assert (later.state, Job.objects.get(id=later.id).due_at) == ("scheduled", due)
    assert weir.cancel(later).state == "cancelled"
    assert weir.cancel(later).final


def test_fifty_requests_at_once_with_one_key_make_one_job(connect: Connect, servers: Servers, alice: User) -> None:
    token, start = token_of(alice), threading.Barrier(50)

    def submit(_: int) -> Any:
        weir = connect(servers.web, token)
        start.wait(60)
        return weir.submit(*ECHO, idempotency_key="one")

    with ThreadPoolExecutor(50) as threads:
        made = list(threads.map(submit, range(50)))
    assert {each.id for each in made} == {str(Job.objects.get().id)}
    assert sum(not each.replayed for each in made) == 1
    with pytest.raises(Conflict):
        connect(servers.web, token).submit("system.echo", {"text": "another"}, idempotency_key="one")


@pytest.mark.parametrize("after", [0, 1, 200])
def test_an_answer_that_breaks_off_leads_to_one_job(
    connect: Connect, servers: Servers, alice: User, severing: Callable[..., Severing], after: int
) -> None:
    """The server has made the job, and the client cannot know: it asks again, with the same key."""
    network = severing(servers.web, times=2, after=after)
    made = connect(network.url, token_of(alice)).submit(*ECHO)
    assert network.severed == 2
    assert (str(Job.objects.get().id), made.replayed) == (made.id, True)


def test_refusals_have_their_own_errors(weir: Any, connect: Connect, servers: Servers) -> None:
    with pytest.raises(Invalid, match="expected one of the registered kinds"):
        weir.submit("no.such.kind")
    with pytest.raises(Invalid) as raised:
        weir.submit("system.echo", {"volume": 3})
    assert {each["pointer"] for each in raised.value.problem["errors"]} == {"#/parameters/text", "#/parameters/volume"}
    for ask in ("get", "cancel", "result"):
        with pytest.raises(NotFound):
            getattr(weir, ask)("01940000-0000-7000-8000-000000000001")
    with pytest.raises(NotAllowed):
        connect(servers.web, "weir_wrong").submit(*ECHO)
    assert not Job.objects.exists()


def test_files_go_up_and_down(weir: Any, alice: User, tmp_path: Path) -> None:
    content = bytes(range(256)) * 8000
    (tmp_path / "é 1.bin").write_bytes(content)
    sent = weir.upload(tmp_path / "é 1.bin")
    assert (sent.name, sent.size, sent.sha256) == ("é 1.bin", len(content), hashlib.sha256(content).hexdigest())
    row = Artifact.objects.get()
    assert (row.owner, str(row.id)) == (alice, sent.id)
    taken = weir.submit("probe.files", {"first": sent.id, "others": []})
    assert Job.objects.get(id=taken.id).parameters["first"] == sent.id
    made = weir.submit("probe.makes_files", {"names": ["é ?.txt"], "content": "text"})
    run(made.id)
    assert [(each.name, each.size) for each in weir.artifacts(made)] == [("é ?.txt", 14)]
    assert weir.download(made, "é ?.txt", tmp_path / "got").read_text() == "é ?.txt: text"


def test_the_stream_tells_all_until_the_end(weir: Any) -> None:
    strange = "two\u2028lines\x85of\rtext\n"
    made = weir.submit("probe.logs", {"lines": 700, "text": strange})
    with ThreadPoolExecutor(1) as thread:
        told = thread.submit(lambda: list(weir.stream(made)))
        run(made.id)
        events = told.result(60)
    assert (events[-1].name, events[-1].data) == ("end", {"state": "succeeded"})
    jobs = [each.data for each in events if each.name == "job"]
    assert jobs[-1]["state"] == "succeeded"
    assert {each["id"] for each in jobs} == {made.id}
    lines = [each.data["text"] for each in events if each.name == "log"]
    assert lines == list(LogLine.objects.order_by("id").values_list("text", flat=True))
    assert "\u2028" in lines[0]
