"""Nobody sees what is not for them: alice and bob see their own, carol sees all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import AnonymousUser, User

from jobs_app.core import control, tokens
from jobs_app.criteria import JobFilter
from jobs_app.errors import NotFound
from jobs_app.models import Artifact, Job
from jobs_app.reads import files, jobs, watching
from jobs_app.reads import tokens as token_reads
from tests.support.ledger import submitted, succeeded_with_everything

SECOND = timedelta(seconds=1)


@pytest.fixture
def job(alice: User, now: datetime) -> Job:
    """A job of alice's that has succeeded: with an input, two outputs, log lines, a rerun."""
    return succeeded_with_everything(alice, now)


OF_A_JOB: dict[str, Callable[[Any, UUID], Any]] = {
    "job": jobs.job,
    "attempts": jobs.attempts,
    "log lines": jobs.log_lines,
    "timeline": jobs.timeline,
    "result": jobs.result,
    "artifacts": jobs.artifacts_of,
    "inputs": jobs.inputs_of,
    "reruns": jobs.reruns,
    "kept result": files.kept_result,
    "output": lambda user, job_id: files.output(user, job_id, "a.txt"),
    "run again": lambda user, job_id: control.rerun(job_id, actor=user, now=Job.objects.get(id=job_id).created_at),
}


@pytest.mark.parametrize("read", OF_A_JOB)
def test_of_a_job_only_its_owner_and_operators_see_anything(
    job: Job, alice: User, bob: User, carol: User, read: str
) -> None:
    for allowed in (alice, carol, None):
        OF_A_JOB[read](allowed, job.id)
    for stranger in (bob, AnonymousUser()):
        with pytest.raises(NotFound, match=f"expected a job of yours, got {job.id}"):
            OF_A_JOB[read](stranger, job.id)


@pytest.mark.parametrize("read", sorted(set(OF_A_JOB) - {"run again"}))
def test_a_job_that_is_not_there_and_one_of_another_look_the_same(job: Job, bob: User, read: str) -> None:
    unknown = uuid4()
    words = []
    for job_id in (unknown, job.id):
        with pytest.raises(NotFound) as caught:
            OF_A_JOB[read](bob, job_id)
        words.append(str(caught.value).replace(str(job_id), "…"))
    assert len(set(words)) == 1


def test_lists_show_each_reader_their_own(alice: User, bob: User, carol: User, now: datetime) -> None:
    jobs_of = {owner: submitted(owner=owner, now=now).id for owner in (alice, bob, None)}

    def listed(reader: Any, **filters: Any) -> set[UUID]:
        return {view.id for view in jobs.job_page(reader, JobFilter(**filters)).jobs}

    assert listed(alice) == listed(alice, mine=True) == {jobs_of[alice]}
    assert listed(bob) == {jobs_of[bob]}
    assert listed(carol) == listed(None) == set(jobs_of.values())
    assert listed(AnonymousUser()) == listed(carol, mine=True) == set()
    assert listed(alice, owner="bob") == set(), "a filter opens nothing"
    assert listed(carol, owner="bob") == {jobs_of[bob]}
    everything = list(jobs_of.values())
    assert {view.id for view in watching.shown(alice, everything)} == {jobs_of[alice]}
    assert [view.id for view in watching.shown(carol, everything[::-1])] == everything[::-1]
    assert [watching.newer(reader, JobFilter(), None) for reader in (alice, carol, AnonymousUser())] == [1, 3, 0]


def test_files_are_their_owners_and_operators(job: Job, alice: User, bob: User, carol: User) -> None:
    for artifact in Artifact.objects.all():
        for allowed in (alice, carol, None):
            assert files.artifact(allowed, artifact.id).path.is_file()
        for stranger in (bob, AnonymousUser()):
            with pytest.raises(NotFound, match="expected a file of yours"):
                files.artifact(stranger, artifact.id)
    assert [view.name for view in files.uploads(alice)] == ["input.csv"], "outputs are no uploads"
    assert files.uploads(bob) == files.uploads(carol) == files.uploads(AnonymousUser()) == files.uploads(None) == []


def test_tokens_are_their_owners(alice: User, bob: User, carol: User, now: datetime) -> None:
    row, _ = tokens.issue(alice, "laptop", now=now)
    assert [view.name for view in token_reads.tokens(alice)] == ["laptop"]
    assert token_reads.tokens(bob) == token_reads.tokens(carol) == []
    assert token_reads.own(alice, row.id) == row
    with pytest.raises(NotFound):
        token_reads.own(bob, row.id)


def test_a_cursor_of_another_opens_nothing(alice: User, bob: User, now: datetime) -> None:
    first = submitted(owner=alice, now=now)
    cursor = str(submitted(owner=bob, now=now).id)
    assert [view.id for view in jobs.job_page(alice, cursor=cursor).jobs] == [first.id]
