"""Many at once, whatever the way in: the same rows, and the same verdicts."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from jobs_app.core.batches.submitting import submit_many
from jobs_app.errors import WeirError
from jobs_app.lifecycle import Via
from jobs_app.models import Job
from tests.support.ledger import submitted
from tests.surfaces.api.support import client_of

Lines = Sequence[dict[str, Any]]
Told = list[tuple[str, str]]
"""The status of each line, and the code of its refusal."""


def in_python(user: User, lines: Lines, tmp_path: Path) -> Told:
    """One kind a call; it stops at the first that is refused."""
    told: Told = []
    for line in lines:
        try:
            found = submit_many(line["kind"], [line["parameters"]], owner=user, idempotency_key=line["idempotency_key"])
            told.append(("replayed" if found.replayed else "accepted", ""))
        except WeirError as error:
            told.append(("refused", error.code))
    return told


def over_http(user: User, lines: Lines, tmp_path: Path) -> Told:
    body = "\n".join(json.dumps(line) for line in lines)
    answer = client_of(user).post("/api/jobs/bulk", body, content_type="application/x-ndjson")
    found = [json.loads(line) for line in b"".join(answer).splitlines()]
    return [(each["status"], each.get("problem", {}).get("code", "")) for each in found[:-1]]


def on_the_command_line(user: User, lines: Lines, tmp_path: Path) -> Told:
    (tmp_path / "lines").write_text("\n".join(json.dumps(line) for line in lines))
    out = io.StringIO()
    try:
        call_command("jobs", "submit-many", str(tmp_path / "lines"), "--user", user.username, "--json", stdout=out)
    except CommandError as refused:
        assert refused.returncode == 2  # noqa: PT017
    found = [json.loads(line) for line in out.getvalue().splitlines()]
    return [(each["status"], each.get("code", "")) for each in found[:-1]]


WAYS = {Via.PYTHON: in_python, Via.API: over_http, Via.CLI: on_the_command_line}
SAME = ("kind", "queue", "priority", "parameters", "request_digest", "max_attempts", "timeout", "state", "owner_id")


@pytest.mark.django_db
@pytest.mark.parametrize("via", WAYS)
def test_every_way_in_makes_the_row_that_one_submission_makes(via: Via, tmp_path: Path) -> None:
    chief = User.objects.create_superuser("chief", password="chief's password")
    first = submitted("system.echo", {"text": "über"}, owner=chief, idempotency_key="there")
    lines = [
        {"kind": "system.echo", "parameters": {"text": "über"}, "idempotency_key": "new"},
        {"kind": "system.echo", "parameters": {"text": "über"}, "idempotency_key": "new"},
        {"kind": "system.echo", "parameters": {}, "idempotency_key": "bad"},
        {"kind": "no.such", "parameters": {}, "idempotency_key": "strange"},
    ]
    told = WAYS[via](chief, lines, tmp_path)
    assert told == [
        ("accepted", ""), ("replayed", ""), ("refused", "invalid-parameters"), ("refused", "unknown-kind"),
    ]  # fmt: skip
    made = Job.objects.exclude(id=first.id).get()
    assert made.via == via
    assert {name: getattr(made, name) for name in SAME} == {name: getattr(first, name) for name in SAME}
