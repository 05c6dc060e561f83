"""Presence: who takes jobs of a queue now, as the processes said themselves."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from celery import current_app
from celery.concurrency import prefork
from django.db import OperationalError

from jobs_app.core import clock, presence, worker_control
from jobs_app.core.presence import Condition, Listening, Origin
from jobs_app.core.stopping import draining, sign
from jobs_app.models import Drain, Listener
from jobs_app.models.guard import writing
from tasks import identity, upkeep
from tasks import presence as speaking
from tasks.presence import Herald
from tests.support.processes import eventually

pytestmark = pytest.mark.django_db

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
DEFAULT = frozenset({"default"})


def test_who_listens_is_counted_by_queue(now: datetime) -> None:
    presence.announce("worker@a/1", ["default", "slow"], 1, now=now)
    presence.announce("worker@a/2", ["default"], 1, now=now)
    presence.announce("worker@b/1", ["slow"], 8, now=now)
    assert presence.listeners("default", now=now) == Listening(processes=2, slots=2)
    assert presence.listeners("slow", now=now) == Listening(processes=2, slots=9)
    assert presence.listeners("slo", now=now) == Listening(processes=0, slots=0)
    assert set(presence.listening(now=now)) == {"default", "slow"}


def test_saying_it_again_is_one_update(now: datetime, django_assert_num_queries: Any) -> None:
    presence.announce("worker@a/1", DEFAULT, 1, now=now)
    with django_assert_num_queries(1) as captured:
        presence.announce("worker@a/1", {"default", "slow"}, 2, now=now + 5 * SECOND)
    assert captured.captured_queries[0]["sql"].startswith("UPDATE")
    row = Listener.objects.get()
    assert (row.queues, row.slots) == (["default", "slow"], 2)
    assert (row.started_at, row.seen_at) == (now, now + 5 * SECOND)


def test_who_was_silent_for_fifteen_seconds_does_not_count(now: datetime) -> None:
    presence.announce("worker@a/1", DEFAULT, 4, now=now)
    assert presence.listeners("default", now=now + 14 * SECOND).processes == 1
    assert presence.listeners("default", now=now + 15 * SECOND).processes == 0
    presence.announce("worker@a/1", DEFAULT, 4, now=now + 60 * SECOND)
    assert presence.listeners("default", now=now + 61 * SECOND).slots == 4
    assert Listener.objects.get().started_at == now + 60 * SECOND, "it is another process by the same name"


def test_what_a_process_tells_of_itself_is_kept_up_to_date_and_where_it_is_from_is_told_once(now: datetime) -> None:
    origin = Origin(uuid4(), "node-1", 1, "v7", now - 60 * SECOND)
    presence.announce("worker@a/2", DEFAULT, 1, now=now, origin=origin, condition=Condition(1000, 2000))
    presence.announce("worker@a/2", DEFAULT, 1, now=now + SECOND, origin=origin, condition=Condition(3000, None, True))
    row = Listener.objects.get()
    assert (row.worker, row.run, row.host, row.main_pid, row.release) == ("worker@a", origin.run, "node-1", 1, "v7")
    assert (row.began_at, row.started_at, row.seen_at) == (origin.began_at, now, now + SECOND)
    assert (row.memory, row.main_memory, row.draining) == (3000, None, True)


def test_a_worker_that_is_started_again_is_another_even_if_a_process_has_the_same_number(now: datetime) -> None:
    runs = [Origin(uuid4()), Origin(uuid4())]
    for origin in runs:
        presence.announce("worker@a/2", DEFAULT, 1, now=now, origin=origin)
    assert Listener.objects.get().run == runs[1].run


def test_who_drains_takes_no_jobs(now: datetime) -> None:
    presence.announce("worker@a/1", DEFAULT, 3, now=now, condition=Condition(draining=True))
    assert presence.listening(now=now) == {}
    presence.announce("worker@a/1", DEFAULT, 3, now=now)
    assert presence.listeners("default", now=now) == Listening(1, 3)


def test_a_wish_to_drain_goes_when_nobody_is_left_to_heed_it(now: datetime) -> None:
    runs = [uuid4(), uuid4(), uuid4()]
    presence.announce("worker@a/1", DEFAULT, 1, now=now, origin=Origin(runs[0]))
    with writing():
        for run, asked_at in zip(runs, (now - 3 * DAY, now - 3 * DAY, now), strict=True):
            Drain.objects.create(run=run, worker="worker@a", asked_at=asked_at)
    assert presence.prune(now=now) == 1
    assert set(Drain.objects.values_list("run", flat=True)) == {runs[0], runs[2]}


def test_who_leaves_is_gone_at_once(now: datetime) -> None:
    presence.announce("worker@a/1", DEFAULT, 1, now=now)
    presence.leave("worker@a/1")
    presence.leave("worker@a/1")
    assert not Listener.objects.exists()


def test_upkeep_deletes_the_rows_of_processes_long_gone() -> None:
    now = clock.database_now()
    presence.announce("old", DEFAULT, 1, now=now - timedelta(days=1, seconds=1))
    presence.announce("young", DEFAULT, 1, now=now - timedelta(hours=23))
    upkeep.observe()
    assert Listener.objects.get().process == "young"
    assert presence.prune(now=now) == 0
    assert presence.prune(now=now + timedelta(days=1)) == 1


def test_a_prune_that_finds_nothing_writes_nothing(now: datetime, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(2) as captured:
        presence.prune(now=now)
    assert all(each["sql"].startswith("SELECT") for each in captured.captured_queries)


@pytest.fixture
def herald(quiet: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Herald]:
    """A herald that speaks ten times a second."""
    monkeypatch.setattr(presence, "EVERY_SECONDS", 0.1)
    monkeypatch.setattr(speaking, "AGAIN_SECONDS", 0.1)
    made = Herald()
    monkeypatch.setattr(speaking, "herald", made)
    yield made
    made.end()
    sign.lower()
    draining.lower()
    eventually(lambda: not speakers(), what="its thread to end")


def speakers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "weir-presence"]


def here() -> Listening:
    return presence.listeners("default", now=clock.database_now())


@pytest.mark.django_db(transaction=True)
def test_a_process_speaks_until_it_ends(herald: Herald) -> None:
    herald.begin("worker@test", DEFAULT, 3)
    herald.begin("worker@test", DEFAULT, 3)
    assert len(speakers()) == 1
    eventually(lambda: here() == Listening(1, 3), what="its first word")
    first = Listener.objects.get()
    eventually(lambda: Listener.objects.get().seen_at > first.seen_at, what="its second word")
    herald.end()
    assert not Listener.objects.exists()
    eventually(lambda: not speakers(), what="its thread to end")
    assert not Listener.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_told_to_stop_leaves_by_itself(herald: Herald) -> None:
    herald.begin("worker@test", DEFAULT, 1)
    eventually(lambda: here().processes == 1, what="its first word")
    sign.raise_()
    eventually(lambda: here().processes == 0, what="its last word")
    eventually(lambda: not speakers(), what="its thread to end")


@pytest.mark.django_db(transaction=True)
def test_a_process_heeds_the_wish_to_drain_its_worker_and_says_so(herald: Herald) -> None:
    herald.begin("worker@test", DEFAULT, 1)
    eventually(lambda: here().processes == 1, what="its first word")
    row = Listener.objects.get()
    assert (row.run, row.main_pid) == (identity.RUN, os.getpid())
    assert row.memory == pytest.approx(identity.resident(os.getpid()), rel=0.5)
    worker_control.drain(identity.RUN, None, clock.database_now())
    eventually(lambda: Listener.objects.get().draining, what="it to say that it drains")
    assert draining.raised_at is not None
    assert here().processes == 0
    worker_control.resume(identity.RUN, None, clock.database_now())
    eventually(lambda: here().processes == 1, what="it to take jobs again")
    assert draining.raised_at is None


@pytest.mark.django_db(transaction=True)
def test_what_another_process_of_the_worker_has_seen_is_said_at_once(
    herald: Herald, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "EVERY_SECONDS", 300.0)
    wish = Drain(run=identity.RUN, worker="worker@test", asked_at=clock.database_now())
    herald.begin("worker@test", DEFAULT, 1)
    eventually(lambda: here().processes == 1, what="its first word")
    with writing():
        wish.save()
    draining.raise_()
    eventually(lambda: here().processes == 0, what="its word that it drains")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error", [OperationalError("the server is away"), RuntimeError("a surprise")])
def test_a_ledger_that_is_away_is_logged_once_and_spoken_to_again(
    herald: Herald, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    tries: list[int] = []
    away = threading.Event()
    away.set()
    real: Callable[[], datetime] = clock.database_now

    def fails() -> datetime:
        tries.append(1)
        if away.is_set():
            raise error
        return real()

    monkeypatch.setattr(speaking, "database_now", fails)
    herald.begin("worker@test", DEFAULT, 1)
    eventually(lambda: len(tries) >= 4, what="four tries")
    away.clear()
    eventually(lambda: here().processes == 1, what="its first word")
    told = [each for each in caplog.records if "does not hear" in each.getMessage()]
    assert len(told) == 1
    assert told[0].levelno == logging.WARNING
    assert str(error) in told[0].getMessage()


def test_a_worker_of_upkeep_alone_says_nothing(herald: Herald, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current_app.amqp.queues, "_consume_from", {"system": None})
    monkeypatch.setattr(speaking, "MAIN_PROCESS", "as if this were a child")
    speaking.begin_in_child(sender="upkeep@test")
    speaking.begin_in_worker(SimpleNamespace(hostname="upkeep@test", pool=SimpleNamespace(limit=2)))
    assert not speakers()


def test_the_parent_of_a_prefork_pool_says_nothing(herald: Herald) -> None:
    speaking.begin_in_worker(SimpleNamespace(hostname="w@test", pool=object.__new__(prefork.TaskPool)))
    assert not speakers()
