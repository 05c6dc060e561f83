"""The live stream: its real process, read as browsers and programs read it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import time_machine
from django.contrib.auth.models import User

from jobs_app.api import tickets
from jobs_app.core import control, submission
from jobs_app.models import Job
from tests.surfaces.api.support import PROBLEM, Servers, run, threads_of

END_HEADERS = b"\r\n\r\n"


@dataclass(frozen=True)
class Message:
    """One server-sent event."""

    name: str
    id: str
    data: Any


class Reader:
    """Reads server-sent events off an open response."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.comments: list[str] = []
        self._lines = response.iter_lines()

    def __iter__(self) -> Iterator[Message]:
        fields: dict[str, str] = {}
        for line in self._lines:
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                self.comments.append(line)
            elif line:
                fields[name] = value
            elif "data" in fields:
                yield Message(fields["event"], fields.get("id", ""), json.loads(fields["data"]))
                fields = {}

    def next(self) -> Message:
        return next(iter(self))


@contextmanager
def follow(job: Job, base: str, headers: dict[str, str] | None = None, query: str = "") -> Iterator[Reader]:
    url = f"{base}/stream/jobs/{job.id}?ticket={tickets.issue(job.id)}{query}"
    with httpx.stream("GET", url, headers=headers, timeout=20) as response:
        yield Reader(response)


@pytest.fixture
def job(servers: Servers, alice: User) -> Job:
    """A job of Alice that waits."""
    return submission.submit("probe.logs", {"lines": 3}, owner=alice)


def test_the_api_leads_to_it(http: httpx.Client, job: Job) -> None:
    with http.stream("GET", f"/api/jobs/{job.id}/events", follow_redirects=True) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert Reader(response).next().data["id"] == str(job.id)


def test_a_job_is_followed_to_its_end(servers: Servers, job: Job, now: datetime) -> None:
    with follow(job, servers.stream) as reader:
        first = reader.next()
        assert (first.name, first.data["state"]) == ("job", "queued")
        run(job.id)
        rest = list(reader)
    assert [each.data["text"] for each in rest if each.name == "log"] == ["line 0", "line 1", "line 2"]
    assert [each.data["state"] for each in rest if each.name == "job"][-1] == "succeeded"
    assert (rest[-1].name, rest[-1].data) == ("end", {"state": "succeeded"})


def test_what_is_streamed_is_what_the_api_shows(http: httpx.Client, servers: Servers, job: Job) -> None:
    with follow(job, servers.stream) as reader:
        shown = http.get(f"/api/jobs/{job.id}").json()
        for beside in ("links", "estimate", "children", "waits"):
            shown.pop(beside)
        assert reader.next().data == shown


def test_a_reader_that_comes_back_gets_only_the_lines_it_missed(servers: Servers, job: Job) -> None:
    run(job.id)
    with follow(job, servers.stream) as reader:
        everything = list(reader)
    second = [each for each in everything if each.name == "log"][1]
    for headers, query in (({"Last-Event-ID": second.id}, ""), ({}, f"&after={second.id}")):
        with follow(job, servers.stream, headers, query) as reader:
            assert [each.data["text"] for each in reader if each.name == "log"] == ["line 2"]
    with follow(job, servers.stream, {"Last-Event-ID": "nonsense"}) as reader:
        assert len([each for each in reader if each.name == "log"]) == 3
    # A browser asks again after the end; 204 tells it to stop.
    with follow(job, servers.stream, {"Last-Event-ID": everything[-1].id}) as reader:
        assert reader.response.status_code == 204


def test_a_long_log_comes_whole_and_in_order(servers: Servers, alice: User) -> None:
    job = submission.submit("probe.logs", {"lines": 900}, owner=alice)
    run(job.id)
    with follow(job, servers.stream) as reader:
        texts = [each.data["text"] for each in reader if each.name == "log"]
    assert texts == [f"line {number}" for number in range(900)]


def test_readers_of_one_job_do_not_disturb_each_other(servers: Servers, job: Job) -> None:
    with follow(job, servers.stream) as one, follow(job, servers.stream) as other:
        assert one.next().data == other.next().data
        one.response.close()
        run(job.id)
        assert [each.name for each in other][-1] == "end"


@pytest.mark.parametrize("ticket", ["", "x", "{other}", "{old}", "{ours}x", "{unsigned}"])
def test_a_wrong_ticket_opens_nothing(servers: Servers, job: Job, now: datetime, ticket: str) -> None:
    other = submission.submit("system.echo", {"text": "x"})
    with time_machine.travel(now - timedelta(minutes=61)):
        old = tickets.issue(job.id)
    text = ticket.format(other=tickets.issue(other.id), old=old, ours=tickets.issue(job.id), unsigned=job.id)
    response = httpx.get(f"{servers.stream}/stream/jobs/{job.id}", params={"ticket": text})
    assert response.status_code == 403
    assert response.headers["Content-Type"] == PROBLEM
    assert response.json()["code"] == "not-allowed"


def test_other_addresses_and_methods_are_problems(servers: Servers, job: Job) -> None:
    for path in ("/", "/stream/jobs/x", "/stream/jobs/", f"/stream/jobs/{job.id}/x", "/api/jobs"):
        response = httpx.get(servers.stream + path)
        assert (response.status_code, response.headers["Content-Type"]) == (404, PROBLEM)
    wrong = httpx.post(f"{servers.stream}/stream/jobs/{job.id}?ticket={tickets.issue(job.id)}")
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "GET, OPTIONS")
    assert httpx.get(f"{servers.stream}/healthz").text == "ok"


@pytest.mark.parametrize(
    ("origin", "ours"),
    [("http://127.0.0.1:8000", True), ("https://localhost", True), ("http://evil.example", False), ("null", False),
     ("http://[", False), ("file://localhost", False)],
)  # fmt: skip
def test_only_pages_of_this_site_may_read_it(servers: Servers, job: Job, origin: str, ours: bool) -> None:
    with follow(job, servers.stream, {"Origin": origin}) as reader:
        assert reader.response.headers.get("Access-Control-Allow-Origin") == (origin if ours else None)
        assert reader.response.headers["Vary"] == "Origin"
    asked = {"Origin": origin, "Access-Control-Request-Headers": "last-event-id"}
    before = httpx.options(f"{servers.stream}/stream/jobs/{job.id}", headers=asked)
    assert before.status_code == 204
    assert ("Access-Control-Allow-Origin" in before.headers) == ours


def test_a_job_that_is_removed_ends_its_stream(servers: Servers, job: Job) -> None:
    from jobs_app.models.guard import writing

    with follow(job, servers.stream) as reader:
        reader.next()
        with writing():
            job.events.all().delete()
            job.delete()
        assert [(each.name, each.data) for each in reader] == [("end", {"state": "removed"})]


@pytest.fixture(scope="module")
def _small(worker_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    servers = Servers(worker_environment, tmp_path_factory.mktemp("small"))
    try:
        servers.start_stream("tests.surfaces.api.small_stream:application")
        yield servers
    finally:
        servers.stop()


@pytest.fixture
def small(transactional_db: None, _small: Servers) -> Servers:
    """A stream process with room for two, that says it is alive five times a second."""
    return _small


def test_a_third_reader_is_told_to_come_back(small: Servers, alice: User, now: datetime) -> None:
    job = submission.submit("system.echo", {"text": "x"}, owner=alice)
    with follow(job, small.stream) as one, follow(job, small.stream) as two:
        one.next()
        two.next()
        with follow(job, small.stream, {"Origin": "http://localhost"}) as refused:
            assert refused.response.status_code == 503
            assert int(refused.response.headers["Retry-After"]) > 0
            assert json.loads(refused.response.read())["code"] == "too-many-streams"
        control.cancel(job.id, actor=None, now=now)
        assert [each.name for each in one][-1] == [each.name for each in two][-1] == "end"
    with follow(job, small.stream) as again:
        assert again.response.status_code == 200


def test_a_silent_stream_is_kept_alive(small: Servers, alice: User, now: datetime) -> None:
    job = submission.submit("system.echo", {"text": "x"}, owner=alice)
    with follow(job, small.stream) as reader:
        reader.next()
        while len(reader.comments) < 2:
            line = next(reader._lines)
            if line.startswith(":"):
                reader.comments.append(line)
        assert set(reader.comments) == {": keepalive"}


@pytest.mark.slow
def test_a_thousand_readers_cost_a_handful_of_threads(servers: Servers, alice: User, now: datetime) -> None:
    jobs = [submission.submit("system.echo", {"text": "x"}, owner=alice) for _ in range(20)]
    address = urlsplit(servers.stream)
    readers = []
    try:
        for number in range(1000):
            job = jobs[number % len(jobs)]
            reader = socket.create_connection((address.hostname or "", address.port or 0), timeout=30)
            path = f"/stream/jobs/{job.id}?ticket={tickets.issue(job.id)}"
            reader.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            readers.append(reader)
        for reader in readers:
            read_until(reader, b"event: job")
        assert threads_of(servers.processes["stream"].pid) <= 12
        for job in jobs:
            control.cancel(job.id, actor=None, now=now)
        for reader in readers:
            read_until(reader, b"event: end")
    finally:
        for reader in readers:
            reader.close()


def read_until(reader: socket.socket, text: bytes) -> None:
    got = b""
    while text not in got:
        block = reader.recv(65536)
        assert block, got
        got = got[-100:] + block
