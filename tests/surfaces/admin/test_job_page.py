"""A job's page: everything about it, readable; nothing that may be changed, nothing that must stay secret."""

from __future__ import annotations

from html import unescape

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import escape, strip_tags

from jobs_app.core import artifacts, clock, control, outcomes, sealing
from jobs_app.lifecycle import State
from jobs_app.models import Attempt, Job, LogLine
from jobs_app.models.guard import writing
from jobs_app.policies import NO_RETRY
from tests.support.ledger import claimed, reaching, submitted
from tests.surfaces.admin.conftest import client_of

TRACEBACK = """Traceback (most recent call last):
  File "/somewhere/handler.py", line 7, in work
    raise ValueError("<script>alert(1)</script>")
ValueError: <script>alert(1)</script>
"""


def page(user: User, job: Job, **query: str) -> str:
    answer = client_of(user).get(reverse("admin:jobs_app_job_change", args=[job.id]), query)
    assert answer.status_code == 200
    return answer.content.decode()


def text(user: User, job: Job) -> str:
    """What one reads."""
    return " ".join(unescape(strip_tags(page(user, job))).split())


def failed(owner: User) -> Job:
    job = claimed(submitted("system.echo", {"text": "grüße"}, owner=owner))
    failure = outcomes.Failure("it <b>broke</b>", "ValueError", TRACEBACK)
    assert outcomes.fail(job, failure, ValueError("broke"), NO_RETRY, now=clock.database_now())
    return job


def log(job: Job, lines: int) -> None:
    with writing():
        LogLine.objects.bulk_create(
            LogLine(job=job, attempt=1, at=clock.database_now(), level="info", text=f"line <{number}>")
            for number in range(lines)
        )


def test_a_failed_job_shows_its_error_its_traceback_and_its_record(viewer: User, alice: User) -> None:
    job = failed(alice)
    shown = text(viewer, job)
    for expected in (
        "failed ended with an error",
        '"text": "grüße"',
        "Traceback (most recent call last)",
        "handler.py",
    ):
        assert expected in shown, expected
    for event in ("submitted", "claimed", "failed"):
        assert event in shown
    source = page(viewer, job)
    assert "<script>alert(1)" not in source
    assert "it <b>broke</b>" not in source
    assert escape("it <b>broke</b>") in source
    assert f'href="/jobs/{job.id}/"' in source


def test_a_result_is_readable_and_a_large_one_is_named(viewer: User) -> None:
    small = claimed(submitted())
    outcomes.succeed(small, {"rows": [1, 2, 3], "name": "äöü"}, 40, now=clock.database_now())
    assert '"rows"' in text(viewer, small)
    large = claimed(submitted())
    artifacts.save_output(large, 1, "result.json", b"[]", now=clock.database_now())
    outcomes.succeed(large, None, 5_000_000, now=clock.database_now())
    shown = text(viewer, large)
    assert "4.8 MB, kept as an artifact" in shown
    assert "result.json" in shown


def test_long_json_is_shown_plain_and_cut(viewer: User) -> None:
    job = claimed(submitted())
    outcomes.succeed(job, ["x" * 300_000], 300_004, now=clock.database_now())
    shown = page(viewer, job)
    assert "cut here; 300," in shown
    assert len(shown) < 400_000


def test_secrets_are_starred_wherever_the_admin_shows_a_job(chief: User) -> None:
    secret = "open-sesame-4711"
    parameters = {"login": {"name": "ali", "password": secret}}
    job = submitted("probe.signs_in", parameters, owner=chief)
    assert secret in str(control.original_parameters(job))
    source = page(chief, job)
    assert secret not in source
    assert "**********" in source
    assert sealing.unseal(job.sealed)["login"]["password"] == secret
    for listing in ("job", "attempt", "artifact"):
        assert secret not in client_of(chief).get(f"/admin/jobs_app/{listing}/").content.decode()


def test_many_log_lines_come_in_pages(viewer: User) -> None:
    job = reaching(State.RUNNING)
    log(job, 60)
    first, third = page(viewer, job), page(viewer, job, **{"log_lines-page": "3"})
    assert escape("line <0>") in first
    assert escape("line <30>") not in first
    assert escape("line <59>") in third


@pytest.mark.usefixtures("unhurried")
def test_a_page_costs_the_same_for_many_rows(viewer: User, alice: User) -> None:
    def cost(job: Job) -> int:
        with CaptureQueriesContext(connection) as queries:
            page(viewer, job)
        return len(queries)

    few, many = reaching(State.RUNNING, owner=alice), reaching(State.RUNNING, owner=alice)
    log(few, 1)
    log(many, 24)
    artifacts.save_output(few, 1, "a", b"x", now=clock.database_now())
    for name in "abcdef":
        artifacts.save_output(many, 1, name, b"x", now=clock.database_now())
    assert cost(many) == cost(few)


@pytest.mark.parametrize("model", ["job", "attempt", "artifact", "queue", "token"])
def test_nothing_of_the_ledger_is_changed_or_deleted_by_hand(chief: User, model: str) -> None:
    from jobs_app import models
    from jobs_app.core import tokens

    job = reaching(State.SUCCEEDED, owner=chief)
    artifacts.save_output(job, 1, "a", b"x", now=clock.database_now())
    tokens.issue(chief, "mine", now=clock.database_now())
    with writing():
        models.Queue.objects.get_or_create(name="default")
    client = client_of(chief)
    row = getattr(models, model.capitalize()).objects.first()
    before = row.__class__.objects.values().get(pk=row.pk)
    change = reverse(f"admin:jobs_app_{model}_change", args=[row.pk])
    assert client.get(change).status_code == 200
    # Bounds of a queue may be changed, by those who control queues, through the core; its name may not.
    changed = client.post(change, {"state": "queued", "name": "other"})
    assert changed.status_code == (302 if model == "queue" else 403)
    assert client.post(reverse(f"admin:jobs_app_{model}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    if model != "token":  # a token is made on a page of its own
        assert client.post(reverse(f"admin:jobs_app_{model}_add"), {}).status_code == 403
    actions = {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"}
    client.post(reverse(f"admin:jobs_app_{model}_changelist"), actions)
    assert row.__class__.objects.values().get(pk=row.pk) == before


def test_an_attempt_has_a_page_of_its_own(viewer: User, alice: User) -> None:
    job = failed(alice)
    attempt = Attempt.objects.get(job=job)
    answer = client_of(viewer).get(reverse("admin:jobs_app_attempt_change", args=[attempt.pk]))
    shown = strip_tags(answer.content.decode())
    assert "handler.py" in shown
    assert str(job.id) in shown


def test_ids_that_are_none_lead_to_a_sentence(viewer: User) -> None:
    for wrong in ("1", "x", "0" * 32, "%27"):
        answer = client_of(viewer).get(f"/admin/jobs_app/job/{wrong}/change/", follow=True)
        assert answer.status_code == 200
        assert "exist" in answer.content.decode()
