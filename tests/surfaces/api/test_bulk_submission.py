"""POST /api/jobs/bulk: JSON lines in, a verdict for each out, whatever breaks off."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs_app.core import access
from jobs_app.models import AuditEntry, Gate, Job, KindAccess
from jobs_app.models.guard import writing
from tests.support.processes import eventually
from tests.surfaces.api.support import Servers, memory_of, problem, processes_below, token_of

NDJSON = "application/x-ndjson"
MEGABYTE = 1 << 20


def echo(text: str = "a", **more: Any) -> bytes:
    return json.dumps({"kind": "system.echo", "parameters": {"text": text}, **more}).encode()


def send(api: Client, *lines: bytes, **headers: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Submit lines; returns the verdicts and the summary."""
    answer = api.post("/api/jobs/bulk", b"\n".join(lines), content_type=NDJSON, headers=headers)
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == NDJSON
    body = b"".join(answer)
    assert int(answer["Content-Length"]) == len(body)
    *verdicts, last = (json.loads(line) for line in body.splitlines())
    assert [each["line"] for each in verdicts] == list(range(1, len(verdicts) + 1))
    return verdicts, last["summary"]


@pytest.mark.django_db
def test_each_line_has_its_verdict(api: Client, alice: User) -> None:
    bad = [b"{", b"[]", b'{"kind": "system.echo"}', b'{"kind": "no.such"}', echo(colour="red"), echo(priority=101)]
    verdicts, summary = send(api, echo(tags=["x"], priority=3), b"", *bad, b'{"kind":"probe.nothing"}\r', b"\xff")
    assert [each["status"] for each in verdicts] == ["accepted", *["refused"] * 6, "accepted", "refused"]
    assert summary == {"lines": 9, "accepted": 2, "replayed": 0, "refused": 7, "complete": True}
    job = Job.objects.whole().get(id=verdicts[0]["id"])
    assert (job.owner, job.via, job.tags, job.priority) == (alice, "api", ["x"], 3)
    assert job.token_id is not None
    codes = [each.get("problem", {}).get("code") for each in verdicts[1:7]]
    assert codes == ["invalid-request"] * 2 + ["invalid-parameters", "unknown-kind"] + ["invalid-request"] * 2
    assert verdicts[3]["problem"]["errors"] == [
        {"pointer": "#/parameters/text", "message": "expected a value, got none"}
    ]
    assert verdicts[5]["problem"]["errors"] == [{"pointer": "#/colour", "message": "there is no such parameter"}]


@pytest.mark.django_db
def test_one_key_for_the_whole_and_one_for_a_line(api: Client) -> None:
    first, _ = send(api, echo(), echo(idempotency_key="own"), **{"Idempotency-Key": "night"})
    again, summary = send(api, echo(), echo(idempotency_key="own"), echo("more"), **{"Idempotency-Key": "night"})
    assert [each["id"] for each in again[:2]] == [each["id"] for each in first]
    assert [each["status"] for each in again] == ["replayed", "replayed", "accepted"]
    assert (summary["accepted"], summary["replayed"]) == (1, 2)
    assert set(Job.objects.values_list("idempotency_key", flat=True)) == {"night#1", "own", "night#3"}
    single = api.post("/api/jobs", echo(), content_type="application/json", headers={"Idempotency-Key": "own"})
    assert single["Idempotency-Replayed"] == "true"
    other, _ = send(api, echo("other"), **{"Idempotency-Key": "night"})
    assert other[0]["problem"]["code"] == "idempotency-conflict"


@pytest.mark.django_db
def test_what_is_no_bulk_submission_is_refused_whole(api: Client, configured: Any) -> None:
    answer = api.post("/api/jobs/bulk", echo(), content_type="application/json")
    problem(answer, 415, "wrong-media-type")
    assert answer["Accept-Post"] == NDJSON
    problem(api.post("/api/jobs/bulk", echo(), content_type=NDJSON, headers={"Idempotency-Key": "k" * 250}), 422)
    configured(upload_bytes=1024)
    problem(api.post("/api/jobs/bulk", echo("a" * 2000), content_type=NDJSON), 413, "too-large")
    assert not Job.objects.exists()
    assert send(api, b"", b" ")[1]["lines"] == 0


@pytest.mark.django_db
def test_it_takes_so_many_lines_and_none_that_is_too_long(api: Client, configured: Any) -> None:
    configured(bulk_lines=3, parameters_bytes=1024)
    verdicts, summary = send(api, echo(), echo("a" * 100_000), echo("b" * 2000), echo(), echo())
    assert [each.get("problem", {}).get("code") for each in verdicts] == [None, "too-large", "too-large", "too-large"]
    assert "from here on none was read" in verdicts[3]["problem"]["detail"]
    assert not summary["complete"]
    configured(bulk_seconds=-1)
    problem(api.post("/api/jobs/bulk", echo(), content_type=NDJSON), 503)


@pytest.mark.usefixtures("transactional_db", "nudged")
def test_a_full_queue_takes_what_fits_and_then_answers_503(api: Client, configured: Any) -> None:
    with writing():
        Gate.objects.all().delete()
    configured(queue_limit=3, user_share=1, token_share=1)
    verdicts, summary = send(api, *[echo()] * 5)
    assert [each["status"] for each in verdicts] == ["accepted"] * 3 + ["refused"] * 2
    assert verdicts[4]["problem"]["code"] == "queue-full"
    assert summary["retry_after"] == verdicts[3]["problem"]["retry_after"] > 0
    answer = api.post("/api/jobs/bulk", b"\n".join([echo()] * 5), content_type=NDJSON)
    told = problem(answer, 503, "queue-full")
    assert int(answer["Retry-After"]) == told["retry_after"]
    assert Job.objects.count() == 3


@pytest.mark.django_db
def test_who_may_not_submit_a_kind_is_refused_those_lines_and_it_is_recorded_once(api: Client, alice: User) -> None:
    with writing():
        KindAccess.objects.create(kind="probe.nothing", submit_limited=True)
    access.rules.forget()
    verdicts, _ = send(api, echo(), *[b'{"kind": "probe.nothing"}'] * 3)
    assert [each.get("problem", {}).get("code") for each in verdicts] == [None, *["not-allowed"] * 3]
    assert AuditEntry.objects.filter(action="job.submit").count() == 1


@pytest.mark.django_db
def test_a_ledger_that_goes_away_in_the_middle_ends_it_with_what_is_in(
    api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import OperationalError

    from jobs_app.core.batches import submitting, writing

    monkeypatch.setattr(submitting, "BATCH", 2)
    known, calls = writing.write, []

    def write(*given: Any, **more: Any) -> None:
        calls.append(given)
        if len(calls) == 2:
            raise OperationalError("away")
        known(*given, **more)

    monkeypatch.setattr(writing, "write", write)
    verdicts, summary = send(api, *[echo()] * 5)
    assert (len(verdicts), summary["complete"], summary["problem"]["code"]) == (2, False, "ledger-away")
    assert Job.objects.count() == 2
    calls[:] = [()]
    problem(api.post("/api/jobs/bulk", echo(), content_type=NDJSON), 503, "ledger-away")


@pytest.fixture
def own(worker_environment: dict[str, str], transactional_db: None, tmp_path: Path) -> Iterator[Servers]:
    """A web server of the test's own, which may be killed."""
    environment = {**worker_environment, "USER_SHARE": "1", "TOKEN_SHARE": "1"}
    servers = Servers(environment, tmp_path)
    servers.start_web()
    yield servers
    servers.stop()


def kill(servers: Servers) -> None:
    """SIGKILL to the server and its worker."""
    process = servers.processes.pop("web")
    for pid in reversed(processes_below(process.pid)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait(20)


@pytest.mark.slow
def test_a_server_that_is_killed_in_the_middle_and_asked_again_has_made_each_job_once(
    own: Servers, alice: User
) -> None:
    count = 5000
    headers = {"Authorization": f"Bearer {token_of(alice)}", "Content-Type": NDJSON, "Idempotency-Key": "night"}
    killed = threading.Event()

    def lines() -> Iterator[bytes]:
        for number in range(count):
            if number == 3500:
                killed.wait(60)
            yield echo(f"number {number}") + b"\n"

    def first_try() -> None:
        with suppress(httpx.HTTPError):
            httpx.post(f"{own.web}/api/jobs/bulk", content=lines(), headers=headers, timeout=60)

    thread = threading.Thread(target=first_try)
    thread.start()
    made = eventually(lambda: Job.objects.count() >= 2000, what="some batches to be in")
    kill(own)
    killed.set()
    thread.join(60)
    assert made
    before = Job.objects.count()
    assert before % 1000 == 0, "a batch is there whole, or not at all"
    assert before < count
    own.start_web()
    # In chunks of unknown number, as a program sends lines that it makes as it goes.
    answer = httpx.post(f"{own.web}/api/jobs/bulk", content=lines(), headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    summary = json.loads(answer.text.splitlines()[-1])["summary"]
    assert summary == {
        "lines": count, "accepted": count - before, "replayed": before, "refused": 0, "complete": True,
    }  # fmt: skip
    assert Job.objects.count() == count
    assert set(Job.objects.values_list("idempotency_key", flat=True)) == {f"night#{n + 1}" for n in range(count)}


@pytest.mark.slow
def test_two_hundred_thousand_lines_need_no_more_memory_than_a_thousand(own: Servers, alice: User) -> None:
    headers = {"Authorization": f"Bearer {token_of(alice)}", "Content-Type": NDJSON}
    pid = own.processes["web"].pid
    many = b"\n".join([echo()] * 1000) + b"\n"

    def bulk(thousands: int) -> int:
        blocks = (many for _ in range(thousands))
        with httpx.stream("POST", f"{own.web}/api/jobs/bulk", content=blocks, headers=headers, timeout=120) as answer:
            assert answer.status_code == 200, answer.read()
            return sum(block.count(b"\n") for block in answer.iter_bytes())

    assert bulk(5) == 5001
    before = memory_of(pid)
    assert bulk(200) == 200_001
    assert memory_of(pid) - before < 60 * MEGABYTE
    assert Job.objects.count() == 10_000
