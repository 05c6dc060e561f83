"""However a handler ends in a real worker: its job ends with a reason in plain words, and the worker goes on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from django.db import connection

from jobs_app.core import clock, control, submission
from jobs_app.models import Job
from jobs_app.reads import jobs as reads
from tests.support.ledger import fresh, happened
from tests.support.processes import Workers, eventually, finished


@pytest.fixture(autouse=True)
def the_worker_goes_on(workers: Workers) -> Iterator[None]:
    """After each of these tests the same worker process still runs jobs."""
    before = workers.processes["worker"].pid
    yield
    job = submission.submit("system.echo", {"text": "still here"})
    assert finished(job.id).result == {"text": "still here"}
    assert workers.processes["worker"].pid == before
    assert workers.processes["worker"].poll() is None


def ended(kind: str, **parameters: Any) -> Job:
    return finished(submission.submit(kind, parameters).id)


@pytest.mark.parametrize(
    ("kind", "parameters", "error_type", "reason"),
    [
        ("probe.fails", {"reason": "the file is broken"}, "ValueError", "the file is broken"),
        ("probe.raises", {"error": "SystemExit"}, "SystemExit", r"it called sys\.exit\(3\); a handler returns or"),
        ("probe.memory", {}, "MemoryError", "it ran out of memory: no memory for this much data"),
        ("probe.greedy", {}, "MemoryError", "it ran out of memory"),
        ("probe.unserialisable", {}, "Discard", "expected the handler to return JSON-ready data .* got object"),
        ("probe.writes_too_much", {}, "StorageFull", "expected room on the disk for this file, and there is none"),
        ("probe.overruns", {}, "TimedOut", "its time was up: it may take 1 s"),
        ("probe.hangs", {}, "TimedOut", "it ran for more than 2 s and did not stop by itself, so its process was"),
        (
            "probe.exits", {}, "WorkerLost",
            "it ended its worker 3 times, so it is not tried again; the last time: "
            "its worker process exited with code 3",
        ),
        (
            "probe.killed", {}, "WorkerLost",
            r"it ended its worker 3 times, .*: its worker process was killed by signal 9 "
            r"\(SIGKILL, as the system does when memory runs out\)",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("probe.") else "",
)  # fmt: skip
def test_the_reason_is_given_in_words(kind: str, parameters: dict[str, Any], error_type: str, reason: str) -> None:
    job = ended(kind, **parameters)
    assert (job.state, job.error_type) == ("failed", error_type)
    assert re.match(reason, job.error), job.error
    assert "Traceback" not in job.error
    last = job.attempts.latest("number")
    assert last.finished_at == job.finished_at
    assert last.outcome in {"failed", "lost"}


def test_a_killed_process_is_noticed_and_its_job_runs_again_within_seconds(workers: Workers) -> None:
    job = submission.submit("probe.killed", {})
    finished(job.id)
    first, second, third = job.attempts.order_by("number")
    assert {each.outcome for each in (first, second, third)} == {"lost"}
    for earlier, later in ((first, second), (second, third)):
        assert later.started_at - earlier.started_at < timedelta(seconds=4), "the lease alone would take 5 s"
    assert len({each.holder for each in (first, second, third)}) == 3


def test_fifty_megabytes_are_kept_as_a_file() -> None:
    job = ended("probe.large", size=50_000_000)
    assert (job.state, job.result, job.result_bytes) == ("succeeded", None, 50_000_002)
    assert job.artifacts.get().size == 50_000_002
    assert len(reads.result(None, job.id)) == 50_000_000


def test_a_job_that_fails_now_and_then_succeeds_in_the_end() -> None:
    job = ended("probe.flaky", succeeds_at=3)
    assert (job.state, job.result, job.failures) == ("succeeded", 3, 2)
    moves = ["claimed", "retry planned", "due"]
    assert happened(job) == ["submitted", *moves, *moves, "claimed", "succeeded"]


def test_a_job_due_later_runs_later() -> None:
    due_at = clock.database_now() + timedelta(seconds=1)
    job = finished(submission.submit("probe.nothing", {}, due_at=due_at).id)
    assert job.started_at is not None
    assert job.started_at >= due_at


def still_asked() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(%'"
            " AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("probe.slow", "on request"),
        ("probe.stubborn", "on request"),
        ("probe.waits_in_the_database", "on request"),
        ("probe.deaf", "on request; it did not stop by itself, so its process was ended"),
    ],
)
def test_a_running_job_is_cancelled_whether_it_listens_or_not(kind: str, reason: str) -> None:
    job = submission.submit(kind, {} if kind == "probe.deaf" else {"seconds": 120})
    eventually(lambda: fresh(job).state == "running", what="the job to run")
    control.cancel(job.id, actor=None, now=clock.database_now())
    row = finished(job.id)
    assert (row.state, row.attempts.get().outcome) == ("cancelled", "cancelled")
    assert row.events.latest("id").reason == reason
    if connection.vendor == "postgresql":
        eventually(lambda: not still_asked(), what="the server to stop a query that nobody waits for")


def test_forged_messages_are_dropped(workers: Workers) -> None:
    job = submission.submit("probe.nothing", {}, due_at=clock.database_now() + timedelta(hours=1))
    for args in ([], [None], [["junk", 7, {}]], [[str(job.id)]], ["text"], [[], [], []]):
        current_app.send_task("probe.nothing", args=args, queue="default", ignore_result=True)
    current_app.send_task("no.such.task", args=[], queue="default", ignore_result=True)
    current_app.send_task("celery.map", args=[], kwargs={"task": "x", "it": [1]}, queue="default", ignore_result=True)
    assert ended("system.echo", text="after them").state == "succeeded"
    assert fresh(job).state == "scheduled"
    assert happened(job) == ["submitted"]
