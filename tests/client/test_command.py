"""``manage.py jobs submit --url``: the command submits by the client, to a real server."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from jobs_app.models import Artifact, Job
from tests.client.support import Answer, Scripted
from tests.support.processes import eventually
from tests.surfaces.api.support import Servers, run, token_of
from tests.surfaces.cli.support import Ran, jobs

Submit = Callable[..., Ran]
ECHO = ("system.echo", "--text", "hi")


@pytest.fixture
def submit(servers: Servers, alice: User, monkeypatch: pytest.MonkeyPatch) -> Submit:
    monkeypatch.setenv("WEIR_TOKEN", token_of(alice))
    return lambda *arguments: jobs("submit", "--url", servers.web, "--patience", "20s", *arguments)


def test_the_job_is_the_tokens_users_and_came_by_the_api(submit: Submit, alice: User) -> None:
    ran = submit(*ECHO, "--priority", "4", "--due-at", "2h")
    row = Job.objects.get()
    assert (ran.code, ran.out) == (0, f"{row.id}\n")
    assert ran.err == "Accepted: system.echo is scheduled.\n"
    assert (row.owner, row.via, row.parameters, row.priority) == (alice, "api", {"text": "hi"}, 4)


def test_json_is_the_job(submit: Submit) -> None:
    assert submit(*ECHO, "--json").document["id"] == str(Job.objects.get().id)


def test_a_token_may_stand_in_a_file(
    servers: Servers, alice: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WEIR_TOKEN", raising=False)
    without = jobs("submit", "--url", servers.web, *ECHO)
    assert (without.code, "WEIR_TOKEN" in without.err) == (2, True)
    (tmp_path / "token").write_text(token_of(alice) + "\n")
    assert jobs("submit", "--url", servers.web, "--token-file", tmp_path / "token", *ECHO).code == 0


def test_files_are_uploaded_to_the_server(submit: Submit, alice: User, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n")
    assert submit("probe.files", "--first", tmp_path / "a.csv", "--parameters", '{"others": []}').code == 0
    row = Artifact.objects.get()
    assert (row.name, row.owner) == ("a.csv", alice)
    assert Job.objects.get().parameters["first"] == str(row.id)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("system.echo",), 2, "--text: expected a value, got none"),
        (("system.sleep", "--seconds", "-1"), 2, "--seconds: expected greater than or equal to 0"),
        (("no.such.kind",), 2, "expected one of the registered kinds"),
        (("no.such.kind", "--parameters", "[]"), 2, "--parameters: expected a JSON object"),
        ((*ECHO, "--queue", "nowhere"), 2, "expected one of the queues"),
        ((*ECHO, "--url", "http://x.org"), 2, "unrecognized arguments: --url"),
        (("--user", "alice", *ECHO), 2, "the token says who submits"),
        (
            ("probe.files", "--first", "/no", "--others", "/no"),
            2,
            "--first: expected a file or the id of an uploaded one",
        ),
    ],
)
def test_a_refusal_is_a_sentence_and_a_code(submit: Submit, arguments: tuple[str, ...], code: int, words: str) -> None:
    ran = submit(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert words in ran.err
    assert not Job.objects.exists()


def test_a_key_gives_the_same_job_and_a_wrong_token_none(submit: Submit, monkeypatch: pytest.MonkeyPatch) -> None:
    first, again = (submit(*ECHO, "--idempotency-key", "k") for _ in range(2))
    assert (first.out, "nothing new" in first.err, "nothing new" in again.err) == (again.out, False, True)
    assert submit("system.echo", "--text", "other", "--idempotency-key", "k").code == 5
    monkeypatch.setenv("WEIR_TOKEN", "weir_wrong")
    assert submit(*ECHO).code == 4


def test_a_kind_that_is_known_there_alone_takes_json(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_TOKEN", "weir_x")
    made = {"id": "01940000-0000-7000-8000-000000000001", "kind": "theirs", "queue": "q", "state": "queued"}
    scripted.answers = [Answer(202, json.dumps(made).encode())]
    ran = jobs("submit", "--url", scripted.url, "theirs", "--parameters", '{"a": [1]}')
    assert (ran.code, ran.out) == (0, made["id"] + "\n")
    assert json.loads(scripted.seen[0].body) == {"kind": "theirs", "parameters": {"a": [1]}, "priority": 0}


def test_a_refusal_is_waited_out_aloud_or_told_with_its_code(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEIR_TOKEN", "weir_x")
    problem = b'{"title": "The queue is full", "detail": "2,000 of 2,000", "code": "queue-full"}'
    scripted.answers = [Answer(503, problem, {"Content-Type": "application/problem+json", "Retry-After": "1"})]
    ran = jobs("submit", "--url", scripted.url, "--patience", "1500ms", *ECHO)
    assert ran.out == ""
    assert "The queue is full: 2,000 of 2,000 (503). Trying again in 1." in ran.err
    assert "Given up after 2 tries" in ran.err
    assert ran.code not in (0, 1, 2)


def test_an_unreachable_server_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_TOKEN", "weir_x")
    ran = jobs("submit", "--url", "http://127.0.0.1:9", "--patience", "0", *ECHO)
    assert (ran.code, "expected an answer, got ConnectError" in ran.err) == (6, True)
    assert "weir_x" not in ran.err


@pytest.mark.parametrize(
    ("kind", "code", "words"),
    [
        (ECHO, 0, "hi"),
        (("probe.fails",), 1, "it was told to fail"),
        (("probe.makes_files", "--names", "a.txt"), 0, "a.txt"),
        (("system.echo", "--text", "a", "--json"), 0, '"state": "succeeded"'),
    ],
)
def test_a_job_is_followed_at_the_server(submit: Submit, kind: tuple[str, ...], code: int, words: str) -> None:
    with ThreadPoolExecutor(1) as thread:
        followed = thread.submit(submit, *kind, "--follow")
        run(eventually(Job.objects.first, what="the job").id)
        ran = followed.result(60)
    assert (ran.code, words in ran.out + ran.err) == (code, True), ran
    late = submit("system.sleep", "--seconds", "60", "--follow", "--timeout", "1")
    assert (late.code, "goes on" in late.err) == (124, True)
