"""Deploys: marked once by whoever may, in Python, by the API and on the command line; read by everybody."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User

from jobs_app.core import deploys
from jobs_app.core.deploys import Told
from jobs_app.core.retention import pruning
from jobs_app.errors import InvalidRequest, NotAllowed
from jobs_app.models import AuditEntry, Deploy
from jobs_app.models.guard import writing
from jobs_app.reads import deploys as reads
from tests.surfaces.api.support import JSON, client_of, problem
from tests.surfaces.cli.support import jobs

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def pipeline(bob: User) -> User:
    """A user who may mark deploys, and nothing else."""
    bob.user_permissions.add(Permission.objects.get(codename="mark_deploy"))
    return User.objects.get(pk=bob.pk)


def test_a_deploy_is_marked_once_and_audited(pipeline: User, now: datetime) -> None:
    told = Told(" web ", "v2", "https://ci.example.org/7")
    first = deploys.mark(told, actor=pipeline, now=now)
    assert deploys.mark(told, actor=pipeline, now=now + timedelta(minutes=4)) == first
    assert (first.label, first.version, first.at, first.by) == ("web", "v2", now, pipeline)
    assert deploys.mark(told, actor=pipeline, now=now + timedelta(minutes=6)) != first
    assert deploys.mark(Told("web", "v3"), actor=None, now=now) != first
    entries = AuditEntry.objects.filter(action="deploy.mark").order_by("id")
    assert [(each.actor, each.subject, each.refused) for each in entries] == [
        ("bob", "deploy  web ", ""), ("bob", "deploy  web ", ""), ("", "deploy web", ""),
    ]  # fmt: skip


def test_who_may_not_mark_deploys_is_refused_and_that_is_kept(alice: User, now: datetime) -> None:
    with pytest.raises(NotAllowed):
        deploys.mark(Told("web"), actor=alice, now=now)
    assert not Deploy.objects.exists()
    assert "permission to mark deploys" in AuditEntry.objects.get(actor="alice").refused


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"label": "  "}, "expected a label"),
        ({"label": "x" * 61}, "expected label to be printable text of at most 60"),
        ({"label": "a\0b"}, "expected label to be printable"),
        ({"label": "web", "version": "v" * 101}, "expected version"),
        ({"label": "web", "url": "javascript:alert(1)"}, "expected url to be a web address"),
        ({"label": "web", "url": "https://"}, "expected url to be a web address"),
        ({"label": "web", "at": timedelta(minutes=6)}, "expected a time that is past"),
        ({"label": "web", "at": -timedelta(days=4000)}, "expected a time that is past"),
    ],
)
def test_what_does_not_fit_is_said(told: dict[str, Any], words: str, now: datetime) -> None:
    if "at" in told:
        told = {**told, "at": now + told["at"]}
    with pytest.raises(InvalidRequest, match=words):
        deploys.mark(Told(**told), actor=None, now=now)


def test_a_pipeline_that_runs_wild_pushes_out_the_oldest(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploys, "KEPT", 3)
    for number in range(5):
        deploys.mark(Told(f"web {number}", at=now - number * HOUR), actor=None, now=now)
    assert [each.label for each in Deploy.objects.order_by("-at")] == ["web 0", "web 1", "web 2"]


def test_deploys_are_kept_as_long_as_statistics_of_days(now: datetime, configured: Any) -> None:
    for days in (10, 50):
        deploys.mark(Told(f"{days} days ago", at=now - timedelta(days=days)), actor=None, now=now)
    configured(keep_minute_rollups_days=7, keep_hour_rollups_days=14, keep_day_rollups_days=30)
    assert pruning.run(now=now)["deploys"] == 1
    assert Deploy.objects.get().label == "10 days ago"
    configured(keep_minute_rollups_days=0, keep_hour_rollups_days=0, keep_day_rollups_days=0)
    assert pruning.run(now=now + timedelta(days=9999))["deploys"] == 0


def test_everybody_reads_them_but_not_who_marked_them(alice: User, carol: User, pipeline: User, now: datetime) -> None:
    for number in range(3):
        deploys.mark(Told(f"web {number}", at=now - number * HOUR), actor=pipeline, now=now)
    begin = now - 1.5 * HOUR
    assert [(each.label, each.by) for each in reads.between(carol, begin, now + HOUR)] == [
        ("web 0", "bob"),
        ("web 1", "bob"),
    ]
    assert [(each.label, each.by) for each in reads.between(alice, begin, now)] == [("web 1", None)]


def test_the_api_marks_and_lists(pipeline: User, alice: User, now: datetime) -> None:
    client = client_of(pipeline)
    answer = client.post("/api/deploys", {"label": "web", "version": "v2"}, content_type=JSON)
    assert (answer.status_code, answer.json()["label"], answer.json()["by"]) == (201, "web", None)
    hour_ago = {"label": "db", "at": (now - HOUR).isoformat()}
    assert client.post("/api/deploys", hour_ago, content_type=JSON).status_code == 201
    assert [each["label"] for each in client_of(alice).get("/api/deploys").json()] == ["web", "db"]
    asked = {"begin": (now - 2 * HOUR).isoformat(), "end": (now - timedelta(minutes=1)).isoformat()}
    assert [each["label"] for each in client_of(alice).get("/api/deploys", asked).json()] == ["db"]
    problem(client_of(alice).post("/api/deploys", {"label": "x"}, content_type=JSON), 403, "not-allowed")
    problem(client.post("/api/deploys", {"label": "x" * 61}, content_type=JSON), 422)
    problem(client.post("/api/deploys", {"label": "x", "url": "ftp://x"}, content_type=JSON), 422, "invalid-request")
    problem(client.post("/api/deploys", {"label": "x", "at": "0001-01-01T00:00:00+14:00"}, content_type=JSON), 422)
    problem(client.get("/api/deploys", {"end": "0001-01-01T00:00:00"}), 422)


def test_the_command_line_marks(pipeline: User, alice: User) -> None:
    done = jobs("deployed", "web", "--version", "v2", "--link", "https://ci.example.org/7", "--at", "2h", "--json")
    assert (done.document["label"], done.document["version"], done.document["by"]) == ("web", "v2", None)
    assert jobs("deployed", "db", "--user", "bob").out.startswith("db  20")
    assert Deploy.objects.get(label="db").by == pipeline
    refused = jobs("deployed", "db2", "--user", "alice")
    assert "permission to mark deploys" in refused.err
    assert refused.code == jobs("queue", "default", "--pause", "--user", "alice").code


def test_a_deploy_is_written_by_the_core_alone(now: datetime) -> None:
    with pytest.raises(Exception, match="by jobs_app"):
        Deploy.objects.create(at=now, label="x")
    with writing():
        assert str(Deploy.objects.create(at=now, label="web", version="v2")) == "web v2"
