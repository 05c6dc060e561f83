"""The one way in: what is validated, what is refused, what is written, and when the message goes out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from jobs_app.core import artifacts, sealing, submission, transport
from jobs_app.errors import InvalidParameters, InvalidRequest, UnknownKind
from jobs_app.lifecycle import Via
from jobs_app.models import Artifact, Event, Job, JobInput
from jobs_app.parameters import MASK, Secret
from jobs_app.parameters import Artifact as ArtifactParameter
from tests.support.kinds_of_every_type import Login
from tests.support.ledger import fresh, happened, submitted

GOOD = {"text": "a", "count": 1, "colour": "red"}


def refused(kind: str, parameters: Any, **options: Any) -> dict[str, str]:
    """The problems of a submission that is refused, by location; nothing of it may be left behind."""
    with pytest.raises(InvalidParameters) as caught:
        submitted(kind, parameters, **options)
    assert not Job.objects.exists()
    assert not Event.objects.exists()
    return {problem.pointer: problem.message for problem in caught.value.problems}


def test_a_job_is_written_whole(alice: User, now: datetime) -> None:
    job = fresh(submitted("system.echo", {"text": "hello"}, owner=alice, now=now, via=Via.API, priority=7))
    assert (job.kind, job.queue, job.state, job.owner, job.via) == ("system.echo", "default", "queued", alice, "api")
    assert (job.parameters, job.sealed, job.priority, job.max_attempts) == ({"text": "hello"}, None, 7, 1)
    assert (job.created_at, job.due_at, job.attempt, job.failures, job.kills) == (now, now, 0, 0, 0)
    assert (job.timeout, job.hard_timeout) == (timedelta(minutes=10), timedelta(minutes=10, seconds=30))
    event = job.events.get()
    assert (event.name, event.source, event.target, event.actor, event.reason) == (
        "submitted",
        "",
        "queued",
        alice,
        "api",
    )


def test_the_policy_of_the_kind_is_the_default(now: datetime) -> None:
    assert submitted("probe.raises", now=now).max_attempts == 3
    assert submitted("probe.raises", now=now, max_attempts=5).max_attempts == 5


def test_a_job_due_later_is_scheduled(now: datetime) -> None:
    assert submitted(now=now, due_at=now + timedelta(seconds=1)).state == "scheduled"
    assert submitted(now=now, due_at=now).state == "queued"
    assert submitted(now=now, due_at=now - timedelta(days=1)).state == "queued"


def test_an_unknown_kind_is_refused(db: None) -> None:
    with pytest.raises(UnknownKind, match=r"did you mean system\.echo"):
        submitted("system.eho")


def zoned(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"priority": 101}, "expected a priority from -100 to 100, got 101"),
        ({"priority": -101}, "expected a priority from -100 to 100"),
        ({"max_attempts": 0}, "expected max_attempts from 1 to 100, got 0"),
        ({"max_attempts": 101}, "expected max_attempts from 1 to 100"),
        ({"idempotency_key": ""}, "an idempotency key of 1 to 255 printable characters"),
        ({"idempotency_key": "k" * 256}, "an idempotency key of 1 to 255"),
        ({"idempotency_key": "a\0"}, "printable"),
        ({"due_at": datetime(2026, 1, 1)}, r"expected due_at with a time zone, got 2026-01-01T00:00:00"),  # noqa: DTZ001
        ({"expires_at": datetime(2026, 1, 1)}, "expected expires_at with a time zone"),  # noqa: DTZ001
        ({"due_at": datetime.max.replace(tzinfo=timezone(timedelta(hours=-12)))}, "due_at within ten years from now"),
        ({"due_at": datetime.min.replace(tzinfo=timezone(timedelta(hours=12)))}, "due_at within ten years from now"),
        ({"expires_at": datetime.max.replace(tzinfo=UTC)}, "expires_at within ten years"),
        ({"queue": "nowhere"}, "expected one of the queues default, got 'nowhere'"),
    ],
)
def test_bad_options_are_refused(now: datetime, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        submitted(now=now, **options)
    assert not Job.objects.exists()


def test_an_expiry_must_come_after_the_job_is_due(now: datetime) -> None:
    submitted(now=now, expires_at=now + timedelta(seconds=1))
    for due_at, expires_at in ((None, now), (now + timedelta(hours=2), now + timedelta(hours=1))):
        with pytest.raises(InvalidRequest, match="expected expires_at after the job is due"):
            submitted(now=now, due_at=due_at, expires_at=expires_at)


def test_a_file_of_another_is_refused_as_if_it_were_not_there(
    alice: User, bob: User, carol: User, now: datetime
) -> None:
    upload = artifacts.take_upload("a.csv", [b"x"], owner=alice, now=now)
    parameters = {"first": str(upload.id), "others": []}
    problems = refused("probe.files", parameters, owner=bob)
    assert problems == {"first": "there is no uploaded file with this id, or it is not yours"}
    assert refused("probe.files", {**parameters, "first": str(now.timestamp())}, owner=bob) == {
        "first": "expected the id of an uploaded file (a UUID)"
    }
    for allowed in (alice, carol, None):
        job = submitted("probe.files", parameters, owner=allowed, now=now)
        assert job.inputs.get().artifact_id == upload.id


def test_each_file_a_job_takes_is_noted_once(alice: User, now: datetime) -> None:
    ids = [str(artifacts.take_upload(name, [b""], owner=alice, now=now).id) for name in ("a", "b")]
    job = submitted("probe.files", {"first": ids[0], "others": [*ids, ids[1]]}, owner=alice, now=now)
    assert JobInput.objects.filter(job=job).count() == 2
    assert Artifact.objects.count() == 2


def test_a_secret_is_sealed_and_starred(db: None) -> None:
    job = fresh(submitted("probe.secretive", {"token": "hunter2hunter2"}))
    assert job.parameters == {"token": MASK}
    assert job.sealed is not None
    assert b"hunter2" not in bytes(job.sealed)
    assert sealing.unseal(job.sealed) == {"token": "hunter2hunter2"}
    row = Job.objects.filter(id=job.id).values().get()
    assert not [name for name, value in row.items() if "hunter2" in str(value)]


def test_secrets_given_as_objects_and_in_depth_are_sealed_too(db: None) -> None:
    login = Login(name="alice", password=Secret("first secret"))
    job = fresh(submitted("probe.signs_in", {"login": login, "spare": [{"name": "b", "password": "second secret"}]}))
    assert job.parameters == {
        "login": {"name": "alice", "password": MASK}, "spare": [{"name": "b", "password": MASK}],
    }  # fmt: skip
    assert sealing.unseal(job.sealed) == {  # type: ignore[arg-type]
        "login": {"name": "alice", "password": "first secret"}, "spare": [{"name": "b", "password": "second secret"}],
    }  # fmt: skip


def test_a_refusal_does_not_tell_the_secret(db: None) -> None:
    problems = refused(
        "probe.signs_in", {"login": {"name": "a", "password": ["hunter2hunter2"]}, "x": "hunter2hunter2"}
    )
    assert set(problems) == {"login.password", "x"}
    assert "hunter2" not in str(problems)


def test_a_file_id_may_come_as_the_handlers_own_type(alice: User, now: datetime) -> None:
    upload = artifacts.take_upload("a.csv", [b"x"], owner=alice, now=now)
    given = ArtifactParameter(upload.id)
    assert submitted("probe.files", {"first": given, "others": [given]}, owner=alice).parameters["first"] == str(
        upload.id
    )


def test_nothing_is_left_of_a_submission_that_is_rolled_back(quiet: None, nudged: list[str]) -> None:
    class Oops(Exception):
        pass

    def submit_and_fail() -> None:
        with transaction.atomic():
            submission.submit("system.echo", {"text": "never"}, idempotency_key="never")
            raise Oops

    with pytest.raises(Oops):
        submit_and_fail()
    assert not Job.objects.exists()
    assert not Event.objects.exists()
    transport.publisher.drain()
    assert nudged == []


def test_the_message_follows_the_commit_and_not_before(quiet: None, nudged: list[str]) -> None:
    with transaction.atomic():
        job = submission.submit("system.echo", {"text": "soon"})
        transport.publisher.drain()
        assert nudged == []
    transport.publisher.drain()
    assert nudged == ["default"]
    assert happened(job) == ["submitted"]


@pytest.mark.usefixtures("transactional_db", "nudged", "unhurried")
def test_the_number_of_queries_is_known(alice: User, now: datetime, django_assert_num_queries: Any) -> None:
    submitted("probe.nothing", owner=alice, now=now)  # the first of its process asks the gate, for many
    upload = artifacts.take_upload("a.csv", [b"x"], owner=alice, now=now)
    files = {"first": str(upload.id), "others": [str(upload.id)] * 10}
    # The job, its event and its terms: one statement, or three in a transaction.
    written = 1 if connection.vendor == "postgresql" else 5
    with django_assert_num_queries(written):
        submitted("probe.nothing", owner=alice, now=now)
    with django_assert_num_queries(1 + written):
        submitted("probe.nothing", owner=alice, now=now, idempotency_key="k")
    with django_assert_num_queries(1):
        submitted("probe.nothing", owner=alice, now=now, idempotency_key="k")
    # In a transaction, and besides: two for the user's permissions, one to find the files, one to note them all.
    with django_assert_num_queries(7 if connection.vendor == "postgresql" else 9):
        submitted("probe.files", files, owner=alice, now=now)
    with django_assert_num_queries(0), pytest.raises(InvalidParameters):
        submitted("probe.everything", {}, owner=alice, now=now)
