"""Execution: what a worker does with one message. Here in this process; with real workers in tests/crash."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group

from jobs_app.core import artifacts, attempts, claims, clock, control, execution, force
from jobs_app.models import Job
from jobs_app.platform.waiting import until
from tests.support.ledger import HOLDER, altered, claimed, fresh, happened, run, submitted

pytestmark = pytest.mark.usefixtures("quiet", "nudged")


def again(job: Job) -> Job:
    """Run a job once more whose time has come."""
    altered(job, state="queued")
    assert execution.run([job.id], holder=HOLDER) == 1
    return fresh(job)


def test_a_job_is_run_and_settled(nudged: list[str]) -> None:
    nudged.clear()
    job = run("system.echo", {"text": "hello"})
    assert (job.state, job.result, job.result_bytes, job.progress) == ("succeeded", {"text": "hello"}, 16, 1.0)
    assert happened(job) == ["submitted", "claimed", "succeeded"]
    assert until(lambda: bool(nudged), 10), "its queue has room for another"


def test_a_message_runs_each_of_its_jobs_though_one_fails() -> None:
    jobs = [submitted("probe.number", {"value": 1}), submitted("probe.fails"), submitted("probe.number", {"value": 3})]
    assert execution.run([job.id for job in jobs], holder=HOLDER) == 3
    assert [fresh(job).state for job in jobs] == ["succeeded", "failed", "succeeded"]
    assert execution.run([job.id for job in jobs], holder=HOLDER) == 0, "a second delivery runs nothing"


def test_the_row_decides_what_runs_not_the_message() -> None:
    job = run("system.echo", {"text": "a"}, kind="probe.nothing", parameters={})
    assert (job.state, job.result) == ("succeeded", None)


def test_every_type_reaches_the_handler(alice: Any, now: Any) -> None:
    upload = artifacts.take_upload("a.csv", [b"12345"], owner=None, now=now)
    job = run("probe.everything", {
        "text": "a", "count": 2, "colour": "dark blue", "day": "2026-02-03", "at_time": "10:00", "price": "1.50",
        "wait": "PT90S", "identity": str(upload.id), "grade": 2, "tags": ["x"], "address": {"city": "Oslo"},
        "document": str(upload.id), "documents": [str(upload.id)] * 2, "secret": "hunter2",
    })  # fmt: skip
    assert job.state == "succeeded", job.error
    assert job.result["document"] == {"name": "a.csv", "size": 5}
    assert (job.result["documents"], job.result["secret"], job.result["count"]) == (2, 7, 2)
    assert (job.result["colour"], job.result["price"], job.result["wait"]) == ("dark blue", "1.50", "PT1M30S")


def test_a_failure_keeps_its_words_and_its_handlers_traceback() -> None:
    job = run("probe.fails", {"reason": "the file is broken"})
    assert (job.state, job.error, job.error_type) == ("failed", "the file is broken", "ValueError")
    traceback = job.attempts.get().traceback
    assert "kinds_of_every_type.py" in traceback
    assert "ValueError: the file is broken" in traceback
    assert "execution.py" not in traceback


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("SystemExit", "it called sys.exit(3); a handler returns or raises instead"),
        ("KeyError", "'raised KeyError on purpose'"),
        ("OSError", "raised OSError on purpose"),
    ],
)
def test_whatever_is_raised_ends_the_attempt_and_not_the_worker(error: str, words: str) -> None:
    job = run("probe.raises", {"error": error})
    assert (job.state, job.error, job.error_type, job.failures) == ("retrying", words, error, 1)
    for state in ("retrying", "failed"):
        job = again(job)
        assert job.state == state
    assert [attempt.outcome for attempt in job.attempts.all()] == ["failed"] * 3


def test_memory_that_ran_out_is_said() -> None:
    assert run("probe.memory").error == "it ran out of memory: no memory for this much data"


def test_a_flaky_job_succeeds_in_the_end() -> None:
    job = run("probe.flaky", {"succeeds_at": 3})
    while not job.final:
        job = again(job)
    assert (job.state, job.result, job.attempt, job.failures) == ("succeeded", 3, 3, 2)


def test_verdicts_are_heeded_raised_or_returned() -> None:
    assert run("probe.discards").state == "failed"
    retried = run("probe.retries", {"seconds": 60})
    assert (retried.state, retried.failures, retried.error) == ("retrying", 1, "asked for one more attempt")
    snoozed = run("probe.snoozes", {"seconds": 60})
    assert (snoozed.state, snoozed.failures, snoozed.error) == ("retrying", 0, "")
    assert again(snoozed).result == 2


def test_what_may_pass_is_tried_again() -> None:
    job = run("probe.writes_too_much", max_attempts=2)
    assert (job.state, job.error_type) == ("retrying", "StorageFull")


def test_an_atomic_kind_keeps_its_effects_only_with_its_success() -> None:
    job = run("probe.atomic_writer", {"name": "kept", "fail_until": 2})
    assert (job.state, Group.objects.count()) == ("retrying", 0)
    assert again(job).state == "succeeded"
    assert Group.objects.get().name == "kept"


def test_a_kind_that_is_not_atomic_keeps_effects_at_least_once() -> None:
    again(run("probe.plain_writer", {"name": "n", "fail_until": 2}))
    assert Group.objects.count() == 2


def test_a_timeout_is_raised_in_the_handler() -> None:
    began = time.monotonic()
    job = run("probe.overruns")
    assert time.monotonic() - began < 15
    assert (job.state, job.error, job.error_type) == ("failed", "its time was up: it may take 1 s", "TimedOut")


def test_outside_the_main_thread_a_handler_is_asked_only() -> None:
    job = altered(submitted("probe.slow", {"seconds": 100, "steps": 1000}), timeout=timedelta(seconds=1))
    thread = threading.Thread(target=execution.run, args=([job.id],), kwargs={"holder": HOLDER})
    thread.start()
    thread.join(30)
    assert (fresh(job).state, fresh(job).error_type) == ("failed", "TimedOut")


def test_a_cancel_reaches_the_handler() -> None:
    job = submitted("probe.slow", {"seconds": 60, "steps": 600})

    def cancel() -> None:
        assert until(lambda: fresh(job).state == "running", 20)
        control.cancel(job.id, actor=None, now=clock.database_now())

    thread = threading.Thread(target=cancel)
    thread.start()
    assert execution.run([job.id], holder=HOLDER) == 1
    thread.join()
    row = fresh(job)
    assert (row.state, row.attempts.get().outcome) == ("cancelled", "cancelled")
    assert happened(job) == ["submitted", "claimed", "cancel requested", "cancelled"]
    assert row.log_lines.exists(), "what it said before is kept"


def test_a_cancel_that_a_handler_meets_before_the_next_heartbeat_ends_the_job() -> None:
    row = run("family.cancelled_midway")
    assert (row.state, row.attempts.get().outcome, row.kills) == ("cancelled", "cancelled", 0)
    assert happened(row) == ["submitted", "claimed", "cancel requested", "cancelled"]


def test_a_handler_that_cancels_itself_fails_for_good_in_words() -> None:
    job = run("probe.gives_up")
    assert (job.state, job.error_type, job.kills) == ("failed", "Cancelled", 0)
    assert job.error == "it raised Cancelled, and nobody had asked it to stop; a handler that gives up raises Discard"


def test_a_job_of_an_unknown_kind_fails_for_good() -> None:
    job = run("probe.nothing", kind="probe.gone", max_attempts=5)
    assert (job.state, job.error_type) == ("failed", "UnknownKind")
    assert "expected one of the registered kinds, got 'probe.gone'" in job.error


def test_parameters_that_no_longer_fit_fail_for_good() -> None:
    job = run("system.sleep", {"seconds": 1}, parameters={"minutes": 1}, max_attempts=5)
    assert (job.state, job.error) == ("failed", "minutes: there is no such parameter")


def test_secrets_whose_key_is_gone_fail_for_good(configured: Callable[..., None]) -> None:
    job = submitted("probe.secretive", {"token": "hunter2hunter2"})
    configured(secret_key="n" * 40)
    assert execution.run([job.id], holder=HOLDER) == 1
    assert (fresh(job).state, fresh(job).error_type) == ("failed", "Unsealable")


def test_a_file_that_is_gone_from_the_disk_fails_in_words(now: Any) -> None:
    upload = artifacts.take_upload("a.csv", [b"x"], owner=None, now=now)
    artifacts.path_of(upload.id).unlink()
    job = run("probe.everything", {"text": "a", "count": 1, "colour": "red", "document": str(upload.id)})
    assert (job.state, job.error_type) == ("failed", "FileNotFoundError")


def test_the_late_success_of_an_atomic_kind_keeps_no_effects_and_is_recorded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # The job is taken over while its handler runs, as if this process had been frozen past its lease. SQLite lets
    # nobody write beside an open transaction, so the other worker comes before it: between the claim and the start.
    job = submitted("probe.atomic_writer", {"name": "never"})
    mine = claimed(job)
    claims.give_back(mine, now=clock.database_now(), reason="frozen")
    other = claimed(job, holder="another")
    with caplog.at_level(logging.CRITICAL):
        held = execution._hold(mine, force.end)
        execution.heart.hold(held)
        attempts.run(mine, held, attempts.NO_COURSE)
        execution.heart.release(held)
    assert not Group.objects.exists()
    assert happened(job)[-1] == "late write refused"
    assert fresh(job).attempt == other.attempt == 2
    assert fresh(job).state == "running"
