"""Ends are told soon, once, and at no cost where nobody wants to know."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from jobs_app.core import clock, control, ends, submission, transitions
from jobs_app.core.ends import Teller
from jobs_app.core.rollups import rolling
from jobs_app.core.webhooks import endpoints, sending
from jobs_app.core.webhooks.endpoints import Wanted
from jobs_app.lifecycle import EventName, State
from jobs_app.models import Delivery, Endpoint, Job
from tests.core.kinds.receivers import receiving
from tests.support.ledger import altered, reaching, submitted
from tests.support.processes import Workers, eventually
from tests.support.together import at_once

pytestmark = pytest.mark.django_db
DELIVERIES = {"kind": "webhooks.deliver"}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """The ends that this process's teller has told; it tells nobody of them."""
    heard: list[UUID] = []
    monkeypatch.setattr(ends.teller, "work", heard.extend)
    return heard


def made(owner: User, *, now: datetime, **wanted: Any) -> Endpoint:
    return endpoints.make(owner, Wanted(wanted.pop("name", "billing"), "https://example.org/hook", **wanted), now=now)[
        0
    ]


def deliveries() -> list[UUID]:
    """Of whose ends messages are; each was handed over once, to one job."""
    rows = Delivery.objects.order_by("id")
    assert {row.sent for row in rows} == {1}
    assert Job.objects.filter(**DELIVERIES).count() == len(rows) == rows.exclude(sender=None).count()
    return [row.job for row in rows]


@pytest.mark.django_db(transaction=True)
def test_an_end_is_told_after_its_commit(alice: User, now: datetime, told: list[UUID]) -> None:
    made(alice, now=now)
    with transaction.atomic():
        job = submitted(owner=alice, now=now)
        control.cancel(job.id, actor=alice, now=now)
        assert ends.teller._timer is None
    ends.teller.drain()
    assert told == [job.id]
    with transaction.atomic():
        control.cancel(submitted(owner=alice, now=now).id, actor=alice, now=now)
        transaction.set_rollback(True)
    ends.teller.drain()
    assert told == [job.id]


@pytest.mark.django_db(transaction=True)
def test_every_way_of_ending_is_noted_and_no_other_move(alice: User, now: datetime, told: list[UUID]) -> None:
    made(alice, now=now)
    ended = [job.id for state in State if (job := reaching(state, owner=alice, now=now)).final]
    many = [submitted(owner=alice, now=now).id for _ in range(3)]
    transitions.move_many(many, State.QUEUED, State.CANCELLED, now=now, event=EventName.CANCELLED)
    ends.teller.drain()
    assert sorted(told) == sorted([*ended, *many])
    assert len(ended) == 3


@pytest.mark.django_db(transaction=True)
def test_where_nobody_waits_for_such_an_end_nothing_is_begun(
    alice: User, now: datetime, told: list[UUID], unhurried: None
) -> None:
    made(alice, now=now, states=("failed",))
    made(alice, now=now, name="off", enabled=False)
    jobs = [submitted(owner=alice, now=now) for _ in range(3)]
    asked = []
    for job in jobs:
        with CaptureQueriesContext(connection) as queries:
            control.cancel(job.id, actor=alice, now=now)
        asked.append(sum("jobs_app_endpoint" in each["sql"] for each in queries))
    assert (asked, told, ends.teller._timer) == ([1, 0, 0], [], None)
    failed = reaching(State.FAILED, owner=alice, now=now)
    ends.teller.drain()
    assert told == [failed.id]


@pytest.mark.django_db(transaction=True)
def test_a_new_endpoint_is_known_soon(alice: User, now: datetime, told: list[UUID]) -> None:
    reaching(State.CANCELLED, owner=alice, now=now)
    made(alice, now=now)

    def heard() -> Sequence[UUID]:
        reaching(State.CANCELLED, owner=alice, now=now)
        return told

    assert eventually(heard, 10)


@pytest.mark.django_db(transaction=True)
def test_the_ends_that_a_process_keeps_are_bounded(alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ends, "MOST", 3)
    made(alice, now=now)
    heard: list[UUID] = []
    teller = Teller()
    teller.work = heard.extend
    ids = [UUID(int=number) for number in range(5)]
    teller.note(ids[:2], State.FAILED)
    teller.note(ids[2:], State.FAILED)
    teller.note(ids, State.RETRYING)
    teller.drain()
    assert heard == ids[:3]


def test_what_is_told_soon_is_not_told_again(alice: User, now: datetime) -> None:
    made(alice, now=now)
    first, second = (reaching(State.FAILED, owner=alice, now=now).id for _ in range(2))
    assert sending.tell([first], now=now) == 1
    assert sending.tell([first], now=now) == 0
    rolling.roll(now=now)
    sending.send(now=now)
    assert sending.tell([first, second], now=now) == 0
    assert sorted(deliveries()) == [first, second]


@pytest.mark.usefixtures("quiet", "nudged")
@pytest.mark.django_db(transaction=True)
def test_what_two_processes_and_the_rollups_tell_at_once_is_told_once(
    alice: User, now: datetime, told: list[UUID]
) -> None:
    made(alice, now=now)
    ids = [reaching(State.FAILED, owner=alice, now=now).id for _ in range(12)]

    def roll() -> int:
        rolling.roll(now=now)
        return sending.send(now=now)

    at_once(partial(sending.tell, ids, now=now), partial(sending.tell, ids[::-1], now=now), roll)
    sending.send(now=now)
    assert sorted(deliveries()) == ids


def test_what_has_not_just_ended_is_not_told(alice: User, bob: User, now: datetime) -> None:
    """Ids are a hint: of a job that goes on, that ended long ago, that another owns, of a delivery's own end."""
    made(alice, now=now)
    old = reaching(State.FAILED, owner=alice, now=now - timedelta(hours=1))
    delivery = altered(reaching(State.FAILED, owner=alice, now=now), **DELIVERIES)
    others = [reaching(State.RUNNING, owner=alice, now=now), reaching(State.FAILED, owner=bob, now=now)]
    assert sending.tell([UUID(int=1), *(each.id for each in (old, delivery, *others))], now=now) == 0
    assert not Delivery.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("quiet")
def test_a_receiver_is_told_without_upkeep(alice: User, worker_environment: dict[str, str], tmp_path: Any) -> None:
    """A worker alone, with neither beat nor upkeep: the rollups never come, and both ends are told."""
    worker = Workers(worker_environment, tmp_path)
    with receiving() as receiver:
        endpoints.make(alice, Wanted("billing", receiver.url()), now=clock.database_now())
        try:
            worker.start("worker")
            done = submission.submit("probe.nothing", {}, owner=alice)
            eventually(lambda: len(receiver.requests) == 1, what="the end of the first")
            submission.submit("probe.nothing", {}, owner=alice)
            eventually(lambda: len(receiver.requests) == 2, what="the end of the second")
        finally:
            worker.stop()
    assert str(done.id) in receiver.requests[0][2].decode()
