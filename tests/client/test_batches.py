"""Many submissions by the clients: against a server that answers as told, and against Weir's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from jobs_app.client import ClientError, Invalid
from jobs_app.models import Job
from tests.client.support import JOB, Answer, Scripted
from tests.surfaces.api.support import Servers, token_of

Connect = Callable[..., Any]
FULL = {"status": 503, "code": "queue-full", "retry_after": 1}
ECHO = {"kind": "system.echo", "parameters": {"text": "hello"}}


def answer(*statuses: str) -> Answer:
    lines: list[dict[str, Any]] = [
        {"line": number, "status": status, "problem": FULL} if status == "refused"
        else {"line": number, "status": status, "id": JOB}
        for number, status in enumerate(statuses, 1)
    ]  # fmt: skip
    return Answer(body="\n".join(json.dumps(each) for each in [*lines, {"summary": {}}]).encode())


def keys(body: bytes) -> list[str]:
    return [json.loads(line)["idempotency_key"] for line in body.splitlines()]


def test_what_there_was_no_room_for_is_sent_again_alone_when_it_is_time(scripted: Scripted, connect: Connect) -> None:
    scripted.answers = [answer("accepted", "refused", "refused"), answer("replayed", "accepted")]
    found = list(connect(scripted.url).submit_many([ECHO] * 3, idempotency_key="k"))
    assert [(each.line, each.status, each.id) for each in found] == [
        (1, "accepted", JOB), (2, "replayed", JOB), (3, "accepted", JOB),
    ]  # fmt: skip
    assert [keys(each.body) for each in scripted.seen] == [["k#1", "k#2", "k#3"], ["k#2", "k#3"]]
    assert scripted.gaps[0] >= 1


def test_without_patience_the_refusals_are_told(scripted: Scripted, connect: Connect) -> None:
    scripted.answers = [answer("accepted", "refused")]
    found = list(connect(scripted.url, patience=0).submit_many([ECHO] * 2))
    assert [(each.status, each.crowded, each.retry_after) for each in found] == [
        ("accepted", False, 0), ("refused", True, 1),
    ]  # fmt: skip
    problem = {"Content-Type": "application/problem+json", "Retry-After": "60"}
    scripted.answers = [Answer(503, json.dumps(FULL).encode(), problem)]
    (refused,) = connect(scripted.url, patience=0.1).submit_many([ECHO])
    assert (refused.status, refused.problem["code"]) == ("refused", "queue-full")


def test_an_answer_that_breaks_off_is_asked_for_again_with_the_same_keys(scripted: Scripted, connect: Connect) -> None:
    whole = answer("accepted", "accepted")
    scripted.answers = [Answer(body=whole.body, drop=20), answer("replayed", "replayed")]
    assert [each.status for each in connect(scripted.url).submit_many([ECHO] * 2)] == ["replayed"] * 2
    assert scripted.seen[0].body == scripted.seen[1].body
    scripted.answers = [answer("accepted")]
    with pytest.raises(ClientError, match="a verdict on each of 2 lines"):
        list(connect(scripted.url).submit_many([ECHO] * 2))
    with pytest.raises(Invalid):
        list(connect(scripted.url).submit_many([{"kind": "k", "parameters": {"x": object()}}]))


def test_thousands_of_lines_go_in_several_requests(connect: Connect, servers: Servers, alice: User) -> None:
    weir = connect(servers.web, token_of(alice))
    lines = [{**ECHO, "tags": ["many"]}, {"kind": "no.such"}, *[ECHO] * 2500]
    found = list(weir.submit_many(iter(lines), idempotency_key="night"))
    assert [each.line for each in found] == list(range(1, 2503))
    assert (found[1].status, found[1].problem["code"]) == ("refused", "unknown-kind")
    assert len({each.id for each in found if each.id}) == Job.objects.count() == 2501
    again = list(weir.submit_many(iter(lines), idempotency_key="night"))
    assert [each.id for each in again] == [each.id for each in found]
