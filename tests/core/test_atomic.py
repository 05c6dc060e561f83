"""Atomic kinds: their transaction is open for as long as the handler runs, and holds up neither heart nor ledger."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.db import connection

from jobs_app.core import execution
from jobs_app.core.liveness import Heart
from tests.support.ledger import run

pytestmark = pytest.mark.usefixtures("quiet", "nudged")


def test_a_handler_that_reports_and_takes_long_does_not_wait_for_the_thread_that_waits_for_it(
    configured: Callable[..., None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # The thread, a new one, writes the lines before it first beats. On SQLite it waits for the handler's transaction.
    configured(heartbeat_seconds=10, lease_seconds=60)
    monkeypatch.setattr(execution, "heart", Heart())
    with caplog.at_level(logging.WARNING, "jobs_app"):
        job = run("probe.atomic_reporter", {"seconds": 1.5})
    assert [record.getMessage() for record in caplog.records] == [], "no wait ended by a timeout"
    assert (job.state, Group.objects.get().name) == ("succeeded", "reported")
    assert list(job.log_lines.order_by("id").values_list("text", flat=True)) == ["begun", "done"]


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one lock for all, which the handler holds")
def test_a_handler_that_has_spawned_or_kept_a_checkpoint_keeps_its_lease() -> None:
    job = run("family.atomic_lasting")
    assert (job.state, job.result, job.checkpoint.value) == ("blocked", True, "spawned")


def test_what_a_handler_reports_last_is_there_with_its_end() -> None:
    job = run("probe.atomic_reporter")
    assert (job.state, job.progress, job.progress_message) == ("succeeded", 1.0, "all of it")
    assert [line.text for line in job.log_lines.order_by("id")] == ["begun", "done"]
