"""``jobs workers`` and ``jobs worker``: workers seen and controlled from the command line."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.contrib.auth.models import User

from jobs_app.core import presence
from tests.support.ledger import claimed, submitted
from tests.support.speaking import speak
from tests.surfaces.cli.support import jobs

pytestmark = pytest.mark.django_db


def test_workers_are_listed_and_queues_without_any_are_said(now: datetime) -> None:
    assert "No worker takes the jobs of queue default." in jobs("workers").err
    speak("w@a", now)
    claimed(submitted(now=now), now=now, holder="w@a/12/message")
    heading, row = jobs("workers").out.splitlines()
    assert heading.split() == ["NAME", "STANDS", "RUNS", "SLOTS", "MEMORY", "SINCE", "QUEUES"]
    assert row.split()[:7] == ["w@a", "taking", "jobs", "1", "2", "140.0", "MB"]
    assert jobs("workers", "--json").document["workers"][0]["name"] == "w@a"


def test_a_worker_is_shown_drained_and_resumed(now: datetime) -> None:
    run = speak("w@a", now)
    job = claimed(submitted(now=now), now=now, holder="w@a/12/message")
    lines = jobs("worker", "w@a", "--drain").out.splitlines()
    assert lines[0] == "w@a  draining"
    assert lines[1] == f"run {run} on node-1, process 10, release v7"
    assert lines[-1].startswith(f"runs  {job.id}  probe.nothing  since ")
    assert presence.drain_asked(run)
    assert jobs("worker", str(run), "--resume", "--json").document["standing"] == "taking jobs"


def test_what_cannot_be_done_ends_with_a_code(now: datetime, alice: User) -> None:
    ran = jobs("worker", "w@b")
    assert (ran.code, "expected the name or the id of a worker" in ran.err) == (3, True)
    assert jobs("worker", "w@b", "--drain", "--resume").code == 2
    assert jobs("workers", "--user", "alice").code == 4
