"""Closed by default: every route needs a session or a token, and a session needs the CSRF token to change anything."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs_app.api.routes import api as application
from jobs_app.core import tokens
from jobs_app.models import Artifact, Job, Token
from tests.surfaces.api.support import JSON, problem, submit, token_of

pytestmark = pytest.mark.django_db

ID = "01900000-0000-7000-8000-000000000000"


def routes() -> Iterator[tuple[str, str]]:
    """Every method and path of the API, found in its description."""
    for path, operations in application.get_openapi_schema(path_prefix="/api/")["paths"].items():
        for method in operations:
            named = (
                path.replace("{name}", "x")
                .replace("{token_id}", "1")
                .replace("{job_id}", ID)
                .replace("{schedule}", "x")
            )
            yield method, named.replace("{artifact_id}", ID)
    yield from (("get", "/api/openapi.json"), ("get", "/api/docs"), ("get", "/api/unknown"), ("post", "/api/unknown"))


ROUTES = sorted(routes())


def test_the_routes_are_all_there() -> None:
    assert {("post", "/api/jobs"), ("get", f"/api/jobs/{ID}/events"), ("delete", "/api/tokens/1")} <= set(ROUTES)
    assert len(ROUTES) >= 24


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_stranger_sees_nothing(method: str, path: str) -> None:
    response = Client().generic(method.upper(), path)
    assert response.status_code == 401
    assert method == "head" or problem(response, 401, "not-authenticated")
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_wrong_token_is_refused_even_with_a_session(alice: User) -> None:
    client = Client()
    client.force_login(alice)
    for header in ("Bearer wrong", "Bearer ", "bearer weir_x", f"Bearer {'x' * 10_000}", "Bearer \xe9"):
        problem(client.get("/api/jobs", headers={"Authorization": header}), 401, "not-authenticated")
    assert client.get("/api/jobs", headers={"Authorization": "Basic YTpi"}).status_code == 200


def test_a_token_that_has_ended_says_why(alice: User, now: datetime) -> None:
    _, expired = tokens.issue(alice, "old", now=now - timedelta(days=3), days=1)
    row, revoked = tokens.issue(alice, "gone", now=now)
    tokens.revoke(row, now=now)
    for text, word in ((expired, "expired"), (revoked, "revoked")):
        answer = problem(Client(headers={"Authorization": f"Bearer {text}"}).get("/api/jobs"), 401)
        assert word in answer["detail"]


def test_a_token_of_someone_who_left_opens_nothing(alice: User) -> None:
    client = Client(headers={"Authorization": f"Bearer {token_of(alice)}"})
    alice.is_active = False
    alice.save()
    problem(client.get("/api/jobs"), 401)


def test_a_session_needs_the_csrf_token_to_change_anything(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert client.get("/api/jobs").status_code == 200
    problem(submit(client), 403, "not-allowed")
    form = client.post(
        "/api/artifacts?name=x", b"csrfmiddlewaretoken=x", content_type="application/x-www-form-urlencoded"
    )
    problem(form, 403, "not-allowed")
    assert not Job.objects.exists()
    assert not Artifact.objects.exists()
    assert client.get("/api/docs", headers={"Accept": "text/html"}).status_code == 200
    token = {"X-CSRFToken": client.cookies["csrftoken"].value}
    assert submit(client, headers=token).status_code == 202
    parts = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n--x--\r\n'
    made = client.post("/api/artifacts", parts, content_type="multipart/form-data; boundary=x", headers=token)
    assert made.status_code == 201
    assert made.json()["size"] == 5


def test_tokens_are_made_by_a_session_shown_once_and_ended(alice: User, bob: User) -> None:
    client = Client()
    client.force_login(alice)
    response = client.post("/api/tokens", {"name": "laptop", "days": 7}, content_type=JSON)
    assert response.status_code == 201
    text = response.json()["token"]
    program = Client(headers={"Authorization": f"Bearer {text}"})
    (shown,) = program.get("/api/tokens").json()["tokens"]
    assert (shown["name"], shown["prefix"]) == ("laptop", text[:12])
    assert text not in program.get("/api/tokens").content.decode()
    assert not Token.objects.filter(digest=text).exists()

    other = Client()
    other.force_login(bob)
    assert other.get("/api/tokens").json()["tokens"] == []
    problem(other.delete(f"/api/tokens/{shown['id']}"), 404, "not-found")
    assert program.delete(f"/api/tokens/{shown['id']}").status_code == 204
    problem(program.get("/api/tokens"), 401)


def test_a_token_makes_no_tokens(api: Client) -> None:
    problem(api.post("/api/tokens", {"name": "x"}, content_type=JSON), 403, "not-allowed")
    assert Token.objects.count() == 1


@pytest.mark.parametrize("body", [{}, {"name": " "}, {"name": "x" * 101}, {"name": "x", "days": 0}, {"name": "a\0"}])
def test_a_wrong_token_request_is_refused(alice: User, body: dict[str, object]) -> None:
    client = Client()
    client.force_login(alice)
    problem(client.post("/api/tokens", body, content_type=JSON), 422, "invalid-request")
