"""Every error is a problem (RFC 9457), whoever raised it."""

from __future__ import annotations

import errno
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from django.test import Client, RequestFactory
from ninja.errors import HttpError

from jobs_app import conf
from jobs_app.api import problems
from jobs_app.errors import LedgerWriteRefused, StorageFull
from jobs_app.models import Job
from tests.surfaces.api.support import JSON, PROBLEM, problem, submit

pytestmark = pytest.mark.django_db


def post(client: Client, body: str | bytes, content_type: str = JSON, path: str = "/api/jobs") -> Any:
    return client.post(path, body, content_type=content_type)


@pytest.mark.parametrize(
    ("parameters", "pointer", "words"),
    [
        ({}, "#/parameters/text", "expected a value, got none"),
        ({"text": 5}, "#/parameters/text", "expected a valid string"),
        ({"text": "x", "more": 1}, "#/parameters/more", "there is no such parameter"),
        ({"text": "a\0b"}, "#/parameters/text", "NUL"),
    ],
)
def test_a_wrong_parameter_is_pointed_at(api: Client, parameters: Any, pointer: str, words: str) -> None:
    (fault,) = problem(submit(api, parameters=parameters), 422, "invalid-parameters")["errors"]
    assert fault["pointer"] == pointer
    assert words in fault["message"]
    assert not Job.objects.exists()


def test_each_wrong_parameter_has_its_own_entry(api: Client) -> None:
    body = problem(submit(api, kind="probe.signs_in", parameters={"login": {"name": 1, "a/b~c": 2}}), 422)
    pointers = {fault["pointer"] for fault in body["errors"]}
    assert pointers == {"#/parameters/login/name", "#/parameters/login/password", "#/parameters/login/a~1b~0c"}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"parameters": {}}, "#/kind"),
        ({"kind": "system.echo", "prio": 1}, "#/prio"),
        ({"kind": "system.echo", "priority": "high"}, "#/priority"),
        ({"kind": "system.echo", "due_at": "2026-01-01T00:00:00"}, "#/due_at"),
        ({"kind": "system.echo", "due_at": "9999-12-31T23:59:59-12:00"}, "#/due_at"),
        ({"kind": "system.echo", "parameters": [1]}, "#/parameters"),
        ({"kind": "system.echo\0"}, "#/kind"),
        ({"kind": "system.echo", "queue": "a\0"}, "#/queue"),
        ([1], "#"),
        (None, "#"),
    ],
)
def test_a_wrong_field_is_pointed_at(api: Client, body: Any, pointer: str) -> None:
    answer = problem(post(api, json.dumps(body)), 422, "invalid-request")
    assert answer["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    "options", [{"priority": 101}, {"max_attempts": 0}, {"queue": "none"}, {"expires_at": "2001-01-01T00:00:00Z"}]
)
def test_a_wrong_option_is_refused(api: Client, options: Any) -> None:
    problem(submit(api, **options), 422, "invalid-request")


def test_an_unknown_kind_names_the_nearest(api: Client) -> None:
    assert "system.echo" in problem(submit(api, kind="system.ecko"), 422, "unknown-kind")["detail"]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x07b"])
def test_a_wrong_key_is_refused(api: Client, key: str) -> None:
    problem(submit(api, headers={"Idempotency-Key": key}), 422, "invalid-request")


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b"\xff\xfe\xfa", b"NaN", b'{"kind": Infinity}', b'{"kind": 1e999}', b"[" * 100_000,
     b'{"a":' * 100 + b"1" + b"}" * 100, b'{"kind": ' + b"9" * 5000 + b"}", b"\xed\xa0\x80"],
)  # fmt: skip
def test_bad_json_is_a_problem_and_not_a_crash(api: Client, body: bytes) -> None:
    assert problem(post(api, body), 422 if not body else 400)


@pytest.mark.parametrize("text", ['"\\ud800"', '"\\u0000"', '{"a": "\\udfff"}'])
def test_text_that_no_database_holds_is_refused(api: Client, text: str) -> None:
    problem(post(api, '{"kind": "system.echo", "parameters": {"text": ' + text + "}}"), 422)
    problem(post(api, '{"kind": ' + text + "}"), 422)


def test_a_large_body_is_refused_unread(api: Client) -> None:
    limit = conf.current().parameters_bytes
    problem(post(api, b"x" * (limit + 20_000)), 413, "too-large")
    # Within what is read, the parameters themselves are counted.
    problem(submit(api, parameters={"text": "x" * (limit + 100)}), 413, "too-large")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_another_type_than_json_is_refused(api: Client, content_type: str) -> None:
    response = post(api, b'{"kind": "system.echo"}', content_type)
    problem(response, 415, "wrong-media-type")
    assert response.headers["Accept-Post"] == JSON


@pytest.mark.parametrize(
    "path", ["/api/nothing", "/api/", "/api/jobs/", "/api/jobs/x", "/api/jobs/%00", "/api/kinds/a/b"]
)
@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
def test_an_unknown_route_is_a_problem(api: Client, path: str, method: str) -> None:
    response = getattr(api, method)(path)
    assert response.headers["Content-Type"] == PROBLEM
    assert response.status_code in {404, 405}


def test_a_wrong_method_tells_the_right_ones(api: Client) -> None:
    response = api.put("/api/jobs")
    problem(response, 405, "method-not-allowed")
    assert response.headers["Allow"] == "GET, POST"


def test_a_cookie_that_no_database_holds_opens_nothing(client: Client) -> None:
    response = client.get("/api/jobs", headers={"Cookie": r'sessionid="aaaaaaaa\000aaaaaaaa"'})
    assert response.status_code in {401, 422}
    assert response.headers["Content-Type"] == PROBLEM


def test_a_wrong_host_is_a_problem_too(api: Client) -> None:
    problem(api.get("/api/jobs", headers={"Host": "evil.example"}), 400, "bad-request")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (OperationalError("gone"), 503, "ledger-away"),  # a real outage is tried in test_servers
        (InterfaceError("closed"), 503, "ledger-away"),
        (DataError("invalid byte sequence"), 422, "invalid-request"),
        (Http404("x"), 404, "not-found"),
        (PermissionDenied("x"), 403, "not-allowed"),
        (RequestDataTooBig("x"), 413, "too-large"),
        (SuspiciousOperation("x"), 400, "bad-request"),
        (OSError(errno.ENOSPC, "full"), 507, "storage-full"),
        (HttpError(429, "slower"), 429, "too-many-requests"),
        (StorageFull("no room"), 507, "storage-full"),
    ],
)
def test_what_others_raise_is_mapped(error: Exception, status: int, code: str) -> None:
    response = answered(error)
    assert (response.status_code, json.loads(response.content)["code"]) == (status, code)
    assert ("Retry-After" in response.headers) == (status == 503)
    assert status != 503 or 5 <= int(response.headers["Retry-After"]) <= 10


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("inner detail"), OSError(errno.EIO, "inner detail"), LedgerWriteRefused("inner detail")]
)
def test_the_unforeseen_is_500_under_an_id_in_the_log(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    response = answered(error)
    body = json.loads(response.content)
    assert (response.status_code, body["code"]) == (500, "unexpected")
    assert "inner detail" not in response.content.decode()
    (record,) = caplog.records
    assert body["instance"].removeprefix("urn:uuid:") in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def answered(error: Exception) -> HttpResponse:
    return problems.answer(RequestFactory().get("/api/jobs"), error)


def test_no_answer_is_kept_by_a_cache(api: Client, alice: User) -> None:
    for path in ("/api/jobs", "/api/kinds", "/api/nothing", "/api/tokens"):
        assert api.get(path).headers["Cache-Control"] == "no-store"
