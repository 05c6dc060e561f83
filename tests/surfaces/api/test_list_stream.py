"""The live stream of the list: a hint when something of one's own moved, and not a word of anybody else's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice

import httpx
import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection

from jobs_app.api import list_watching, readings, tickets
from jobs_app.api.list_watching import ListPoller
from jobs_app.api.refusals import TooManyStreams
from jobs_app.core import submission
from jobs_app.core.clock import database_now
from jobs_app.models import Event
from jobs_app.reads import watching
from tests.support.ledger import submitted
from tests.surfaces.api.support import PROBLEM, Servers
from tests.surfaces.api.test_stream import Reader


@contextmanager
def busy(owner: User) -> Iterator[None]:
    """Meanwhile the owner submits a job every now and then."""
    done = threading.Event()

    def go_on() -> None:
        while not done.wait(0.3):
            submission.submit("system.echo", {"text": "again"}, owner=owner)
        connection.close()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_the_api_leads_to_it_and_moves_are_told(http: httpx.Client, servers: Servers, alice: User) -> None:
    with http.stream("GET", "/api/jobs/events", follow_redirects=True) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        with busy(alice):
            told = list(islice(Reader(response), 2))
    assert [(each.name, each.data) for each in told] == [("changed", {})] * 2


@pytest.mark.parametrize("ticket", ["", "x", "{job}", "{old}", "{ours}x", "list of jobs:all", "{forged}"])
def test_a_wrong_ticket_opens_nothing(servers: Servers, alice: User, ticket: str) -> None:
    job = submitted(owner=alice)
    with time_machine.travel(database_now() - timedelta(minutes=61)):
        old = tickets.issue_list(alice.pk)
    ours = tickets.issue_list(alice.pk)
    forged = ours.replace(f":{alice.pk}:", ":all:", 1)
    assert forged != ours
    text = ticket.format(job=tickets.issue(job.id), old=old, ours=ours, forged=forged)
    response = httpx.get(f"{servers.stream}/stream/jobs", params={"ticket": text})
    assert response.status_code == 403
    assert response.headers["Content-Type"] == PROBLEM


def test_a_ticket_to_the_list_opens_no_job(servers: Servers, alice: User) -> None:
    job = submitted(owner=alice)
    answer = httpx.get(f"{servers.stream}/stream/jobs/{job.id}", params={"ticket": tickets.issue_list(None)})
    assert answer.status_code == 403


def test_whose_jobs_moved_is_one_query_and_goes_on_where_it_was(
    alice: User, bob: User, django_assert_num_queries: object
) -> None:
    submitted(owner=bob)
    last, owners = watching.changed_owners(None)
    assert (last, owners) == (Event.objects.latest("id").id, set())
    assert watching.changed_owners(last) == (last, set())
    submitted(owner=alice)
    submitted()
    with django_assert_num_queries(1):  # type: ignore[operator]
        then, owners = watching.changed_owners(last)
    assert owners == {alice.pk, None}
    assert watching.changed_owners(then) == (then, set())


class Ledger:
    """Whose jobs move, as the poller asks."""

    def __init__(self) -> None:
        self.moved: set[int | None] = set()
        self.asked = 0

    def changed_owners(self, last: int | None) -> tuple[int, set[int | None]]:
        self.asked += 1
        moved, self.moved = self.moved, set()
        return (last or 0) + 1, moved


async def polls(poller: ListPoller, ledger: Ledger, count: int) -> None:
    """Let the poller ask so many times more."""
    until = ledger.asked + count
    while ledger.asked < until:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.005)


def test_each_is_told_of_their_own_at_most_so_often_and_one_asks_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger()
    monkeypatch.setattr(readings, "changed", ledger.changed_owners)
    monkeypatch.setattr(list_watching, "POLL_SECONDS", 0.002)
    monkeypatch.setattr(list_watching, "HINT_SECONDS", 3600.0)

    async def scene() -> None:
        poller = ListPoller(3)
        alices, bobs, operators = (poller.watch(owner) for owner in (1, 2, None))
        with pytest.raises(TooManyStreams):
            poller.watch(1)
        await polls(poller, ledger, 2)
        ledger.moved = {1}
        await polls(poller, ledger, 2)
        assert [each.take() for each in (alices, bobs, operators)] == [
            list_watching.CHANGED, b"", list_watching.CHANGED,
        ]  # fmt: skip
        ledger.moved = {1, 2, None}
        await polls(poller, ledger, 2)
        assert [each.take() for each in (alices, bobs, operators)] == [b"", list_watching.CHANGED, b""], "too soon"
        monkeypatch.setattr(alices, "_due", 0.0)
        await polls(poller, ledger, 2)
        assert alices.take() == list_watching.CHANGED, "it was kept, and is told when it is time"
        for each in (alices, bobs, operators):
            poller.leave(each)
        await polls_end(poller)
        asked = ledger.asked
        await asyncio.sleep(0.02)
        assert ledger.asked == asked, "nobody watches"
        await poller.close()

    asyncio.run(scene())


async def polls_end(poller: ListPoller) -> None:
    while poller._task is not None and not poller._task.done():
        await asyncio.sleep(0.001)


def test_while_the_ledger_is_away_watchers_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, away = Ledger(), [True]

    def changed_owners(last: int | None) -> tuple[int, set[int | None]]:
        if away[0]:
            ledger.asked += 1
            raise ValueError("away")
        return ledger.changed_owners(last)

    monkeypatch.setattr(readings, "changed", changed_owners)
    monkeypatch.setattr(list_watching, "POLL_SECONDS", 0.002)

    async def scene() -> None:
        poller = ListPoller(3)
        watcher = poller.watch(1)
        await polls(poller, ledger, 3)
        away[0], ledger.moved = False, {1}
        await polls(poller, ledger, 2)
        assert watcher.take() == list_watching.CHANGED
        await poller.close()
        assert watcher.ended

    asyncio.run(scene())
