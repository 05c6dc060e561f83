"""A canary: a secret that a careless handler lets out by every way is found nowhere, however it came in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import connection
from django.test import Client

from jobs_app.core import submission, transport
from jobs_app.models import Job
from tests.support import conveyor
from tests.support.processes import Workers, finished
from tests.surfaces.api.support import JSON, client_of

KIND = "probe.leaky"
CORE = "cAnaRy7Zq0kVm"
CANARY = f'{CORE} "\\é/%'
"""With characters that JSON, addresses and repr write otherwise: none of their forms may be found either."""


def by_python(owner: User, end: str) -> None:
    submission.submit(KIND, {"token": CANARY, "end": end}, owner=owner)


def by_api(owner: User, end: str) -> None:
    body = {"kind": KIND, "parameters": {"token": CANARY, "end": end}}
    answer = client_of(owner).post("/api/jobs", body, content_type=JSON)
    assert answer.status_code == 202
    assert CORE not in answer.content.decode()


def by_page(owner: User, end: str) -> None:
    client = browser(owner)
    refused = client.post(f"/submit/{KIND}/", {"token": CANARY, "end": "otherwise"})
    assert refused.status_code == 422
    assert CORE not in refused.content.decode()
    assert client.post(f"/submit/{KIND}/", {"token": CANARY, "end": end}).status_code == 302


def by_admin(owner: User, end: str) -> None:
    answer = browser(owner).post(f"/admin/jobs_app/job/submit/{KIND}/", {"token": CANARY, "end": end})
    assert answer.status_code == 302, answer.content


def by_command(owner: User, end: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("WEIR_TEST_TOKEN", CANARY)
    call_command("jobs", "submit", KIND, "--token-env", "WEIR_TEST_TOKEN", "--end", end, "--user", "alice", "--json")
    assert CORE not in "".join(capsys.readouterr())


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def whole_database() -> dict[str, str]:
    """Every table as text, but for the column that is encrypted."""
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            columns = [each.name for each in connection.introspection.get_table_description(cursor, table)]
            shown = [f'"{name}"' for name in columns if (table, name) != ("jobs_app_job", "sealed")]
            cursor.execute(f'SELECT {", ".join(shown)} FROM "{table}"')
            found[table] = "\n".join(repr(row) for row in cursor.fetchall())
    return found


def whole_site(reader: User, job: Job) -> dict[str, str]:
    """What every page and route tells of a job, and what lists it."""
    addresses = [
        "/", "/?who=everyone", f"/jobs/{job.id}/", f"/jobs/{job.id}/live/", f"/jobs/{job.id}/log/?after=0",
        f"/jobs/{job.id}/rerun/changed/", "/audit/", "/audit/export/", "/tokens/",
    ]  # fmt: skip
    parts = ("", "/attempts", "/logs", "/result", "/artifacts")
    addresses += ["/api/jobs", "/api/audit", *(f"/api/jobs/{job.id}{part}" for part in parts)]
    addresses += [
        "/admin/",
        "/admin/jobs_app/job/",
        f"/admin/jobs_app/job/{job.id}/change/",
        "/admin/jobs_app/attempt/",
    ]
    client, found = browser(reader), {}
    for address in addresses:
        answer = client.get(address)
        found[address] = b"".join(answer).decode() + str(answer.headers)
    return found


@pytest.fixture
def reader(carol: User) -> User:
    """Who sees everything that there is to see."""
    carol.user_permissions.add(*Permission.objects.filter(codename__in=["view_audit", "view_attempt", "view_logline"]))
    return User.objects.get(pk=carol.pk)


def test_a_secret_that_a_handler_lets_out_is_found_nowhere(
    workers: Workers, alice: User, reader: User, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    alice.is_staff = True
    alice.save()
    alice.user_permissions.add(Permission.objects.get(codename="add_job"))
    for end in ("returned", "raised"):
        by_python(alice, end)
        by_api(alice, end)
        by_page(alice, end)
        by_admin(alice, end)
        by_command(alice, end, monkeypatch, capsys)
    jobs = [finished(job.id) for job in Job.objects.order_by("id")]
    assert len(jobs) == 10
    # They did what they could to let it out: stars stand where it stood.
    done = next((job for job in jobs if job.status == "succeeded"), jobs[0])
    assert done.status == "succeeded", (done.error, done.attempts.get().traceback)
    assert json.dumps(done.result).count("**********") == 3
    assert {job.status for job in jobs} == {"succeeded", "failed"}
    assert {job.error.count("**********") for job in jobs if job.status == "failed"} == {1}
    log = "".join(workers.log(name).read_text(errors="replace") for name in workers.processes)
    assert "printed **********" in log
    assert "logged **********" in log
    assert CORE not in log
    for table, text in whole_database().items():
        assert CORE not in text, table
    for job in (done, next(job for job in jobs if job.status == "failed")):
        for address, text in whole_site(reader, job).items():
            assert CORE not in text, address
        call_command("jobs", "show", str(job.id))
        assert CORE not in "".join(capsys.readouterr())


def test_a_message_tells_no_secret(quiet: None, alice: User) -> None:
    for submit in (by_python, by_api):
        submit(alice, "returned")
    transport.publisher.drain()
    messages: list[Any] = conveyor._drained("default")
    assert messages
    for each in messages:
        assert CORE not in repr((each.body, each.headers, each.properties))
