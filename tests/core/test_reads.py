"""What surfaces show: nobody sees what is not for them, pages are stable, and the number of queries is known."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User

from jobs_app.core import artifacts, claims, outcomes
from jobs_app.criteria import JobFilter
from jobs_app.errors import Conflict, InvalidRequest, NotFound, UnknownKind
from jobs_app.lifecycle import State
from jobs_app.models import Artifact, Job
from jobs_app.reads import files, jobs, kinds
from tests.support.ledger import altered, claimed, log, reaching, submitted, succeeded_with_everything

SECOND = timedelta(seconds=1)


@pytest.fixture
def job(alice: User, now: datetime) -> Job:
    """A job of alice's that has succeeded: with an input, two outputs, log lines, a rerun."""
    return succeeded_with_everything(alice, now)


def test_a_file_that_is_gone_is_not_found(job: Job, alice: User) -> None:
    artifact = Artifact.objects.get(name="a.txt")
    artifacts.path_of(artifact.id).unlink()
    for read in (lambda: files.artifact(alice, artifact.id), lambda: files.output(alice, job.id, "a.txt")):
        with pytest.raises(NotFound, match="no longer on disk"):
            read()
    with pytest.raises(NotFound, match="expected the name of a file that the job made, got 'nothing'"):
        files.output(alice, job.id, "nothing")


def test_pages_follow_one_another_while_new_jobs_come_in(now: datetime) -> None:
    made = [submitted(now=now).id for _ in range(25)]
    seen: list[UUID] = []
    cursor = None
    for _ in range(3):
        page = jobs.job_page(None, cursor=cursor, limit=10)
        seen += [view.id for view in page.jobs]
        cursor = page.next_cursor
        submitted(now=now)
    assert seen == made[::-1]
    assert cursor is None


@pytest.mark.parametrize(("count", "pages"), [(0, 1), (9, 1), (10, 1), (11, 2), (20, 2)])
def test_the_last_page_says_that_it_is_the_last(now: datetime, count: int, pages: int) -> None:
    for _ in range(count):
        submitted(now=now)
    cursor, seen = None, 0
    for number in range(pages):
        page = jobs.job_page(None, cursor=cursor, limit=10)
        seen += len(page.jobs)
        cursor = page.next_cursor
        assert (cursor is None) == (number == pages - 1)
    assert seen == count


@pytest.mark.parametrize("cursor", ["x", "0", "' OR 1=1", "z" * 10_000, "\0"])
def test_a_bad_cursor_is_refused(db: None, cursor: str) -> None:
    with pytest.raises(InvalidRequest, match="expected a cursor from an earlier page, got"):
        jobs.job_page(None, cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1, 201, 10**30])
def test_a_bad_limit_is_refused(db: None, limit: int) -> None:
    with pytest.raises(InvalidRequest, match=f"expected a limit from 1 to 200, got {limit}"):
        jobs.job_page(None, limit=limit)


def test_each_filter_filters(alice: User, now: datetime, configured: Any) -> None:
    configured(queues=("default", "slow"))
    echo = submitted("system.echo", {"text": "a"}, owner=alice, now=now - SECOND)
    slow = submitted(now=now, queue="slow")
    done = reaching(State.CANCELLED, now=now + SECOND)

    def listed(**filters: Any) -> list[UUID]:
        return [view.id for view in jobs.job_page(None, JobFilter(**filters)).jobs]

    assert listed() == [done.id, slow.id, echo.id]
    assert listed(kind="system.echo") == listed(owner="alice") == listed(created_before=now) == [echo.id]
    assert listed(queue="slow") == [slow.id]
    assert listed(states=(State.CANCELLED,)) == listed(created_after=now + SECOND) == [done.id]
    assert listed(states=(State.QUEUED,), queue="default") == [echo.id]
    assert listed(kind="' OR 1=1") == listed(owner="%") == []


@pytest.mark.parametrize("name", ["kind", "queue", "owner"])
@pytest.mark.parametrize("text", ["\0", "a\ud800", "tab\tbed"])
def test_a_filter_that_no_database_takes_is_refused(db: None, name: str, text: str) -> None:
    with pytest.raises(InvalidRequest, match=f"expected {name} to be printable text"):
        jobs.job_page(None, JobFilter(**{name: text}))


def test_a_job_is_shown_whole_and_its_secrets_never(alice: User, now: datetime) -> None:
    row = claimed(submitted("probe.secretive", {"token": "hunter2hunter2"}, owner=alice, now=now), now=now)
    view = jobs.job(alice, row.id)
    assert (view.kind, view.state, view.meaning, view.final, view.owner) == (
        "probe.secretive", State.RUNNING, State.RUNNING.meaning, False, "alice",
    )  # fmt: skip
    assert (view.attempt, view.cancel_requested, view.started_at, view.finished_at) == (1, False, now, None)
    assert "hunter2" not in view.model_dump_json()


def test_a_result_is_there_once_the_job_has_succeeded(job: Job, alice: User, now: datetime) -> None:
    assert jobs.result(alice, job.id) == {"done": True}
    for state in set(State) - {State.SUCCEEDED}:
        other = reaching(state, owner=alice, now=now)
        with pytest.raises(Conflict, match=f"expected a job that has succeeded, and this one is {state}"):
            jobs.result(alice, other.id)


def test_no_result_is_a_result_too(alice: User, now: datetime) -> None:
    assert jobs.result(alice, reaching(State.SUCCEEDED, owner=alice, now=now).id) is None


def test_a_result_kept_as_a_file_is_read_from_it(alice: User, now: datetime) -> None:
    row = claimed(submitted(owner=alice, now=now), now=now)
    large = altered(row, result_bytes=0)
    artifacts.save_output(large, 1, "result.json", b'{"large": true}', now=now)
    outcomes.succeed(row, None, 100_000, now=now)
    assert jobs.result(alice, row.id) == {"large": True}
    kept = files.kept_result(alice, row.id)
    assert kept is not None
    assert kept.artifact.name == "result.json"
    artifacts.path_of(kept.artifact.id).unlink()
    with pytest.raises(NotFound, match="which has been removed since"):
        jobs.result(alice, row.id)
    artifacts.discard(Artifact.objects.get())
    with pytest.raises(NotFound, match="which has been removed since"):
        jobs.result(alice, row.id)


def test_files_of_the_latest_attempt_are_shown(alice: User, now: datetime) -> None:
    row = claimed(submitted(owner=alice, now=now), now=now)
    artifacts.save_output(row, 1, "first.txt", b"", now=now)
    claims.give_back(row, now=now, reason="lost")
    row = claimed(row, now=now)
    assert [view.name for view in jobs.artifacts_of(alice, row.id)] == ["first.txt"]
    artifacts.save_output(row, 2, "second.txt", b"", now=now)
    assert [(view.name, view.attempt) for view in jobs.artifacts_of(alice, row.id)] == [("second.txt", 2)]
    assert [view.outcome for view in jobs.attempts(alice, row.id)] == ["lost", "running"]


def test_log_lines_are_read_on_from_where_one_stopped(job: Job, alice: User) -> None:
    first, *rest = jobs.log_lines(alice, job.id)
    assert [line.text for line in (first, *rest)] == ["one", "two", "three"]
    assert jobs.log_lines(alice, job.id, after=first.id) == rest
    assert jobs.log_lines(alice, job.id, limit=1) == [first]
    assert jobs.log_lines(alice, job.id, after=10**30) == []
    with pytest.raises(InvalidRequest, match="expected a limit from 1 to 500, got 501"):
        jobs.log_lines(alice, job.id, limit=501)


def test_lines_of_many_jobs_are_read_at_once(now: datetime, django_assert_num_queries: Any) -> None:
    rows = [claimed(submitted(now=now), now=now) for _ in range(3)]
    for row in rows:
        log(row, "a", "b")
    start = {row.id: 0 for row in rows}
    with django_assert_num_queries(1):
        found = jobs.log_lines_of(start, limit=100)
    assert {job_id: [line.text for line in lines] for job_id, lines in found.items()} == {
        row.id: ["a", "b"] for row in rows
    }
    seen = {job_id: lines[-1].id for job_id, lines in found.items()}
    assert jobs.log_lines_of(seen, limit=100) == jobs.log_lines_of({}, limit=100) == {}


def test_the_timeline_tells_who_did_what(job: Job, alice: User) -> None:
    events = jobs.timeline(alice, job.id)
    assert [(event.name, event.actor) for event in events] == [
        ("submitted", "alice"), ("claimed", None), ("succeeded", None),
    ]  # fmt: skip


def test_kinds_are_shown_with_their_schema() -> None:
    view = kinds.kind("system.echo")
    assert (view.name, view.queue, view.max_attempts) == ("system.echo", "default", 1)
    assert view.summary == "Return the text: the smallest job there is."
    assert view.parameters["properties"]["text"]["maxLength"] == 10_000
    assert [each.name for each in kinds.kinds()] == sorted(each.name for each in kinds.kinds())
    with pytest.raises(UnknownKind):
        kinds.kind("system.eco")


def test_the_number_of_queries_does_not_grow_with_the_jobs(
    alice: User, carol: User, now: datetime, django_assert_num_queries: Any
) -> None:
    for count in (1, 30):
        for _ in range(count):
            submitted(owner=alice, now=now)
        reader = User.objects.get(id=alice.id)  # permissions are cached in the object: a request asks once
        with django_assert_num_queries(3):
            assert jobs.job_page(reader).jobs
        with django_assert_num_queries(1):
            jobs.job_page(reader)
        with django_assert_num_queries(2):  # whose jobs, and the jobs
            jobs.job_page(None, JobFilter(owner="alice", kind="probe.nothing"))


def test_each_read_of_a_job_takes_two_queries_at_most(
    job: Job, alice: User, django_assert_max_num_queries: Any
) -> None:
    jobs.job(alice, job.id)
    for read in (
        jobs.job, jobs.attempts, jobs.log_lines, jobs.timeline, jobs.result, jobs.artifacts_of, jobs.inputs_of,
        jobs.reruns,
    ):  # fmt: skip
        with django_assert_max_num_queries(2):
            read(alice, job.id)
