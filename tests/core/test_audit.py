"""The audit: entries are written beside the change, bounded, and stay as they were."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from pydantic import SecretStr

from jobs_app.core import audit
from jobs_app.core.turns import Turns
from jobs_app.errors import LedgerWriteRefused, NotAllowed, NotFound
from jobs_app.lifecycle import Via
from jobs_app.models import AuditEntry
from jobs_app.models.guard import writing


def test_an_entry_tells_who_what_on_what_before_and_after_and_from_where(alice: User, now: datetime) -> None:
    with audit.origin(Via.API, address="192.0.2.7"):
        audit.came_with(5, frozenset())
        audit.record(alice, "queue.pause", "queue default", now=now, before={"paused": False}, after={"paused": True})
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.actor_key, entry.action, entry.subject) == (
        "alice", alice.pk, "queue.pause", "queue default",
    )  # fmt: skip
    assert (entry.before, entry.after, entry.refused) == ({"paused": False}, {"paused": True}, "")
    assert (entry.surface, entry.address, entry.token_key, entry.at) == (Via.API, "192.0.2.7", 5, now)


def test_an_entry_goes_with_the_change_that_it_tells_of(alice: User, now: datetime) -> None:
    with transaction.atomic():
        audit.record(alice, "queue.pause", "queue default", now=now)
        transaction.set_rollback(True)
    assert not AuditEntry.objects.exists()


def test_what_is_refused_is_recorded_after_the_rollback(alice: User, now: datetime) -> None:
    with (
        audit.origin(Via.ADMIN),
        pytest.raises(NotAllowed),
        transaction.atomic(),
        audit.refusals(alice, "queue.pause", "queue default", now=now),
    ):
        raise NotAllowed("expected the permission to control queues")
    assert AuditEntry.objects.get().refused == "expected the permission to control queues"


def test_what_is_not_there_for_somebody_is_recorded_if_it_exists(alice: User, now: datetime) -> None:
    for exists in (True, False):
        with (
            pytest.raises(NotFound),
            audit.refusals(alice, "job.cancel", f"job {exists}", now=now, exists=lambda: exists),  # noqa: B023
        ):
            raise NotFound("expected a job of yours")
    assert AuditEntry.objects.get().subject == "job True"


def test_refusals_of_one_actor_are_bounded(
    alice: User, bob: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "knocks", audit.Knocks(clock := _Clock()))
    for _ in range(audit.REFUSALS_A_MINUTE + 5):
        audit.record(alice, "job.cancel", "job x", now=now, refused="no")
    audit.record(bob, "job.cancel", "job x", now=now, refused="no")
    assert AuditEntry.objects.filter(actor="alice").count() == audit.REFUSALS_A_MINUTE
    assert AuditEntry.objects.filter(actor="bob").exists()
    clock.now += 60
    audit.record(alice, "job.cancel", "job y", now=now, refused="no")
    assert AuditEntry.objects.filter(actor="alice", subject="job y").exists()


def test_what_is_large_or_odd_or_secret_is_cut(alice: User, now: datetime) -> None:
    after = {
        "text": "x" * 10_000, "nul": "a\0b\ud800", "secret": SecretStr("hush"),
        "deep": {"a": {"b": {"c": {"d": 1}}}}, "many": list(range(1000)), "at": now, "infinite": float("inf"),
    }  # fmt: skip
    audit.record(alice, "x" * 100, "y" * 1000, now=now, after=after, refused="z" * 1000)
    audit.record(alice, "x", "y", now=now, after={str(number): "x" * 400 for number in range(50)})
    first, second = AuditEntry.objects.order_by("id")
    assert (len(first.action), len(first.subject), len(first.refused)) == (60, 200, 300)
    assert len(first.after["text"]) == audit.TEXT
    assert first.after["nul"] == "a\ufffdb?"
    assert "hush" not in str(first.after)
    assert first.after["deep"] == {"a": {"b": {"c": "…"}}}
    assert len(first.after["many"]) == audit.ITEMS + 1
    assert second.after == {"…": "too large to be kept here"}


@pytest.mark.parametrize("statement", ["UPDATE {} SET actor = 'bob'", "DELETE FROM {}"])
def test_the_database_refuses_to_change_an_entry(statement: str, alice: User, now: datetime) -> None:
    audit.record(alice, "queue.pause", "queue default", now=now - timedelta(days=9_000))
    with pytest.raises(IntegrityError, match="stay as they were"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(AuditEntry._meta.db_table))
    assert AuditEntry.objects.get().actor == "alice"


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no TRUNCATE")
def test_the_database_refuses_to_empty_the_table(alice: User, now: datetime) -> None:
    audit.record(alice, "queue.pause", "queue default", now=now)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {AuditEntry._meta.db_table}")


def test_nobody_but_the_core_writes_an_entry(alice: User, now: datetime) -> None:
    audit.record(alice, "queue.pause", "queue default", now=now)
    entry = AuditEntry.objects.get()
    for write in (entry.save, entry.delete, AuditEntry.objects.all().delete):
        with pytest.raises(LedgerWriteRefused):
            write()
    with writing(), pytest.raises(IntegrityError), transaction.atomic():
        entry.save()


def test_entries_outlive_their_actors(alice: User, now: datetime) -> None:
    audit.record(alice, "queue.pause", "queue default", now=now)
    alice.delete()
    assert AuditEntry.objects.get().actor == "alice"


def test_pruning_deletes_what_is_older_than_it_is_kept(alice: User, now: datetime, configured) -> None:
    configured(keep_audit_days=30)
    for days in (29, 31, 400):
        audit.record(alice, "queue.pause", f"queue {days}", now=now - timedelta(days=days))
    assert audit.prune(now=now, turns=Turns(5)) == 2
    assert AuditEntry.objects.get().subject == "queue 29"
    # The door is shut again: the rest stays.
    with writing(), pytest.raises(IntegrityError), transaction.atomic():
        AuditEntry.objects.all().delete()
    configured(keep_audit_days=0)
    assert audit.prune(now=now + timedelta(days=9_000), turns=Turns(5)) == 0


class _Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now
