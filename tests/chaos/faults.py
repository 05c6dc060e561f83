"""The killer: what each fault of the plan does, and how it ends. Everything runs in one thread, the run's own."""

from __future__ import annotations

import heapq
import itertools
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from celery import current_app
from django.db import DatabaseError, InterfaceError, connection

from jobs_app.lifecycle import State
from jobs_app.models import Job
from tests.chaos.databases import Ledger, PostgreSQL, SQLite
from tests.chaos.machine import Machine, Member, alive, strike
from tests.chaos.plan import Fault
from tests.support.broker import Valkey
from tests.support.servers import Broker

JUNK = 300
"""Messages for jobs that do not exist, put on the broker to fill it."""

AGAIN = 40
"""Accepted jobs whose messages are sent again, three times each."""

FROZEN_SECONDS = 40
"""The longest time that a process is kept frozen until its job is taken over."""

QUEUE = "default"


PUT_OFF_SECONDS = 0.5
PUT_OFF_TRIES = 90


REPORT_SECONDS = 5.0
"""After this time a thawed process that is still there has reported: a slow job takes half of it."""


class NotNow(Exception):
    """The fault has no victim at the moment; it is put off a little."""


@dataclass
class Entry:
    """What was done: to whom, from when to when. ``pids``: worker processes that may have held jobs."""

    name: str
    at: datetime
    target: str = ""
    pids: list[int] = field(default_factory=list)
    until: datetime | None = None
    survivors: list[int] = field(default_factory=list)
    failed: str = ""


class Killer:
    """Carries out the plan's faults at their times."""

    def __init__(
        self, faults: tuple[Fault, ...], *, machine: Machine, broker: Broker, ledger: Ledger, window: int,
        accepted: Callable[[], list[UUID]],
    ) -> None:  # fmt: skip
        self.journal: list[Entry] = []
        self.sent: list[tuple[float, int]] = []
        """Messages that were put on the broker by us (or that it may have brought back): when, and how many."""
        self._machine, self._broker, self._ledger = machine, broker, ledger
        self._window, self._accepted = window, accepted
        self._waiting = list(faults)
        self._heals: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._broker_away = self._ledger_away = False
        self._frozen: set[int] = set()
        """Left alone until they are thawed: what a frozen one says afterwards is what is looked for."""
        self._healing = False
        self._starting: list[threading.Thread] = []
        self._began = time.monotonic()

    @property
    def done(self) -> bool:
        """Whether everything came and was healed."""
        return not self._waiting and not self._heals and not any(thread.is_alive() for thread in self._starting)

    def act(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        while self._heals and self._heals[0][0] <= now:
            heapq.heappop(self._heals)[2]()
        if self._waiting and self._began + self._waiting[0].at <= now:
            self._inflict(self._waiting.pop(0))

    def heal_all(self) -> None:
        """End every fault that still lasts."""
        self._waiting = []
        self._healing = True
        while self._heals:
            heapq.heappop(self._heals)[2]()
        for thread in self._starting:
            thread.join()

    def _inflict(self, fault: Fault, tries: int = PUT_OFF_TRIES) -> None:
        entry = Entry(fault.name, datetime.now(UTC))
        try:
            DEEDS[fault.name](self, fault, entry)
        except NotNow:
            if tries and not self._healing:
                again = (
                    time.monotonic() + PUT_OFF_SECONDS,
                    next(self._numbers),
                    lambda: self._inflict(fault, tries - 1),
                )
                heapq.heappush(self._heals, again)
                return
            entry.failed = "its victim was never there"
        except Exception as error:  # a broker that is down at the moment cannot be flushed
            entry.failed = f"{type(error).__name__}: {error}"[:200]
        self.journal.append(entry)

    def _later(self, seconds: float, heal: Callable[[], object], entry: Entry) -> None:
        def healed() -> None:
            heal()
            entry.until = datetime.now(UTC)

        heapq.heappush(self._heals, (time.monotonic() + seconds, next(self._numbers), healed))

    def _start_later(self, seconds: float, start: Callable[[], object], entry: Entry) -> None:
        """Start a server in a thread: some take ten seconds, and processes must be tended meanwhile."""

        def started() -> None:
            start()
            entry.until = datetime.now(UTC)

        def begin() -> None:
            self._starting.append(threading.Thread(target=started, daemon=True))
            self._starting[-1].start()

        heapq.heappush(self._heals, (time.monotonic() + seconds, next(self._numbers), begin))

    # Processes

    def child_killed(self, fault: Fault, entry: Entry) -> None:
        children = self._children()
        busy = sorted(_busy() & set(children))
        self._strike_one(_one(busy if busy and fault.pick % 4 else children, fault), entry)

    def child_frozen(self, fault: Fault, entry: Entry) -> None:
        """Freeze one that runs a slow job until that was taken over, and a moment longer."""
        pid = _one(sorted(_busy(deaf=True) & set(self._children())), fault)
        self._freeze([pid], fault.seconds, entry, longer=lambda: _holds(pid))

    def group_frozen(self, fault: Fault, entry: Entry) -> None:
        """The same with the whole worker, as a machine that hangs: nobody is there to end the frozen child."""
        busy = _busy(deaf=True)
        members = [member for member in self._all_of("worker") if busy & set(member.children())]
        if not members:
            raise NotNow
        children = members[0].children()
        victims = busy & set(children)
        self._freeze(
            [members[0].pid, *children], fault.seconds, entry, longer=lambda: any(_holds(pid) for pid in victims)
        )

    def worker_killed(self, fault: Fault, entry: Entry) -> None:
        member = self._one_of("worker", fault)
        member.left = True
        entry.target = member.name
        strike(member.pid, signal.SIGKILL)

    def group_killed(self, fault: Fault, entry: Entry) -> None:
        busy = _busy()
        members = sorted(self._all_of("worker"), key=lambda member: not busy & set(member.children()))
        member = members[0]
        entry.pids = member.children()
        for pid in (member.pid, *entry.pids):
            strike(pid, signal.SIGKILL)
        entry.target = member.name

    def worker_frozen(self, fault: Fault, entry: Entry) -> None:
        self._freeze([self._one_of("worker", fault).pid], fault.seconds, entry)

    def worker_stopped(self, fault: Fault, entry: Entry) -> None:
        member = self._one_of("worker", fault)
        entry.target = member.name
        strike(member.pid, signal.SIGTERM)

    def role_killed(self, fault: Fault, entry: Entry) -> None:
        """The main process, or one of its children."""
        member = self._one_of(fault.name.split()[0], fault)
        self._strike_one(_one([member.pid, *member.children()], fault), entry)

    def role_frozen(self, fault: Fault, entry: Entry) -> None:
        member = self._one_of(fault.name.split()[0], fault)
        self._freeze([_one([member.pid, *member.children()], fault)], fault.seconds, entry)

    # The broker

    def flushed(self, fault: Fault, entry: Entry) -> None:
        self._broker_there().flush()

    def queues_deleted(self, fault: Fault, entry: Entry) -> None:
        self._broker_there().delete_queues()

    def back_empty(self, fault: Fault, entry: Entry) -> None:
        self._broker_gone(self._broker.lose, fault.seconds, entry)

    def back_as_it_was(self, fault: Fault, entry: Entry) -> None:
        self._broker_gone(self._broker.kill, fault.seconds, entry)
        self.sent.append((time.monotonic(), self._window))

    def broker_frozen(self, fault: Fault, entry: Entry) -> None:
        self._broker_there().freeze()
        self._broker_away = True

        def thaw() -> None:
            self._broker.thaw()
            self._broker_away = False

        self._later(fault.seconds, thaw, entry)

    def filled(self, fault: Fault, entry: Entry) -> None:
        """A heap of messages that ask for jobs nobody knows."""
        self._send([uuid4() for _ in range(JUNK)])

    def out_of_memory(self, fault: Fault, entry: Entry) -> None:
        """Valkey refuses every write."""
        broker = self._broker_there()
        if isinstance(broker, Valkey):
            with broker.client() as client:
                client.config_set("maxmemory", 1)
            self._broker_away = True

            def give() -> None:
                with broker.client() as client:
                    client.config_set("maxmemory", 0)
                self._broker_away = False

            self._later(fault.seconds, give, entry)

    def duplicated(self, fault: Fault, entry: Entry) -> None:
        """The latest accepted jobs, three messages each, in an order that has nothing to do with theirs."""
        latest = self._accepted()[-AGAIN:] * 3
        random.Random(fault.pick).shuffle(latest)
        self._send(latest)

    def _send(self, ids: list[UUID]) -> None:
        self._broker_there()
        with current_app.connection_for_write() as link, current_app.amqp.Producer(link.default_channel) as producer:
            queue = current_app.amqp.queues[QUEUE]
            self.sent.append((time.monotonic(), len(ids)))
            for each in ids:
                current_app.send_task(
                    "chaos.quick", args=[[str(each)]], queue=queue, producer=producer, ignore_result=True
                )

    def _broker_there(self) -> Broker:
        if self._broker_away:
            raise NotNow
        return self._broker

    def _broker_gone(self, go: Callable[[], None], seconds: float, entry: Entry) -> None:
        self._broker_there()
        go()
        self._broker_away = True

        def back() -> None:
            self._broker.start()
            self._broker_away = False

        self._start_later(seconds, back, entry)

    # The ledger

    def cut(self, fault: Fault, entry: Entry) -> None:
        if isinstance(self._ledger, PostgreSQL):
            entry.target = f"{self._ledger.cut()} connections"

    def stopped(self, fault: Fault, entry: Entry) -> None:
        if isinstance(self._ledger, PostgreSQL):
            self._ledger.server.halt()
            server = self._ledger.server
            self._start_later(fault.seconds, server.start, entry)

    def locked(self, fault: Fault, entry: Entry) -> None:
        if isinstance(self._ledger, SQLite):
            if not self._ledger.lock():
                raise NotNow
            self._ledger_away = True
            ledger = self._ledger

            def unlock() -> None:
                ledger.unlock()
                self._ledger_away = False

            self._later(fault.seconds, unlock, entry)

    # Means

    def _one_of(self, role: str, fault: Fault) -> Member:
        members = self._all_of(role)
        return members[fault.pick % len(members)]

    def _all_of(self, role: str) -> list[Member]:
        """The members of a role, if all are up and serving.

        A start takes seconds: without this there would be no worker at all for most of the time, and little to break.
        """
        members = self._machine.of(role)
        if not all(member.pid if role == "beat" else member.children() for member in members):
            raise NotNow
        free = [member for member in members if not self._frozen & {member.pid, *member.children()}]
        if not free:
            raise NotNow
        return free

    def _children(self) -> list[int]:
        found = [pid for member in self._machine.of("worker") for pid in member.pool()]
        return [pid for pid in found if pid not in self._frozen]

    def _strike_one(self, pid: int, entry: Entry) -> None:
        entry.target, entry.pids = f"process {pid}", [pid]
        strike(pid, signal.SIGKILL)

    def _freeze(
        self, pids: list[int], seconds: float, entry: Entry, longer: Callable[[], bool] = lambda: False
    ) -> None:
        """Freeze, but not in the middle of a write on SQLite: nobody else could write until the end.

        It lasts ``seconds``, and on while ``longer`` says so, within bounds.
        """
        if self._ledger_away:
            raise NotNow
        for pid in pids:
            strike(pid, signal.SIGSTOP)
        if not self._ledger.takes_writes():
            for pid in pids:
                strike(pid, signal.SIGCONT)
            raise NotNow
        entry.target, entry.pids, entry.at = f"process {pids[0]}", pids, datetime.now(UTC)
        limit = time.monotonic() + FROZEN_SECONDS
        self._frozen.update(pids)

        def thaw() -> None:
            if longer() and time.monotonic() < limit and not self._healing:
                heapq.heappush(self._heals, (time.monotonic() + PUT_OFF_SECONDS, next(self._numbers), thaw))
                return
            self._frozen.difference_update(pids)
            thawed = [pid for pid in pids if strike(pid, signal.SIGCONT)]
            entry.until = datetime.now(UTC)
            heapq.heappush(self._heals, (time.monotonic() + REPORT_SECONDS, next(self._numbers), lambda: count(thawed)))

        def count(thawed: list[int]) -> None:
            entry.survivors = [pid for pid in thawed if alive(pid)]

        heapq.heappush(self._heals, (time.monotonic() + seconds, next(self._numbers), thaw))


def _one(pids: list[int], fault: Fault) -> int:
    if not pids:
        raise NotNow
    return pids[fault.pick % len(pids)]


def _busy(*, deaf: bool = False) -> set[int]:
    """The processes that run a slow job now; ``deaf``: one that does not ask whether the job is still theirs."""
    try:
        rows = list(Job.objects.filter(state=State.RUNNING, kind="chaos.slow").values_list("holder", "parameters"))
    except (DatabaseError, InterfaceError):
        connection.close()
        raise NotNow from None
    return {int(holder.split("/")[1]) for holder, parameters in rows if not (deaf and parameters["listens"])}


def _holds(pid: int) -> bool:
    """Whether the ledger still has a job in the hands of this process (or does not answer)."""
    try:
        return Job.objects.filter(state=State.RUNNING, holder__contains=f"/{pid}/").exists()
    except (DatabaseError, InterfaceError):
        connection.close()
        return True


DEEDS: dict[str, Callable[[Killer, Fault, Entry], Any]] = {
    "child killed": Killer.child_killed,
    "child frozen past its lease": Killer.child_frozen,
    "worker and its children frozen past the lease": Killer.group_frozen,
    "worker killed, its children left": Killer.worker_killed,
    "worker and its children killed": Killer.group_killed,
    "worker frozen": Killer.worker_frozen,
    "worker told to stop": Killer.worker_stopped,
    **{f"{role} killed": Killer.role_killed for role in ("upkeep", "beat", "web")},
    **{f"{role} frozen": Killer.role_frozen for role in ("upkeep", "beat", "web")},
    "broker flushed": Killer.flushed,
    "broker's queues deleted": Killer.queues_deleted,
    "broker killed and back empty": Killer.back_empty,
    "broker killed and back as it was": Killer.back_as_it_was,
    "broker frozen": Killer.broker_frozen,
    "broker filled": Killer.filled,
    "broker out of memory": Killer.out_of_memory,
    "messages duplicated and shuffled": Killer.duplicated,
    "connections cut": Killer.cut,
    "database stopped": Killer.stopped,
    "database locked": Killer.locked,
}
