"""Previews: shown as soon as a job is submitted, committed with it or not at all."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.contrib.auth.models import Group, User
from django.db import transaction

from jobs_app.authoring import job
from jobs_app.core import control, execution, submission
from jobs_app.errors import BadDeclaration, IdempotencyConflict, NotAllowed, PreviewFailed, QueueFull, WeirError
from jobs_app.models import Event, Job
from jobs_app.reads import jobs
from tests.support.ledger import fresh, submitted


def names() -> list[str]:
    return list(Group.objects.order_by("name").values_list("name", flat=True))


def test_a_preview_is_kept_with_the_job_and_so_is_what_it_wrote(alice: User, now: datetime) -> None:
    made = submitted("family.preview", {"name": "new"}, owner=alice, now=now)
    assert made.preview == {"name": "new", "job": str(made.id), "owner": "alice"}
    assert Job.objects.whole().get(id=made.id).preview == made.preview
    assert jobs.job(alice, made.id).preview == made.preview
    assert names() == ["new"]


def test_a_job_of_another_kind_has_no_preview(now: datetime) -> None:
    assert submitted(now=now).preview is None


@pytest.mark.parametrize(
    ("way", "error", "words"),
    [
        ("discard", PreviewFailed, "expected another name"),
        ("not allowed", NotAllowed, "expected somebody else"),
        (
            "error",
            PreviewFailed,
            "expected the preview of kind family.preview to end well, and it met ZeroDivisionError",
        ),
        ("large", PreviewFailed, "at most 16,384 bytes"),
        ("slow", PreviewFailed, "less than 2 s"),
    ],
)
def test_an_error_refuses_the_submission_and_nothing_is_written(
    alice: User, now: datetime, way: str, error: type[WeirError], words: str
) -> None:
    with pytest.raises(error, match=words) as refused:
        submitted("family.preview", {"name": "new", "way": way}, owner=alice, now=now, idempotency_key="key")
    assert "secret" not in str(refused.value)
    assert names() == []
    assert not Job.objects.exists()
    assert not Event.objects.exists()
    # The key is free still.
    assert submitted("family.preview", {"name": "new"}, owner=alice, now=now, idempotency_key="key").preview


def test_a_preview_that_breaks_a_constraint_is_no_replay(alice: User, now: datetime) -> None:
    Group.objects.create(name="taken")
    with pytest.raises(PreviewFailed, match="a fault of the database"):
        submitted("family.preview", {"name": "taken"}, owner=alice, now=now, idempotency_key="key")
    assert not Job.objects.exists()


def test_a_replay_gives_the_first_preview_and_makes_no_second(alice: User, now: datetime) -> None:
    first = submitted("family.preview", {"name": "new"}, owner=alice, now=now, idempotency_key="key")
    options = submission.Options(idempotency_key="key")
    again = submission.accept("family.preview", {"name": "new"}, owner=alice, options=options, now=now)
    assert again.replayed
    assert again.job.preview == first.preview
    with pytest.raises(IdempotencyConflict):
        submitted("family.preview", {"name": "other"}, owner=alice, now=now, idempotency_key="key")
    assert names() == ["new"]


def test_a_preview_vanishes_with_the_callers_transaction(now: datetime) -> None:
    class Oops(Exception):
        pass

    def submit_and_fail() -> None:
        with transaction.atomic():
            submitted("family.preview", {"name": "new"}, now=now)
            raise Oops

    with pytest.raises(Oops):
        submit_and_fail()
    assert names() == []


def test_a_refused_submission_makes_no_preview(
    transactional_db: None, nudged: list[str], configured: object, now: datetime
) -> None:
    configured(queue_limit=1, user_share=1)  # type: ignore[operator]
    submitted(now=now)
    with pytest.raises(QueueFull):
        submitted("family.preview", {"name": "new"}, now=now)
    assert names() == []


def test_a_job_run_again_previews_anew(now: datetime) -> None:
    first = submitted("family.preview", {"name": "new"}, now=now)
    Group.objects.all().delete()
    second = control.rerun(first.id, actor=None, now=now).job
    assert second.preview["job"] == str(second.id)


def test_the_handler_runs_later_and_the_preview_stays_on_the_row(now: datetime) -> None:
    made = submitted("family.preview", {"name": "new"}, now=now)
    execution.run([made.id], holder="worker@test/1/message")
    row = fresh(made)
    assert (row.state, row.result, row.preview["name"]) == ("succeeded", "new", "new")


def test_a_preview_that_cannot_be_called_is_refused_at_the_start() -> None:
    def preview(other: str) -> None: ...

    with pytest.raises(BadDeclaration, match="expected a preview that takes parameters of the kind, got other"):
        job("broken.preview", preview=preview)(lambda: None)
