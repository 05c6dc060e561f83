"""The clients against a real HTTP server that answers as it is told."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from jobs_app.client import AsyncClient, ClientError, Conflict, Invalid, NotFound, Refused, TimedOut, Unreachable
from tests.client.support import JOB, TOKEN, Answer, Scripted

Connect = Callable[..., Any]
PROBLEM = {"Content-Type": "application/problem+json"}


def job(state: str = "queued", **more: Any) -> bytes:
    return json.dumps({"id": JOB, "kind": "k", "queue": "default", "state": state, **more}).encode()


def accepted(state: str = "queued", **headers: str) -> Answer:
    return Answer(202, job(state), {"Content-Type": "application/json", **headers})


def full(seconds: object) -> Answer:
    body = json.dumps({"title": "The queue is full", "detail": "2,000 of 2,000", "code": "queue-full"}).encode()
    return Answer(503, body, {**PROBLEM, "Retry-After": str(seconds)})


def test_a_refusal_is_waited_out_and_the_same_request_is_sent_again(connect: Connect, scripted: Scripted) -> None:
    scripted.answers = [full(1), Answer(429, b"", {"Retry-After": "1"}), Answer(202, job(estimate={"start": 3}))]
    told: list[tuple[float, str]] = []
    made = connect(scripted.url, on_wait=lambda *each: told.append(each)).submit("k", {"a": 1}, queue="q", priority=3)
    assert (made.id, made.state, made.final, made.estimate) == (JOB, "queued", False, {"start": 3})
    assert all(1 <= gap < 3 for gap in scripted.gaps), scripted.gaps
    assert len({(each.headers["idempotency-key"], each.body) for each in scripted.seen}) == 1
    assert UUID(scripted.seen[0].headers["idempotency-key"]).version == 4
    assert json.loads(scripted.seen[0].body) == {"kind": "k", "parameters": {"a": 1}, "queue": "q", "priority": 3}
    assert ["The queue is full" in words for _, words in told] == [True, False]


def test_each_submission_has_a_key_of_its_own_unless_one_is_given(connect: Connect, scripted: Scripted) -> None:
    scripted.answers = [accepted()]
    weir = connect(scripted.url)
    for options in ({}, {}, {"idempotency_key": "order-1"}):
        weir.submit("k", **options)
    keys = [each.headers["idempotency-key"] for each in scripted.seen]
    assert len(set(keys)) == 3
    assert keys[2] == "order-1"


def test_a_date_is_waited_for_by_the_servers_clock(connect: Connect, scripted: Scripted) -> None:
    there = datetime.now(UTC) + timedelta(days=400)
    dated = {"Date": format_datetime(there, usegmt=True)}
    dated["Retry-After"] = format_datetime(there + timedelta(seconds=1), usegmt=True)
    scripted.answers = [Answer(503, b"", dated), accepted()]
    connect(scripted.url).submit("k")
    assert 1 <= scripted.gaps[0] < 3


def test_a_wait_beyond_the_patience_is_not_begun(connect: Connect, scripted: Scripted) -> None:
    scripted.answers = [full(4000)]
    with pytest.raises(Refused, match="The queue is full: 2,000 of 2,000") as raised:
        connect(scripted.url, patience=20).submit("k")
    assert (raised.value.retry_after, raised.value.code, raised.value.status) == (4000, "queue-full", 503)
    assert len(scripted.seen) == 1


def test_patience_is_for_all_tries_together(connect: Connect, scripted: Scripted) -> None:
    scripted.answers = [full(1)]
    with pytest.raises(Refused, match=r"Given up after 3 tries"):
        connect(scripted.url, patience=2.9).submit("k")
    assert len(scripted.seen) == 3


@pytest.mark.parametrize(
    "first",
    [Answer(502), Answer(504), Answer(503), Answer(503, b"", {"Retry-After": "soon"}), Answer(202, job(), drop=20)],
)
def test_what_passes_is_tried_again_with_one_key(connect: Connect, scripted: Scripted, first: Answer) -> None:
    scripted.answers = [first, accepted()]
    assert connect(scripted.url).submit("k").id == JOB
    assert len(scripted.seen) == 2
    assert len({each.headers["idempotency-key"] for each in scripted.seen}) == 1


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 408, 409, 413, 415, 422, 500, 501, 507])
def test_what_does_not_pass_is_asked_once(connect: Connect, scripted: Scripted, status: int) -> None:
    scripted.answers = [Answer(status, b"{}", {"Retry-After": "1", "Location": scripted.url + "/elsewhere"})]
    with pytest.raises(ClientError):
        connect(scripted.url).submit("k")
    assert len(scripted.seen) == 1


def test_a_retry_after_on_a_success_is_not_waited_for(connect: Connect, scripted: Scripted) -> None:
    scripted.answers = [accepted(**{"Retry-After": "60"})]
    assert connect(scripted.url, patience=1).submit("k").id == JOB


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"id": 3}', b"null", b'"x"', b"[" * 100_000])
def test_an_answer_that_is_no_job_is_told(connect: Connect, scripted: Scripted, body: bytes) -> None:
    scripted.answers = [Answer(200, body)]
    with pytest.raises(ClientError, match="expected"):
        connect(scripted.url).get(JOB)


def test_an_answer_that_trickles_in_ends_with_the_patience(connect: Connect, scripted: Scripted) -> None:
    scripted.answers = [Answer(200, job() + b" " * 3000, trickle=0.02)]
    with pytest.raises(Unreachable, match="expected the whole answer within 1 s"):
        connect(scripted.url, patience=1).get(JOB)


def test_an_answer_without_end_is_not_kept(
    connect: Connect, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs_app.client.base.BODY_LIMIT", 1000)
    scripted.answers = [Answer(200, b"x" * 2000)]
    with pytest.raises(ClientError, match="at most 1,000 bytes"):
        connect(scripted.url).result(JOB)


def test_a_server_that_says_nothing_is_given_up(connect: Connect, scripted: Scripted) -> None:
    scripted.answers = [Answer(200, b"", {"Content-Length": "10"}, drop=0)]
    with pytest.raises(Unreachable) as raised:
        connect(scripted.url, patience=0).get(JOB)
    assert raised.value.status is None


@pytest.mark.parametrize("wrong", [{"a": {1, 2}}, {"a": float("nan")}, {"a": "\ud800"}])
def test_parameters_that_json_cannot_hold_are_told_and_not_sent(
    connect: Connect, scripted: Scripted, wrong: dict[str, Any]
) -> None:
    with pytest.raises(Invalid, match="expected parameters that JSON can hold"):
        connect(scripted.url).submit("k", wrong)
    assert scripted.seen == []


@pytest.mark.parametrize(
    "options",
    [{"due_at": datetime(2030, 1, 1)}, {"due_at": "2030-01-01"}, {"idempotency_key": ""},  # noqa: DTZ001
     {"idempotency_key": "é"}, {"idempotency_key": "a\r\nb"}],
)  # fmt: skip
def test_options_that_cannot_be_sent_are_told(connect: Connect, scripted: Scripted, options: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="expected"):
        connect(scripted.url).submit("k", **options)
    assert scripted.seen == []


def test_an_id_that_is_none_never_becomes_an_address(connect: Connect, scripted: Scripted) -> None:
    for ask in ("get", "cancel", "result", "wait", "stream"):
        with pytest.raises(Invalid, match="expected a job or its id"):
            list(getattr(connect(scripted.url), ask)("../../kinds"))
    assert scripted.seen == []


def test_prefer_wait_is_asked_for_in_whole_seconds(connect: Connect, scripted: Scripted) -> None:
    scripted.answers = [accepted()]
    connect(scripted.url).submit("k", wait=2.5)
    assert scripted.seen[0].headers["prefer"] == "wait=3"


def test_waiting_ends_with_the_job_or_the_time(connect: Connect, scripted: Scripted) -> None:
    scripted.answers = [accepted("queued"), accepted("running"), accepted("succeeded")]
    weir = connect(scripted.url)
    assert weir.wait(JOB).state == "succeeded"
    assert len(scripted.seen) == 3
    scripted.answers = [accepted("running")]
    with pytest.raises(TimedOut, match=r"expected job .* to end within 1 s; it is running and goes on"):
        weir.wait(JOB, 1)


def test_names_are_quoted(connect: Connect, scripted: Scripted, tmp_path: Path) -> None:
    scripted.answers = [Answer(404)]
    with pytest.raises(NotFound):
        connect(scripted.url).download(JOB, "../a b?.csv", tmp_path / "a")
    assert scripted.seen[0].path == f"/api/jobs/{JOB}/artifacts/..%2Fa%20b%3F.csv"
    with pytest.raises(NotFound):
        connect(scripted.url).queue("a/b")
    assert scripted.seen[1].path == "/api/queues/a%2Fb"
    assert list(tmp_path.iterdir()) == []


def test_queues_are_listed(connect: Connect, scripted: Scripted) -> None:
    scripted.answers = [Answer(200, b'{"queues": [{"name": "default"}]}')]
    assert connect(scripted.url).queues() == [{"name": "default"}]


def test_a_refused_upload_is_sent_again_from_its_start(connect: Connect, scripted: Scripted, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4000
    (tmp_path / "a b.bin").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    made = json.dumps({"id": JOB, "name": "a b.bin", "size": len(content), "sha256": digest}).encode()
    scripted.answers = [full(1), Answer(201, made)]
    assert connect(scripted.url).upload(tmp_path / "a b.bin").id == JOB
    assert [each.body == content for each in scripted.seen] == [True, True]
    assert scripted.seen[0].path in ("/api/artifacts?name=a%20b.bin", "/api/artifacts?name=a+b.bin")
    scripted.answers = [Answer(201, made, drop=3)]
    with pytest.raises(Unreachable, match="it may have been carried out"):
        connect(scripted.url).upload(tmp_path / "a b.bin")
    assert len(scripted.seen) == 3
    scripted.answers = [Answer(201, made.replace(digest.encode(), b"0" * 64))]
    with pytest.raises(Invalid, match="another SHA-256"):
        connect(scripted.url).upload(tmp_path / "a b.bin")


@pytest.mark.parametrize("level", ["repr", "refused", "echoed", "away"])
def test_the_token_is_in_no_error_repr_or_log(
    connect: Connect, scripted: Scripted, caplog: pytest.LogCaptureFixture, level: str
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = json.dumps({"title": "Wrong", "detail": f"you sent Bearer {TOKEN}", "code": "x"}).encode()
    scripted.answers = [{"refused": full(1), "echoed": Answer(422, echo, PROBLEM)}.get(level, accepted())]
    weir = connect("http://127.0.0.1:9" if level == "away" else scripted.url, patience=1)
    said = [repr(weir), repr(vars(weir))]
    try:
        weir.submit("k")
    except ClientError as error:
        said += [str(error), repr(error), repr(vars(error)), repr(error.__cause__), repr(error.__context__)]
    said += [record.getMessage() for record in caplog.records]
    assert all(TOKEN not in each for each in said)
    assert level == "away" or scripted.seen[0].headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("url", ["", "weir.example.org", "ftp://x", "https://", "https://me:secret@x.org"])
def test_an_address_that_is_none_is_refused_without_its_password(url: str, connect: Connect) -> None:
    with pytest.raises(ValueError, match="expected an address") as raised:
        connect(url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("token", ["", "weir_ü", "weir_a b", "weir_a\n"])
def test_a_token_that_is_none_is_refused_unseen(token: str, connect: Connect) -> None:
    with pytest.raises(ValueError, match="expected a token") as raised:
        connect("https://x.org", token)
    assert not token or token not in str(raised.value)


def test_a_conflict_of_keys_is_not_tried_again(connect: Connect, scripted: Scripted) -> None:
    scripted.answers = [Answer(422, b'{"code": "idempotency-conflict", "title": "Used"}', PROBLEM)]
    with pytest.raises(Conflict):
        connect(scripted.url).submit("k", idempotency_key="k")
    assert len(scripted.seen) == 1


def test_an_async_call_can_be_cancelled_while_it_waits(scripted: Scripted) -> None:
    scripted.answers = [full(60)]

    async def cancelled() -> float:
        async with AsyncClient(scripted.url, TOKEN) as weir:
            submitted = asyncio.create_task(weir.submit("k"))
            while not scripted.seen:
                await asyncio.sleep(0.01)
            began = time.monotonic()
            submitted.cancel()
            with pytest.raises(asyncio.CancelledError):
                await submitted
            return time.monotonic() - began

    with ThreadPoolExecutor(1) as thread:  # this thread may have a loop already
        assert thread.submit(asyncio.run, cancelled()).result(30) < 20
    assert len(scripted.seen) == 1
