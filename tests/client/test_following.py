"""Following a job: the live stream read rightly, and what takes over where it is not to be had."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from jobs_app.client import Event, TimedOut
from jobs_app.client.following import Following
from tests.client.support import JOB, TOKEN, Answer, Scripted

Connect = Callable[..., Any]
STREAM = {"Content-Type": "text/event-stream; charset=utf-8"}


def job(state: str, **more: Any) -> dict[str, Any]:
    return {"id": JOB, "kind": "k", "queue": "default", "state": state, **more}


def frame(name: str, data: Mapping[str, Any], mark: str = "0") -> bytes:
    return f"id: {mark}\nevent: {name}\ndata: {json.dumps(data)}\n\n".encode()


def sent_on(scripted: Scripted) -> Answer:
    return Answer(307, b"", {"Location": f"{scripted.url}/stream/jobs/{JOB}?ticket=t"})


def looked(state: str, *lines: int) -> list[Answer]:
    page = {"lines": [{"id": each, "text": "x"} for each in lines], "next_after": lines[-1] if lines else 0}
    body = json.dumps(job(state, links={"self": "/"}, estimate={"start": len(state)})).encode()
    return [Answer(200, body), Answer(200, json.dumps(page).encode())]


def names(events: list[Event]) -> list[str]:
    return [each.data.get("state") or str(each.data["id"]) for each in events]


@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
def test_a_stream_is_read_rightly_however_it_is_cut(size: int) -> None:
    text = (
        b"retry: 2000\n\n: keepalive\n\n"
        + frame("job", job("queued"))
        + frame("log", {"id": 4, "text": "é\u2028"}, "4")
    )
    text += frame("job", job("queued"), "4").replace(b"\n", b"\r\n") + b"event: job\ndata: {\ndata: }\n\n"
    text += b"event: news\ndata: 3\n\n" + frame("end", {"state": "succeeded"}, "4.end")
    following = Following(JOB, None)
    events = [each for at in range(0, len(text), size) for each in following.take(text[at : at + size])]
    assert [(each.name, each.data) for each in events] == [
        ("job", job("queued")), ("log", {"id": 4, "text": "é\u2028"}), ("job", {}), ("end", {"state": "succeeded"}),
    ]  # fmt: skip
    assert following.ended


def test_the_stream_is_opened_without_the_token(connect: Connect, scripted: Scripted) -> None:
    stream = (
        frame("job", job("queued")) + frame("job", job("succeeded")) + frame("end", {"state": "succeeded"}, "0.end")
    )
    scripted.answers = [sent_on(scripted), Answer(200, stream, STREAM)]
    events = list(connect(scripted.url).stream(JOB))
    assert names(events) == ["queued", "succeeded", "succeeded"]
    asked, opened = scripted.seen
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert opened.path == f"/stream/jobs/{JOB}?ticket=t"
    assert TOKEN not in str(opened)


def test_a_stream_that_breaks_off_goes_on_and_nothing_is_told_twice(connect: Connect, scripted: Scripted) -> None:
    first = frame("job", job("running")) + frame("log", {"id": 7}, "7") + b"event: log\nda"
    second = (
        frame("job", job("running"), "7") + frame("log", {"id": 9}, "9") + frame("end", {"state": "failed"}, "9.end")
    )
    scripted.answers = [
        sent_on(scripted), Answer(200, first, {**STREAM, "Content-Length": "9999"}, drop=len(first)),
        *looked("running", 8), sent_on(scripted), Answer(200, second, STREAM),
    ]  # fmt: skip
    assert names(list(connect(scripted.url).stream(JOB))) == ["running", "7", "8", "9", "failed"]
    assert [each.path for each in scripted.seen if each.path.startswith("/api")] == [
        f"/api/jobs/{JOB}/events", f"/api/jobs/{JOB}", f"/api/jobs/{JOB}/logs?after=7&limit=500",
        f"/api/jobs/{JOB}/events?after=8",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "stream", [Answer(503, b"{}", {"Retry-After": "5"}), Answer(200, b"<html>"), Answer(404), Answer(200, b"", STREAM)]
)
def test_looks_take_over_where_no_stream_is_to_be_had(connect: Connect, scripted: Scripted, stream: Answer) -> None:
    again = [sent_on(scripted), stream]
    scripted.answers = [
        *again, *looked("queued"), *again, *looked("queued"), *again, *looked("running", 1), *looked("running", 2),
        *looked("succeeded", 3),
    ]  # fmt: skip
    events = list(connect(scripted.url).stream(JOB))
    assert names(events) == ["queued", "1", "running", "2", "3", "succeeded", "succeeded"]
    assert events[-1] == Event("end", {"state": "succeeded"})
    assert sum("/stream/" in each.path for each in scripted.seen) == 3


@pytest.mark.parametrize("address", ["file:///etc/passwd", "http://127.0.0.1:9/", "", "http://[", "/stream?ticket=t"])
def test_an_address_without_a_stream_is_no_end(connect: Connect, scripted: Scripted, address: str) -> None:
    again = Answer(307, b"", {"Location": address})
    if address.startswith("/") or not address:
        scripted.answers = [again, Answer(404), *looked("succeeded")]
    else:
        scripted.answers = [again, *looked("succeeded")]
    assert names(list(connect(scripted.url).stream(JOB))) == ["succeeded", "succeeded"]


def test_following_ends_with_its_time(connect: Connect, scripted: Scripted) -> None:
    scripted.answers = [Answer(200, json.dumps({**job("running"), "lines": [], "next_after": 0}).encode())]
    with pytest.raises(TimedOut, match="within 1 s; it goes on"):
        list(connect(scripted.url).stream(JOB, 1))
    assert not any(each.path.endswith("/events") for each in scripted.seen)
