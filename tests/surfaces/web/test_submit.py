"""Choosing a kind and submitting it; running an old job again with changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from jobs_app.core import control, estimates, lane_control
from jobs_app.models import Job
from jobs_app.parameters import MASK
from tests.support.ledger import submitted
from tests.support.measures import listening, paced
from tests.surfaces.web.conftest import logged_in

HTMX = {"HX-Request": "true"}


def test_every_kind_is_offered_with_its_summary(alices: Client) -> None:
    shown = alices.get("/submit/").content.decode()
    for part in ("Datasets", "datasets.aggregate", reverse("submit", args=["system.echo"]), "Return the text"):
        assert part in shown


def test_a_submission_leads_to_the_job(alices: Client, alice: User) -> None:
    answer = alices.post("/submit/system.echo/", {"text": "hello"})
    job = Job.objects.get()
    assert answer.status_code == 302
    assert answer["Location"] == reverse("job", args=[job.id])
    assert (job.owner, job.via, job.parameters) == (alice, "web", {"text": "hello"})


def test_htmx_is_sent_on_by_a_header(alices: Client) -> None:
    answer = alices.post("/submit/system.echo/", {"text": "hello"}, headers=HTMX)
    assert answer["HX-Redirect"] == reverse("job", args=[Job.objects.get().id])


def test_every_problem_is_at_its_field_at_once_and_nothing_typed_is_lost(alices: Client) -> None:
    sent = {
        "text": "kept text", "count": "1000", "colour": "purple", "word": "NOT", "numbers": "1\n-2", "ratio": "1",
        "address--given": "on", "address-city": "X", "addresses": "[{]",
    }  # fmt: skip
    answer = alices.post("/submit/probe.everything/", sent)
    assert answer.status_code == 422
    errors = answer.context["form"].errors
    assert sorted(errors) == ["address-city", "addresses", "colour", "count", "numbers", "ratio", "word"]
    assert errors["numbers"][0].startswith("item 2: ")
    shown = answer.content.decode()
    for kept in ('value="kept text"', 'value="1000"', 'value="NOT"', 'value="X"', "[{]", 'aria-invalid="true"'):
        assert kept in shown
    assert not Job.objects.exists()


def test_a_refused_form_comes_back_alone_to_htmx(alices: Client) -> None:
    answer = alices.post("/submit/system.sleep/", {"seconds": "many"}, headers=HTMX)
    assert answer.status_code == 422
    assert answer.content.decode().strip().startswith("<form")


@pytest.mark.parametrize("secret", ["hunter2-secret"])
def test_a_secret_is_not_sent_back_with_a_refused_form(alices: Client, secret: str) -> None:
    answer = alices.post("/submit/probe.everything/", {"text": "x", "count": "0", "colour": "red", "secret": secret})
    assert answer.status_code == 422
    assert secret not in answer.content.decode()


def test_parameters_that_are_too_large_are_said_above_the_form(alices: Client) -> None:
    answer = alices.post("/submit/probe.fails/", {"reason": "x" * 300_000})
    assert answer.status_code == 422
    assert "262,144 bytes" in answer.context["form"].non_field_errors()[0]


def test_pressing_the_button_twice_is_one_job(alices: Client) -> None:
    key = str(alices.get("/submit/system.echo/").context["key"])
    first = alices.post("/submit/system.echo/", {"text": "a", "_key": key})
    second = alices.post("/submit/system.echo/", {"text": "a", "_key": key})
    assert first["Location"] == second["Location"]
    assert "sent before" in alices.get(second["Location"]).content.decode()
    assert Job.objects.count() == 1


def test_going_back_and_changing_the_form_is_another_job(alices: Client) -> None:
    key = str(alices.get("/submit/system.echo/").context["key"])
    alices.post("/submit/system.echo/", {"text": "a", "_key": key})
    assert alices.post("/submit/system.echo/", {"text": "b", "_key": key}).status_code == 302
    assert sorted(Job.objects.values_list("parameters__text", flat=True)) == ["a", "b"]


def test_an_unknown_kind_is_a_page_that_says_so(alices: Client) -> None:
    for answer in (alices.get("/submit/no.such/"), alices.post("/submit/no.such/", {})):
        assert answer.status_code == 404
        assert "expected one of the registered kinds" in answer.content.decode()


def test_run_again_with_changes_makes_a_linked_job_and_leaves_the_old_one(alices: Client, alice: User) -> None:
    old = submitted("system.echo", {"text": "first"}, owner=alice)
    change = reverse("job-change", args=[old.id])
    assert ">first<" in alices.get(change).content.decode() or "first" in alices.get(change).content.decode()
    answer = alices.post(change, {"text": "second"})
    new = Job.objects.exclude(id=old.id).get()
    assert answer["Location"] == reverse("job", args=[new.id])
    assert (new.rerun_of_id, new.parameters, new.via) == (old.id, {"text": "second"}, "web")
    assert Job.objects.get(id=old.id).parameters == {"text": "first"}
    assert str(new.id) in alices.get(reverse("job", args=[old.id])).content.decode()
    assert str(old.id) in alices.get(reverse("job", args=[new.id])).content.decode()


def test_a_secret_whose_mask_is_left_stays_what_it_was_however_deep(alices: Client, alice: User) -> None:
    old = submitted(
        "probe.signs_in",
        {"login": {"name": "a", "password": "first-secret"}, "spare": [{"name": "b", "password": "other-secret"}]},
        owner=alice,
    )
    change = reverse("job-change", args=[old.id])
    shown = alices.get(change).content.decode()
    assert MASK in shown
    assert "first-secret" not in shown
    spare = json.dumps([{"name": "b2", "password": MASK}, {"name": "c", "password": "new-secret"}])
    alices.post(change, {"login-name": "a2", "login-password": MASK, "spare": spare})
    new = Job.objects.exclude(id=old.id).get()
    assert control.original_parameters(new) == {
        "login": {"name": "a2", "password": "first-secret"},
        "spare": [{"name": "b2", "password": "other-secret"}, {"name": "c", "password": "new-secret"}],
    }


def test_someone_elses_job_cannot_be_changed_and_run(alice: User, bob: User) -> None:
    old = submitted("system.echo", {"text": "secret plans"}, owner=alice)
    browser = logged_in(bob)
    for answer in (
        browser.get(reverse("job-change", args=[old.id])),
        browser.post(reverse("job-change", args=[old.id])),
    ):
        assert answer.status_code == 404
        assert "secret plans" not in answer.content.decode()
    assert Job.objects.count() == 1


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_full_queue_keeps_the_form_and_says_when_to_send_it_again(
    transactional_db: None, nudged: list[str], alice: User, configured: Callable[..., None], headers: dict[str, str]
) -> None:
    configured(queue_limit=1)
    submitted()
    answer = logged_in(alice).post("/submit/system.echo/", {"text": "kept text", "_key": "mine"}, headers=headers)
    assert (answer.status_code, answer["Retry-After"]) == (503, "300")
    shown = answer.content.decode()
    for part in ("kept text", 'value="mine"', 'data-countdown="300"', "1 job waits in queue default"):
        assert part in shown
    assert ("HX-Retarget" in answer) is bool(headers)
    assert ("<html" in shown) is (not headers)
    assert Job.objects.count() == 1


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_running_again_into_a_full_queue_says_when_to_come_back(
    transactional_db: None, nudged: list[str], alice: User, configured: Callable[..., None], headers: dict[str, str]
) -> None:
    configured(queue_limit=1, user_share=1)
    job = submitted("system.echo", {"text": "one"}, owner=alice)
    answer = logged_in(alice).post(reverse("job-rerun", args=[job.id]), {"_key": "mine"}, headers=headers)
    assert (answer.status_code, answer["Retry-After"]) == (503, "300")
    assert "1 job waits in queue default" in answer.content.decode() + answer.get("HX-Trigger", "")
    assert Job.objects.count() == 1


def test_a_share_is_told_on_the_form_too(
    transactional_db: None, nudged: list[str], alice: User, configured: Callable[..., None]
) -> None:
    configured(queue_limit=4, user_share=0.25)
    client = logged_in(alice)
    client.post("/submit/system.echo/", {"text": "one"})
    answer = client.post("/submit/system.echo/", {"text": "two"})
    assert answer.status_code == 429
    assert "You have your share already" in answer.content.decode()


def test_what_to_expect_stands_beside_the_form_and_is_asked_again(
    alices: Client, alice: User, now: datetime, django_assert_max_num_queries: Any
) -> None:
    listening("default", now)
    paced("system.echo", 1.0, 2.0, 3.0, now=now)
    estimates.forget()
    asked = reverse("submit-expected", args=["system.echo"])
    for address in ("/submit/system.echo/", asked):
        assert "Starts within 2 s, then takes about 2 s" in alices.get(address).content.decode()
    with django_assert_max_num_queries(6):
        alices.get(asked)
    lane_control.pause("default", None, now)
    assert "When it would start is not known" in alices.get(asked).content.decode()
    assert alices.get(reverse("submit-expected", args=["no.such"])).status_code == 404


def test_a_form_says_whose_draft_it_is(alices: Client, alice: User) -> None:
    assert f'data-draft="{alice.pk}:/submit/system.echo/"' in alices.get("/submit/system.echo/").content.decode()
    again = alices.post("/submit/system.sleep/", {"seconds": "many"}, headers=HTMX)
    assert f'data-draft="{alice.pk}:/submit/system.sleep/"' in again.content.decode()
