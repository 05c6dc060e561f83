"""A full queue over HTTP: the status, Retry-After and the problem; and what ordinary answers say of what is left."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from jobs_app.core.turnstile import turnstile
from jobs_app.models import Job
from tests.support.ledger import claimed, submitted
from tests.surfaces.api.support import JSON, client_of, problem, submit

pytestmark = pytest.mark.usefixtures("transactional_db", "nudged")

Configure = Callable[..., None]


def test_a_full_queue_answers_503_with_a_time_to_come_back(configured: Configure, alice: User) -> None:
    configured(queue_limit=2, user_share=1, token_share=1)
    client = client_of(alice)
    for _ in range(2):
        assert submit(client).status_code == 202
    refused = submit(client)
    body = problem(refused, 503, "queue-full")
    assert refused.headers["Retry-After"] == str(body["retry_after"]) == "300"
    assert (body["queue"], body["depth"], body["limit"], body["low_water"]) == ("default", 2, 2, 1)
    assert body["reason"] == "full"
    assert body["detail"].startswith("2 jobs wait in queue default, and its limit is 2; no worker takes its jobs")
    assert Job.objects.count() == 2


def test_a_key_refused_by_503_works_later(configured: Configure, alice: User) -> None:
    configured(queue_limit=1, user_share=1, token_share=1)
    client = client_of(alice)
    first = submitted()
    problem(submit(client, headers={"Idempotency-Key": "again"}), 503, "queue-full")
    claimed(first)
    turnstile.forget()
    # The gate is asked again a tenth of a second later.
    answers = [submit(client, headers={"Idempotency-Key": "again"}) for _ in range(2)]
    statuses = [each.status_code for each in answers]
    while statuses[0] == 503:
        turnstile.forget()
        answers = [submit(client, headers={"Idempotency-Key": "again"}) for _ in range(2)]
        statuses = [each.status_code for each in answers]
    assert statuses == [202, 200]
    assert answers[0].json()["id"] == answers[1].json()["id"]


def test_a_share_answers_429(configured: Configure, alice: User, bob: User) -> None:
    configured(queue_limit=4, user_share=0.25)
    client = client_of(alice)
    submit(client)
    refused = submit(client)
    body = problem(refused, 429, "share-exceeded")
    assert int(refused.headers["Retry-After"]) == body["retry_after"] >= 1
    assert body["reason"] == "user share"
    assert submit(client_of(bob)).status_code == 202


def test_a_token_that_is_too_fast_gets_429_and_another_does_not(configured: Configure, alice: User) -> None:
    configured(token_rate=0.01, token_burst=1)
    fast = client_of(alice)
    assert submit(fast).status_code == 202
    refused = submit(fast)
    assert problem(refused, 429, "rate-exceeded")["reason"] == "rate"
    assert int(refused.headers["Retry-After"]) >= 90
    assert submit(client_of(alice)).status_code == 202


def test_ordinary_answers_say_what_is_left(alice: User, configured: Configure) -> None:
    configured(queue_limit=100, user_share=0.3, token_burst=50)
    client = client_of(alice)
    submit(client)
    response = submit(client)
    assert response.headers["RateLimit-Policy"] == '"queue";q=100, "user";q=30, "token";q=50'
    left = dict(each.replace('"', "").split(";r=") for each in response.headers["RateLimit"].split(", "))
    assert set(left) == {"queue", "user", "token"}
    assert 90 <= int(left["queue"]) <= 100
    assert 28 <= int(left["user"]) < 30
    assert 0 < int(left["token"]) < 50


def test_a_session_is_told_of_the_queue_alone(alice: User) -> None:
    client = Client()
    client.force_login(alice)
    assert '"token"' not in submit(client).headers["RateLimit-Policy"]


def test_parameters_above_the_bound_are_413(configured: Configure, alice: User) -> None:
    configured(parameters_bytes=1024)
    problem(submit(client_of(alice), parameters={"text": "x" * 1100}), 413, "too-large")


def test_overflow_needs_the_permission(configured: Configure, alice: User) -> None:
    configured(queue_limit=1, queue_headroom=1, user_share=1, token_share=1)
    submitted()
    problem(submit(client_of(alice), overflow=True), 403, "not-allowed")
    alice.user_permissions.add(Permission.objects.get(codename="overflow_queue"))
    assert submit(client_of(alice), overflow=True).status_code == 202
    problem(submit(client_of(alice), overflow=True), 503, "queue-full")


def test_running_again_passes_the_gate_too(configured: Configure, alice: User) -> None:
    configured(queue_limit=1, user_share=1, token_share=1)
    client = client_of(alice)
    job = submit(client).json()
    problem(client.post(job["links"]["rerun"], "{}", content_type=JSON), 503, "queue-full")


def test_a_refusal_is_no_error_in_the_log(configured: Configure, alice: User, caplog: pytest.LogCaptureFixture) -> None:
    configured(queue_limit=1, user_share=1, token_share=1)
    client = client_of(alice)
    assert [submit(client).status_code for _ in range(3)] == [202, 503, 503]
    assert [each for each in caplog.records if each.name == "django.request"] == []
