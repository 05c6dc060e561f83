"""The audit's page and routes: searched by the address, by pages, with what changed, taken away as a file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from jobs_app.core import audit
from jobs_app.models import AuditEntry
from tests.surfaces.api.support import client_of, problem
from tests.surfaces.web.conftest import logged_in

QUERIES = 6
"""Session, user, permissions twice, entries; the database's time."""


@pytest.fixture
def reader(carol: User) -> User:
    carol.user_permissions.add(Permission.objects.get(codename="view_audit"))
    return User.objects.get(pk=carol.pk)


@pytest.fixture
def written(alice: User, now: datetime) -> list[AuditEntry]:
    """Three entries, the oldest first."""
    limits = {"before": {"limit": 5, "groups": ["a", "b"]}, "after": {"limit": 7, "groups": []}}
    with audit.origin("api", address="192.0.2.7"):  # type: ignore[arg-type]
        audit.record(alice, "queue.limits", "queue default", now=now - timedelta(days=3), **limits)
    audit.record(None, "user.roles", "user <script>x</script>", now=now - timedelta(days=1), after={"groups": ["x"]})
    audit.record(alice, "=cmd|calc", "queue +1", now=now, refused="-no")
    return list(AuditEntry.objects.order_by("id"))


def test_it_shows_who_did_what_and_what_changed(reader: User, written: list[AuditEntry]) -> None:
    page = logged_in(reader).get("/audit/").content.decode()
    for words in ("queue default", "<del>5</del>", "<ins>7</ins>", "<del>a, b</del>", "the system", "192.0.2.7", "-no"):
        assert words in page
    assert "<script>x" not in page
    assert page.index("=cmd|calc") < page.index("queue.limits"), "the newest first"


def test_filters_are_in_the_address(reader: User, written: list[AuditEntry], now: datetime) -> None:
    client = logged_in(reader)
    day = f"{now - timedelta(days=2):%Y-%m-%d}"
    for query, found in (
        ("actor=alice", {0, 2}), ("actor=system", {1}), ("action=queue.", {0}), ("subject=default", {0}),
        ("subject=queue", {0, 2}), ("address=192.0.2.7", {0}), ("refused=yes", {2}), ("refused=no", {0, 1}),
        (f"since={day}", {1, 2}), (f"until={day}", {0}), ("actor=nobody", set()),
    ):  # fmt: skip
        page = client.get(f"/audit/?{query}").content.decode()
        shown = {place for place, each in enumerate(written) if f"<code>{each.action}</code>" in page}
        assert shown == found, query
    assert "Nothing like that was done" in page
    assert client.get("/audit/?since=tomorrow").status_code == 422
    assert client.get("/audit/?cursor=x").status_code == 422
    assert client.get("/audit/?actor=%00").status_code == 422


def test_pages_go_by_keys_and_cost_the_same(
    reader: User, alice: User, now: datetime, django_assert_max_num_queries: Callable[..., object]
) -> None:
    for number in range(120):
        audit.record(alice, "queue.pause", f"queue q{number}", now=now)
    client, address, seen = logged_in(reader), "/audit/?actor=alice", 0
    for _ in range(3):
        with django_assert_max_num_queries(QUERIES):
            answer = client.get(address)
        seen += len(answer.context["rows"])
        address = f"/audit/{answer.context['older']}"
    assert seen == 120
    assert answer.context["older"] == ""


def test_it_is_taken_away_as_a_file_that_no_spreadsheet_runs(reader: User, written: list[AuditEntry]) -> None:
    answer = logged_in(reader).get("/audit/export/?form=csv")
    assert "attachment" in answer["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode())))
    assert [row["id"] for row in rows[-3:]] == [str(each.pk) for each in reversed(written)]
    refused = next(row for row in rows if row["id"] == str(written[2].pk))
    assert (refused["action"], refused["refused"]) == ("'=cmd|calc", "'-no")
    assert json.loads(next(row for row in rows if row["id"] == str(written[0].pk))["after"])["limit"] == 7
    entry = AuditEntry.objects.get(action="audit.export")
    assert (entry.actor, entry.surface, entry.subject) == ("carol", "web", "audit as csv")
    lines = b"".join(client_of(reader).get("/api/audit/export?actor=alice")).decode().splitlines()
    assert [json.loads(line)["action"] for line in lines] == ["=cmd|calc", "queue.limits"]
    assert AuditEntry.objects.filter(action="audit.export").count() == 2
    assert logged_in(reader).get("/audit/export/?form=xls").status_code == 422


def test_an_export_reads_batch_by_batch(
    reader: User, written: list[AuditEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs_app.reads.audit.BATCH", 2)
    lines = b"".join(logged_in(reader).get("/audit/export/?form=ndjson")).decode().splitlines()
    assert len(lines) == AuditEntry.objects.count()


def test_the_api_gives_pages(reader: User, written: list[AuditEntry]) -> None:
    client = client_of(reader)
    page = client.get("/api/audit?limit=2").json()
    rest = client.get(f"/api/audit?limit=2&cursor={page['next_cursor']}").json()
    found = [*page["entries"], *rest["entries"]]
    assert [each["subject"] for each in found if each["action"] != "token.issue"] == [
        each.subject for each in reversed(written)
    ]
    assert found[-1]["before"] == {"limit": 5, "groups": ["a", "b"]}
    problem(client.get("/api/audit?colour=red"), 422)
    problem(client.get("/api/audit?limit=0"), 422)


def test_it_is_for_those_who_may(alice: User, carol: User, written: list[AuditEntry]) -> None:
    for user in (alice, carol):
        for address in ("/audit/", "/audit/export/"):
            answer = logged_in(user).get(address)
            assert answer.status_code == 403
            assert "192.0.2.7" not in answer.content.decode()
        problem(client_of(user).get("/api/audit"), 403)
        assert "/audit/" not in logged_in(user).get("/").content.decode()
    assert Client().get("/audit/").status_code == 302


def test_the_address_behind_a_proxy(alice: User, configured: Callable[..., None]) -> None:
    def address(**headers: str) -> str:
        client = Client(REMOTE_ADDR="10.0.0.1", headers=headers)
        client.force_login(alice)
        client.post("/tokens/", {"name": "x", "days": "1", "scopes": ["jobs:read"]})
        return AuditEntry.objects.latest("id").address

    forged = {"X-Forwarded-For": "203.0.113.5, 198.51.100.4"}
    assert address(**forged) == "10.0.0.1", "nobody vouches for the header"
    configured(behind_proxy=True)
    assert address(**forged) == "198.51.100.4", "the last one is the proxy's word"
    assert address(**{"X-Forwarded-For": "<script>"}) == ""
