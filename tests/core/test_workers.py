"""Workers: who is there and what each runs, as the ledger has it; and what people do to them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User

from jobs_app.core import outcomes, presence, worker_control
from jobs_app.core.presence import Condition, Origin
from jobs_app.errors import Conflict, InvalidRequest, NotAllowed, NotFound
from jobs_app.models import AuditEntry, Drain
from jobs_app.reads import workers as reads
from jobs_app.reads.workers import Standing, WorkerView
from tests.support.ledger import claimed, submitted
from tests.support.speaking import MEGABYTE, speak

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


@pytest.fixture
def controller(carol: User) -> User:
    carol.user_permissions.add(Permission.objects.get(codename="control_worker"))
    return User.objects.get(pk=carol.pk)


def seen(now: datetime) -> WorkerView:
    (found,) = reads.workers(None, now=now).workers
    return found


def test_a_worker_is_all_of_its_processes(now: datetime) -> None:
    run = speak("w@a", now)
    worker = seen(now)
    assert (worker.id, worker.name, worker.standing) == (run, "w@a", Standing.TAKING)
    assert (worker.host, worker.pid, worker.release, worker.queues) == ("node-1", 10, "v7", ["default"])
    assert (worker.processes, worker.slots, worker.running) == (2, 2, [])
    assert worker.memory == (2 * 50 + 40) * MEGABYTE, "its first process counts once"
    assert (worker.began_at, worker.seen_at) == (now - 3600 * SECOND, now)


def test_a_worker_without_children_counts_its_memory_once(now: datetime) -> None:
    origin = Origin(uuid4(), "node-1", 11, "", now)
    presence.announce("w@a/11", ["default"], 4, now=now, origin=origin, condition=Condition(MEGABYTE, MEGABYTE))
    assert (seen(now).memory, seen(now).slots) == (MEGABYTE, 4)


def test_what_it_runs_is_shown_with_since_when(now: datetime) -> None:
    speak("w@a", now)
    speak("w@b", now, main=20)
    mine = claimed(submitted(now=now), now=now + SECOND, holder="w@a/12/message")
    claimed(submitted(now=now), now=now, holder="w@b/21/message")
    (first, _) = reads.workers(None, now=now).workers
    assert [(each.job, each.kind, each.since) for each in first.running] == [(mine.id, mine.kind, now + SECOND)]


def test_a_worker_that_is_silent_has_vanished_with_what_it_held(now: datetime) -> None:
    speak("w@a", now)
    claimed(submitted(now=now), now=now, holder="w@a/12/message")
    later = now + presence.SILENCE
    found = reads.workers(None, now=later)
    assert found.workers == []
    (worker,) = found.vanished
    assert (worker.standing, worker.seen_at, len(worker.running)) == (Standing.VANISHED, now, 1)
    assert found.unserved == ["default"]


def test_a_child_that_was_replaced_does_not_count_and_its_worker_has_not_vanished(now: datetime) -> None:
    run = speak("w@a", now - 60 * SECOND)
    speak("w@a", now, run=run, processes=1)
    found = reads.workers(None, now=now)
    assert (found.workers[0].processes, found.vanished) == (1, [])


def test_the_queues_that_nobody_serves_are_told(now: datetime, configured: Callable[..., None]) -> None:
    configured(queues=("default", "reports"))
    speak("w@a", now)
    assert reads.workers(None, now=now).unserved == ["reports"]
    speak("w@b", now, draining=True, main=20)
    assert reads.workers(None, now=now).unserved == ["reports"]


def test_a_drained_worker_goes_through_its_standings(now: datetime, controller: User) -> None:
    run = speak("w@a", now)
    job = claimed(submitted(now=now), now=now, holder="w@a/12/message")
    worker_control.drain(run, controller, now)
    assert seen(now).standing is Standing.DRAINING
    speak("w@a", now + SECOND, run=run, draining=True)
    assert (seen(now).standing, seen(now).drain_asked_at) == (Standing.DRAINING, now), "it still runs a job"
    assert outcomes.succeed(job, None, 4, now=now)
    assert seen(now).standing is Standing.DRAINED
    worker_control.resume(run, controller, now + 2 * SECOND)
    assert seen(now).standing is Standing.RESUMING
    speak("w@a", now + 3 * SECOND, run=run)
    assert (seen(now).standing, seen(now).drain_asked_at) == (Standing.TAKING, None)


def test_draining_twice_is_one_wish_and_each_is_in_the_audit_once(
    now: datetime, controller: User, caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: Any
) -> None:
    caplog.set_level(logging.INFO, "jobs_app.core.worker_control")
    run = speak("w@a", now)
    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(2):
            worker_control.drain(run, controller, now)
        assert Drain.objects.get().asked_at == now
        for _ in range(2):
            worker_control.resume(run, None, now)
    assert list(AuditEntry.objects.order_by("id").values_list("actor", "action", "subject", "refused")) == [
        ("carol", "worker.drain", "worker w@a", ""),
        ("", "worker.resume", "worker w@a", ""),
    ]
    entry = AuditEntry.objects.order_by("id")[0]
    assert (entry.before, entry.after) == ({"run": str(run), "drained": False}, {"run": str(run), "drained": True})
    assert [each.getMessage() for each in caplog.records] == [
        "Worker w@a is to take no more jobs, says user 'carol'",
        "Worker w@a is to take jobs again, says the system",
    ]


def test_who_may_not_control_workers_changes_nothing_and_that_is_in_the_audit(now: datetime, carol: User) -> None:
    run = speak("w@a", now)
    for act in (worker_control.drain, worker_control.resume):
        with pytest.raises(NotAllowed, match="expected the permission to control workers"):
            act(run, carol, now)
    assert not Drain.objects.exists()
    told = list(AuditEntry.objects.order_by("id").values_list("action", "refused"))
    assert [action for action, refused in told if refused] == ["worker.drain", "worker.resume"]


def test_a_worker_that_is_gone_or_was_never_there_is_not_drained(now: datetime, controller: User) -> None:
    run = speak("w@a", now)
    with pytest.raises(Conflict, match="w@a was heard of last at"):
        worker_control.drain(run, controller, now + presence.SILENCE)
    with pytest.raises(NotFound):
        worker_control.drain(uuid4(), controller, now)
    assert not Drain.objects.exists()


def test_workers_are_shown_to_operators_only(now: datetime, alice: User, carol: User) -> None:
    run = speak("w@a", now)
    for ask in (
        lambda: reads.workers(alice, now=now),
        lambda: reads.worker(alice, run, now=now),
        lambda: reads.worker(alice, uuid4(), now=now),
        lambda: reads.find(alice, "w@a", now=now),
    ):
        with pytest.raises(NotAllowed, match="expected the permission to see all jobs"):
            ask()
    assert reads.worker(carol, run, now=now).name == "w@a"


def test_a_worker_is_found_by_its_name_or_the_id_of_its_run(now: datetime) -> None:
    run = speak("w@a", now)
    twins = [speak("w@b", now, main=main) for main in (20, 30)]
    assert reads.find(None, "w@a", now=now) == reads.find(None, str(run), now=now) == run
    assert reads.find(None, str(twins[1]), now=now) == twins[1]
    with pytest.raises(InvalidRequest, match="2 workers are called 'w@b'"):
        reads.find(None, "w@b", now=now)
    with pytest.raises(NotFound, match="got 'w@c'"):
        reads.find(None, "w@c", now=now)


def test_a_worker_of_the_release_before_is_shown_and_cannot_be_drained(now: datetime) -> None:
    presence.announce("old@a/1", ["default"], 2, now=now)
    worker = seen(now)
    assert (worker.id, worker.slots, worker.memory, worker.drainable) == (None, 2, None, False)


def test_reading_workers_takes_as_many_queries_however_many_there_are(
    now: datetime, django_assert_num_queries: Any
) -> None:
    for number in range(5):
        speak(f"w@{number}", now, main=100 * number)
        for _ in range(3):
            claimed(submitted(now=now), now=now, holder=f"w@{number}/{100 * number + 1}/message")
    with django_assert_num_queries(5):
        found = reads.workers(None, now=now)
    assert [len(each.running) for each in found.workers] == [3] * 5
