"""``jobs failures`` and ``jobs failure``: groups of failures seen and handled from the command line."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.contrib.auth.models import User

from tests.support.failing import failed, rolled
from tests.surfaces.cli.support import jobs

pytestmark = pytest.mark.django_db


def test_failures_are_listed_shown_and_handled(alice: User, now: datetime) -> None:
    job = failed(alice, now=now)
    fingerprint = job.fingerprint
    rolled(now)
    heading, row = jobs("failures").out.splitlines()
    assert " ".join(heading.split()) == "FINGERPRINT STATUS KIND ERROR TIMES STILL FAILED SEEN LAST PLACE"
    assert row.split()[:5] == [fingerprint, "open", "probe.nothing", "ValueError", "1"]
    assert jobs("failures", "--tab", "ignored", "--json").document["failures"] == []
    lines = jobs("failure", fingerprint).out.splitlines()
    assert lines[0] == f"{fingerprint}  open"
    assert lines[-1].startswith(f"job   {job.id}  failed")
    assert jobs("failure", fingerprint, "--resolve", "--note", "mended").out.startswith(f"{fingerprint}  resolved  men")
    ignored = jobs("failure", fingerprint, "--ignore", "--days", 2, "--json").document
    assert (ignored["status"], ignored["ignored_until"] is None) == ("ignored", False)
    assert jobs("failure", fingerprint, "--reopen", "--json").document["status"] == "open"


def test_refusals_have_their_exit_codes(alice: User, bob: User, now: datetime) -> None:
    fingerprint = failed(alice, now=now).fingerprint
    rolled(now)
    assert jobs("failure", fingerprint, "--user", "bob").code == 3
    assert jobs("failure", fingerprint, "--resolve", "--user", "bob").code == 3
    assert jobs("failure", fingerprint, "--resolve", "--user", "alice").code == 4
    assert jobs("failure", fingerprint, "--resolve", "--ignore").code == 2
    assert jobs("failure", fingerprint, "--resolve", "--days", 1).code == 2
    assert jobs("failure", fingerprint, "--ignore", "--days", 0).code == 2
    assert jobs("failures", "--limit", 0).code == 2
    assert jobs("failure", fingerprint, "--json").document["status"] == "open"
