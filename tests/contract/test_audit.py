"""What operators do, and are refused, is in the audit, whichever surface it came by."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client

from jobs_app.core import access, control, lane_control, tokens
from jobs_app.core.schedules import changes, ticks
from jobs_app.errors import NotAllowed, NotFound
from jobs_app.models import AuditEntry, Queue
from jobs_app.models.guard import writing
from tests.support import reports
from tests.support.ledger import claimed, submitted
from tests.surfaces.api.support import JSON, client_of


@pytest.fixture
def operator(carol: User) -> User:
    carol.user_permissions.add(*Permission.objects.filter(codename__in=["control_queue", "view_audit"]))
    reports.operator(carol)
    with writing():
        Queue.objects.get_or_create(name="default")
    return User.objects.get(pk=carol.pk)


def entries(action: str = "") -> list[dict[str, Any]]:
    rows = AuditEntry.objects.filter(action__startswith=action).order_by("id")
    return list(rows.values("actor", "action", "subject", "before", "after", "refused", "surface", "address"))


def browser(user: User) -> Client:
    client = Client(REMOTE_ADDR="192.0.2.9")
    client.force_login(user)
    return client


def test_another_s_job_cancelled_on_each_surface(alice: User, operator: User) -> None:
    ids = [submitted(owner=alice).id for _ in range(4)]
    browser(operator).post(f"/jobs/{ids[0]}/cancel/")
    client_of(operator).post(f"/api/jobs/{ids[1]}/cancel")
    data = {"action": "cancel_selected", "_selected_action": [str(ids[2])]}
    browser(operator).post("/admin/jobs_app/job/", data)
    call_command("jobs", "cancel", str(ids[3]), "--user", "carol")
    found = entries("job.cancel")
    assert [each["surface"] for each in found] == ["web", "api", "admin", "cli"]
    assert [each["address"] for each in found[:3]] == ["192.0.2.9", "127.0.0.1", "192.0.2.9"]
    assert "@" in found[3]["address"]
    assert [each["subject"] for each in found] == [f"job {each}" for each in ids]
    assert {each["actor"] for each in found} == {"carol"}
    assert all((each["before"], each["after"]) == ({"state": "queued"}, {"state": "cancelled"}) for each in found)


def test_one_s_own_job_is_one_s_own_business(alice: User, now: datetime) -> None:
    job = submitted(owner=alice)
    control.cancel(job.id, actor=alice, now=now)
    control.rerun(job.id, actor=alice, now=now)
    assert entries() == []


def test_a_running_job_asked_to_stop_and_a_job_run_again(alice: User, operator: User, now: datetime) -> None:
    job = claimed(submitted("probe.secretive", {"token": "hush-hush"}, owner=alice), now=now)
    control.cancel(job.id, actor=operator, now=now)
    control.cancel(job.id, actor=operator, now=now)  # twice is no error, and nothing is done
    new = control.rerun(job.id, actor=operator, now=now).job
    with pytest.raises(NotAllowed):
        control.rerun(job.id, actor=operator, now=now, changes={"token": "new-secret"})
    asked, again, refused = entries("job.")
    assert asked["after"] == {"cancel requested": True}
    assert (again["action"], again["after"]) == ("job.rerun", {"new job": str(new.id), "changed": []})
    assert "expected the job's owner" in refused["refused"]
    assert "new-secret" not in str(refused)


def test_what_a_stranger_tried_on_another_s_job_is_told_apart_from_nothing(alice: User, bob: User) -> None:
    job, client = submitted(owner=alice), browser(bob)
    assert client.post(f"/jobs/{job.id}/cancel/").status_code == 404
    assert client.post("/jobs/01900000-0000-7000-8000-000000000000/cancel/").status_code == 404
    (refused,) = entries()
    assert (refused["actor"], refused["action"], refused["subject"]) == ("bob", "job.cancel", f"job {job.id}")
    assert refused["refused"].startswith("not theirs")


def test_queues(operator: User, bob: User, now: datetime) -> None:
    client = client_of(operator)
    client.post("/api/queues/default/pause")
    client.post("/api/queues/default/pause")
    client.post("/api/queues/default/resume")
    client.patch("/api/queues/default", {"limit": 7}, content_type=JSON)
    client_of(bob).post("/api/queues/default/pause")
    with pytest.raises(NotFound):
        lane_control.pause("elsewhere", operator, now)
    paused, resumed, bounded, refused = entries("queue.")
    assert (paused["before"], paused["after"]) == ({"paused": False}, {"paused": True})
    assert resumed["after"] == {"paused": False}
    assert (bounded["action"], bounded["before"], bounded["after"]) == ("queue.limits", {"limit": None}, {"limit": 7})
    assert (refused["actor"], refused["action"], refused["surface"]) == ("bob", "queue.pause", "api")
    assert refused["refused"]


def test_schedules(operator: User, bob: User, now: datetime) -> None:
    schedule = reports.scheduled("nightly", now=now)
    changes.pause(schedule, actor=operator, now=now)
    changes.resume(schedule, actor=operator, now=now)
    tick = ticks.run_now(schedule, actor=operator, now=now)
    with pytest.raises(NotAllowed):
        changes.pause(schedule, actor=bob, now=now)
    found = entries("schedule.")
    assert [each["action"] for each in found] == ["schedule.pause", "schedule.resume", "schedule.run", "schedule.pause"]
    assert found[2]["after"] == {"job": str(tick.job_id)}
    assert {each["subject"] for each in found} == {"schedule nightly"}
    assert found[3]["refused"]


def test_what_a_page_refuses_before_the_core_is_asked(operator: User, bob: User, now: datetime) -> None:
    schedule = reports.scheduled("nightly", now=now)
    assert browser(bob).post(f"/schedules/{schedule.pk}/pause/").status_code == 403
    assert client_of(bob).post("/api/schedules/nightly/pause").status_code == 403
    assert browser(bob).get("/schedules/").status_code == 403  # looking changes nothing
    by_page, by_api = entries("request")
    assert (by_page["actor"], by_page["surface"]) == ("bob", "web")
    assert by_page["subject"] == f"POST /schedules/{schedule.pk}/pause/"
    assert (by_api["actor"], by_api["surface"], by_api["refused"]) == ("bob", "api", "answered with 403")


def test_tokens(alice: User, operator: User, now: datetime) -> None:
    browser(alice).post("/tokens/", {"name": "script", "days": "7", "scopes": ["jobs:read"]})
    call_command("token", "alice", "--name", "shell", "--scope", "jobs:read")
    row, text = tokens.issue(alice, "third", now=now)
    browser(operator).post("/admin/jobs_app/token/", {"action": "revoke_selected", "_selected_action": [row.pk]})
    by_page, by_shell, _, revoked = entries("token.")
    assert (by_page["actor"], by_page["surface"], by_page["after"]["scopes"]) == ("alice", "web", "jobs:read")
    assert (by_shell["actor"], by_shell["surface"]) == ("", "cli")
    assert (revoked["action"], revoked["actor"]) == ("token.revoke", "carol")
    assert text not in str(entries())


def test_users_and_groups_in_the_admin(alice: User, db: None) -> None:
    chief = User.objects.create_superuser("chief", password="chief's password")
    team = Group.objects.create(name="team")
    client = browser(chief)
    form = {"username": "alice", "is_active": "on", "is_staff": "on", "groups": [team.pk]}
    moments = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    answer = client.post(f"/admin/auth/user/{alice.pk}/change/", {**form, **moments})
    assert answer.status_code == 302, answer.content
    answer = client.post(
        f"/admin/auth/user/{alice.pk}/password/",
        {"password1": "a-new-Passw0rd", "password2": "a-new-Passw0rd", "usable_password": "true"},
    )
    assert answer.status_code == 302, answer.content
    client.post(f"/admin/auth/group/{team.pk}/delete/", {"post": "yes"})
    powers, password, gone = entries()
    assert (powers["action"], powers["subject"], powers["surface"]) == ("user.change", "user alice", "admin")
    assert powers["before"]["groups"] == []
    assert powers["after"]["groups"] == ["team"]
    assert powers["after"]["is_staff"] is True
    assert password["after"] == {"password": "changed"}
    assert "pbkdf2" not in str(entries())
    assert (gone["action"], gone["subject"]) == ("group.delete", "group team")


def test_access_to_kinds_in_the_admin(alice: User, db: None) -> None:
    chief = User.objects.create_superuser("chief", password="chief's password")
    team = Group.objects.create(name="team")
    page = "/admin/jobs_app/kindaccess/add/"
    assert browser(alice).get(page).status_code == 302
    answer = browser(chief).post(page, {"kind": "system.echo", "submit_limited": "on", "submitters": [team.pk]})
    assert answer.status_code == 302, answer.content
    assert access.rules.of("system.echo").submit == {team.pk}
    assert access.rules.of("system.echo").read is None
    assert entries()[0]["after"] == {"may submit": ["team"], "see parameters": "everybody"}
    assert "team" in browser(chief).get("/admin/jobs_app/kindaccess/").content.decode()
    assert browser(chief).get("/admin/jobs_app/auditentry/").status_code == 200
    entry = AuditEntry.objects.get()
    assert browser(chief).get(f"/admin/jobs_app/auditentry/{entry.pk}/change/").status_code == 200
    assert browser(chief).post(f"/admin/jobs_app/auditentry/{entry.pk}/delete/", {"post": "yes"}).status_code == 403
