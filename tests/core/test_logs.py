"""Log lines: which job and request they are about, and nothing that is secret."""

from __future__ import annotations

import json
import logging
import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from jobs_app import logs
from jobs_app.core import attempts, submission
from tests.support.ledger import run
from tests.support.processes import COMMANDS, ROOT, eventually, finished

JOB = "0190a0b0-0000-7000-8000-000000000001"


def record(message: str = "hello %s", *arguments: object, **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord("weir.test", logging.WARNING, __file__, 1, message, arguments or ("you",), None)
    vars(made).update(extra)
    return made


def test_a_line_for_machines_is_one_object() -> None:
    with logs.marked(job=JOB, attempt=2):
        try:
            raise ValueError("two\nlines")
        except ValueError as error:
            made = record(exc_info=(type(error), error, error.__traceback__))
        line = logs.Json().format(made)
    assert "\n" not in line
    told = json.loads(line)
    assert (told["level"], told["logger"], told["message"]) == ("warning", "weir.test", "hello you")
    assert (told["job"], told["attempt"]) == (JOB, 2)
    assert told["time"].endswith("+00:00")
    assert "ValueError: two\nlines" in told["traceback"]
    assert "job" not in json.loads(logs.Json().format(record()))


def test_a_line_for_people_tells_the_job_too() -> None:
    with logs.marked(job=JOB), logs.marked(attempt=1):
        assert logs.Text().format(record()).endswith(f"WARNING weir.test: hello you [job={JOB} attempt=1]")
    assert logs.Text().format(record()).endswith("hello you")


def test_celerys_own_lines_tell_the_job_and_nothing_else_of_a_message() -> None:
    told = json.loads(logs.Json().format(record(data={"name": "a.kind", "args": f"[['{JOB}', 'secret']]"})))
    assert (told["job"], told["kind"]) == (JOB, "a.kind")
    assert "secret" not in str(told)
    many = [str(uuid4()) for _ in range(30)]
    assert json.loads(logs.Json().format(record(data={"args": str(many)})))["job"] == many[:10]
    assert "job" not in json.loads(logs.Json().format(record(data={"args": "['x']"})))


def test_a_line_that_names_a_job_is_marked_with_it_in_any_thread() -> None:
    number = uuid4()
    assert logs.marks_of(record("Job %s attempt %s could not be settled", number, 3)) == {"job": str(number)}
    with logs.marked(job=JOB):
        assert logs.marks_of(record("its parent is %s", number)) == {"job": JOB}


@pytest.mark.django_db
def test_lines_of_an_attempt_are_marked(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, object]] = []
    original = attempts.run

    def looked(*arguments: Any) -> None:
        seen.append(logs.marks_of(record()))
        original(*arguments)

    monkeypatch.setattr(attempts, "run", looked)
    job = run("probe.nothing")
    assert seen == [
        {"job": str(job.id), "attempt": 1, "kind": "probe.nothing", "queue": "default", "worker": "worker@test/1"}
    ]
    assert logs.marks_of(record()) == {}


def test_a_request_has_an_id(caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.setFormatter(logs.Json())
    given = Client().get("/healthz", headers={"X-Request-ID": "caller-4711"})
    assert given["X-Request-ID"] == "caller-4711"
    made = {Client().get("/healthz")["X-Request-ID"] for _ in range(2)}
    assert len(made) == 2
    for wrong in ("short", "x" * 65, "with blank 123", "line\\nbreak12", "-leading-dash"):
        answer = Client().post("/healthz", headers={"X-Request-ID": wrong})
        assert answer["X-Request-ID"] != wrong
        assert len(answer["X-Request-ID"]) == 32


def test_a_worker_writes_json_with_the_job_in_it(
    quiet: None, worker_environment: dict[str, str], tmp_path: Path
) -> None:
    environment, log = {**worker_environment, "LOG_FORMAT": "json", "LOG_LEVEL": "INFO"}, tmp_path / "log"
    with log.open("wb") as sink:
        worker = subprocess.Popen(
            [*COMMANDS["worker"], "-l", "INFO"], cwd=ROOT, env=environment, stdout=sink, stderr=sink
        )
    try:
        job = finished(submission.submit("probe.secretive", {"token": "not-to-be-told-4711"}).id)

        def loggers() -> set[str]:
            """Who said something of the job; what is no JSON is Celery's banner."""
            told = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
            return {each["logger"] for each in told if each.get("job") == str(job.id)}

        eventually(lambda: {"celery.worker.strategy", "celery.app.trace"} <= loggers(), what="lines of the job")
        assert "not-to-be-told-4711" not in log.read_text()
    finally:
        worker.terminate()
        worker.wait(60)
