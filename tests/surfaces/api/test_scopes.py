"""What a token may be used for: each route says it, and a token of less is refused."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from jobs_app import scopes
from jobs_app.api import security
from jobs_app.api.routes import api
from jobs_app.core import access, tokens
from jobs_app.models import AuditEntry, Job, Token
from jobs_app.scopes import Scope
from tests.support import reports
from tests.support.ledger import altered, submitted
from tests.surfaces.api.support import JSON, client_of, problem, run, submit

READING = {Scope.READ, Scope.ADMIN, Scope.TOKENS}
"""Scopes that open nothing but what is looked at; and a token's own affairs."""

ROUTES = [
    (path, method, operation) for path, method, operation in security.operations_of(api) if operation.include_in_schema
]


CHANGING = {
    "/api/jobs": Scope.SUBMIT, "/api/jobs/{job_id}/cancel": Scope.ACT, "/api/jobs/{job_id}/retry": Scope.ACT,
    "/api/jobs/{job_id}/priority": Scope.ACT, "/api/jobs/bulk-actions": Scope.ACT, "/api/failures": Scope.ACT,
    "/api/artifacts": Scope.SUBMIT, "/api/datasets": Scope.SUBMIT, "/api/timeline": Scope.SUBMIT,
    "/api/queues": Scope.QUEUES, "/api/workers": Scope.QUEUES, "/api/deploys": Scope.QUEUES,
    "/api/schedules": Scope.SCHEDULES, "/api/webhooks": Scope.WEBHOOKS, "/api/tokens": Scope.TOKENS,
}  # fmt: skip
"""What a token has to be for, to change something at an address that begins so: the longest that fits counts."""


def client_with(user: User, *grants: Scope, now: datetime) -> Client:
    _, text = tokens.issue(user, "tests", now=now, grants=grants)
    return Client(headers={"Authorization": f"Bearer {text}"})


def scheduler(user: User) -> User:
    """The user, who may run schedules now."""
    wanted = ["see_all_jobs", "act_on_all_jobs", "change_periodictask"]
    user.user_permissions.add(*Permission.objects.filter(codename__in=wanted))
    return User.objects.get(pk=user.pk)


def failed_of(owner: User, now: datetime) -> Job:
    """A job that has failed."""
    return altered(submitted("system.echo", {"text": "a"}, owner=owner, now=now), state="failed", finished_at=now)


@pytest.mark.parametrize(("path", "method"), [(path, method) for path, method, _ in ROUTES])
def test_every_route_declares_a_scope(path: str, method: str) -> None:
    """A new route without one is closed to tokens, and fails here: give it (or its router) ``auth=needs(…)``."""
    (operation,) = (each for where, by, each in ROUTES if (where, by) == (path, method))
    ways = operation.auth_callbacks
    if any(isinstance(way, security.SessionOnly) for way in ways):
        return
    (token,) = (way for way in ways if isinstance(way, security.Token))
    scope = token.needed(method)
    assert isinstance(scope, Scope), f"{method} {path} takes any token"
    if method not in security.SAFE_METHODS:
        assert scope not in READING - {Scope.TOKENS}, f"{method} {path} changes something with {scope}"


def test_what_changes_something_needs_the_scope_that_is_meant_for_it() -> None:
    declared = security.scopes_of(api)
    for path, method, _ in ROUTES:
        scope = declared[path, method]
        if method not in security.SAFE_METHODS and (path, method) != ("/api/tokens", "POST"):
            meant = CHANGING[max((each for each in CHANGING if path.startswith(each)), key=len)]
            assert scope is meant, f"{method} {path}: if it is meant, say so in CHANGING"


def test_the_description_names_the_scope_of_every_route() -> None:
    document = api.get_openapi_schema()
    for path, method, _ in ROUTES:
        told = document["paths"][path][method.lower()]
        assert told.get("x-required-scope") in {*Scope, None}
        assert told.get("x-required-scope", "session") in told["description"], (path, method)


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "method"), [(path, method) for path, method, _ in ROUTES])
def test_a_token_of_every_other_scope_is_refused(path: str, method: str, alice: User, now: datetime) -> None:
    scope = security.scopes_of(api)[path, method]
    others = set(Scope) - {scope}
    client = client_with(alice, *others, now=now)
    address = path
    for part in ("{job_id}", "{artifact_id}", "{run}"):
        address = address.replace(part, "01900000-0000-7000-8000-000000000000")
    for part in (
        "{token_id}",
        "{post_id}",
        "{dataset_id}",
        "{name}",
        "{schedule}",
        "{fingerprint}",
        "{webhook_id}",
        "{delivery_id}",
    ):
        address = address.replace(part, "1")
    assert "{" not in address, "teach this test the part in braces"
    response = client.generic(method, address, b"{}", content_type=JSON)
    assert response.status_code == 403, response.content
    if method != "HEAD" and scope is not None:
        assert scope in problem(response, 403, "not-allowed")["detail"]


def test_a_token_does_what_its_scopes_say_and_its_owner_may(alice: User, now: datetime) -> None:
    submitter = client_with(alice, Scope.SUBMIT, now=now)
    job = submit(submitter).json()["id"]
    assert "jobs:read" in problem(submitter.get(f"/api/jobs/{job}"), 403)["detail"]
    reader = client_with(alice, Scope.READ, now=now)
    assert reader.get(f"/api/jobs/{job}").status_code == 200
    assert "jobs:act" in problem(reader.post(f"/api/jobs/{job}/cancel"), 403)["detail"]
    # A scope is no permission: alice may not control queues, whatever her token is for.
    problem(client_with(alice, Scope.QUEUES, now=now).post("/api/queues/default/pause"), 403)


@pytest.mark.django_db
@pytest.mark.parametrize("making", ["retry", "rerun", "bulk retry", "bulk rerun", "run"])
def test_what_makes_a_job_needs_a_token_for_submitting_whatever_the_route_is_for(
    making: str, alice: User, now: datetime
) -> None:
    alice, failed = scheduler(alice), failed_of(alice, now)
    schedule = reports.scheduled("nightly", now=now)
    address, body = {
        "retry": (f"/api/jobs/{failed.id}/retry", {}),
        "rerun": (f"/api/jobs/{failed.id}/rerun", {}),
        "run": (f"/api/schedules/{schedule.pk}/run", {}),
    }.get(making, ("/api/jobs/bulk-actions", {"action": making.removeprefix("bulk "), "ids": [str(failed.id)]}))
    there = Job.objects.count()
    acting = client_with(alice, *set(Scope) - {Scope.SUBMIT}, now=now)
    assert "jobs:submit" in problem(acting.post(address, body, content_type=JSON), 403, "not-allowed")["detail"]
    assert Job.objects.count() == there
    assert AuditEntry.objects.filter(action="token.use").exclude(refused="").exists()
    both = client_with(alice, Scope.SUBMIT, Scope.ACT, Scope.SCHEDULES, now=now)
    assert both.post(address, body, content_type=JSON).status_code == 202
    assert Job.objects.count() == there + 1


@pytest.mark.django_db
def test_what_makes_no_job_needs_none(alice: User, now: datetime) -> None:
    waiting = submitted(owner=alice, now=now, due_at=now + timedelta(hours=1))
    acting = client_with(alice, Scope.ACT, now=now)
    assert acting.post(f"/api/jobs/{waiting.id}/retry").status_code == 200
    body = {"action": "cancel", "ids": [str(waiting.id)]}
    assert acting.post("/api/jobs/bulk-actions", body, content_type=JSON).status_code == 202
    assert acting.post(f"/api/jobs/{waiting.id}/cancel").status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("making", ["retry", "rerun", "bulk rerun", "run"])
def test_what_makes_a_job_needs_somebody_who_may_submit_its_kind(making: str, alice: User, now: datetime) -> None:
    alice, failed = scheduler(alice), failed_of(alice, now)
    schedule = reports.scheduled("nightly", now=now)
    access.set_rule("system.echo", submitters=[], readers=None, actor=None, now=now)
    client = client_of(alice)
    there = Job.objects.filter(kind="system.echo").count()
    if making == "bulk rerun":
        order = {"action": "rerun", "ids": [str(failed.id)]}
        bulk = client.post("/api/jobs/bulk-actions", order, content_type=JSON).json()["id"]
        assert run(bulk).result["left_alone"] == 1
    else:
        about = f"jobs/{failed.id}" if making != "run" else f"schedules/{schedule.pk}"
        problem(client.post(f"/api/{about}/{making}", {}, content_type=JSON), 403, "not-allowed")
    assert Job.objects.filter(kind="system.echo").count() == there


def test_a_token_used_for_what_it_is_not_for_is_in_the_audit(alice: User, now: datetime) -> None:
    client_with(alice, Scope.READ, now=now).post("/api/queues/default/pause", headers={"X-Forwarded-For": "1.2.3.4"})
    entry = AuditEntry.objects.get(action="token.use")
    assert (entry.actor, entry.surface, entry.address) == ("alice", "api", "127.0.0.1")
    assert entry.after == {"route": "POST /api/queues/default/pause", "scope": "queues:control"}
    assert entry.token_key == Token.objects.get().pk
    assert "queues:control" in entry.refused


def test_tokens_from_before_there_were_scopes_open_what_they_did(alice: User, now: datetime) -> None:
    row, _ = tokens.issue(alice, "old", now=now)
    assert Token._meta.get_field("scopes").db_default == row.scopes
    assert scopes.read(row.scopes) == scopes.FORMER == set(Scope) - {Scope.ADMIN, Scope.WEBHOOKS}


def test_scopes_are_chosen_when_a_token_is_made(alice: User, client: Client) -> None:
    client.force_login(alice)
    made = client.post("/api/tokens", {"name": "mine", "scopes": ["jobs:read"]}, content_type=JSON)
    assert (made.status_code, made.json()["scopes"]) == (201, ["jobs:read"])
    for wrong in ([], ["jobs:fly"]):
        answer = client.post("/api/tokens", {"name": "mine", "scopes": wrong}, content_type=JSON)
        problem(answer, 422)
