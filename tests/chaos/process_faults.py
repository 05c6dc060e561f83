"""What is done to the platform's processes: killed, frozen, told to stop."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import ClassVar

from django.db import DatabaseError, InterfaceError, connection

from jobs_app.lifecycle import State
from jobs_app.models import Job
from tests.chaos.agenda import Agenda
from tests.chaos.databases import Ledger
from tests.chaos.journal import Deeds, Entry, NotNow
from tests.chaos.machine import Machine, Member, alive, strike
from tests.chaos.plan import LONG, Fault

LASTING = ("chaos.slow", "chaos.atomic")

FROZEN_SECONDS = 40
"""The longest time that a process is kept frozen until its job is taken over."""

LOOK_SECONDS = 0.5
"""Between two looks whether it was."""

REPORT_SECONDS = 5.0
"""After this time a thawed process that is still there has reported: a slow job takes half of it."""


class ProcessFaults:
    """A frozen process is left alone until it is thawed: what it says afterwards is what is looked for."""

    def __init__(self, machine: Machine, ledger: Ledger, agenda: Agenda) -> None:
        self._machine, self._ledger, self._agenda = machine, ledger, agenda
        self._frozen: set[int] = set()

    def child_killed(self, fault: Fault, entry: Entry) -> None:
        """Most often one that runs a slow job."""
        children = self._children()
        busy = sorted(_busy() & set(children))
        _kill(_one(busy if busy and fault.pick % 4 else children, fault), entry)

    def child_frozen(self, fault: Fault, entry: Entry) -> None:
        """Freeze one in a slow job, or in the transaction of an atomic one, until that was taken over, and longer."""
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
        """Its children go on without it."""
        member = self._one_of("worker", fault)
        member.left = True
        entry.target = member.name
        strike(member.pid, signal.SIGKILL)

    def group_killed(self, fault: Fault, entry: Entry) -> None:
        """A worker and all it has started; one that runs a slow job, if there is one."""
        busy = _busy()
        members = sorted(self._all_of("worker"), key=lambda member: not busy & set(member.children()))
        member = members[0]
        entry.pids = member.children()
        for pid in (member.pid, *entry.pids):
            strike(pid, signal.SIGKILL)
        entry.target = member.name

    def worker_frozen(self, fault: Fault, entry: Entry) -> None:
        """Without its children."""
        self._freeze([self._one_of("worker", fault).pid], fault.seconds, entry)

    def worker_stopped(self, fault: Fault, entry: Entry) -> None:
        """Asked to end, as by a supervisor."""
        member = self._one_of("worker", fault)
        entry.target = member.name
        strike(member.pid, signal.SIGTERM)

    def role_killed(self, fault: Fault, entry: Entry) -> None:
        """The main process, or one of its children."""
        member = self._one_of(fault.name.split()[0], fault)
        _kill(_one([member.pid, *member.children()], fault), entry)

    def role_frozen(self, fault: Fault, entry: Entry) -> None:
        """The main process, or one of its children."""
        member = self._one_of(fault.name.split()[0], fault)
        self._freeze([_one([member.pid, *member.children()], fault)], fault.seconds, entry)

    deeds: ClassVar[Deeds] = {
        "child killed": child_killed,
        "child frozen past its lease": child_frozen,
        "worker and its children frozen past the lease": group_frozen,
        "worker killed, its children left": worker_killed,
        "worker and its children killed": group_killed,
        "worker frozen": worker_frozen,
        "worker told to stop": worker_stopped,
        **dict.fromkeys(("upkeep killed", "beat killed", "web killed"), role_killed),
        **dict.fromkeys(("upkeep frozen", "beat frozen", "web frozen"), role_frozen),
    }

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

    def _freeze(
        self, pids: list[int], seconds: float, entry: Entry, longer: Callable[[], bool] = lambda: False
    ) -> None:
        """Freeze, but not in the middle of a write on SQLite: nobody else could write until the end.

        It lasts ``seconds``, and on while ``longer`` says so, within bounds.
        """
        if self._ledger.locked:
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
            if longer() and time.monotonic() < limit and not self._agenda.hurried:
                self._agenda.after(LOOK_SECONDS, thaw)
                return
            self._frozen.difference_update(pids)
            thawed = [pid for pid in pids if strike(pid, signal.SIGCONT)]
            entry.until = datetime.now(UTC)
            self._agenda.after(REPORT_SECONDS, lambda: count(thawed))

        def count(thawed: list[int]) -> None:
            entry.survivors = [pid for pid in thawed if alive(pid)]

        self._agenda.after(seconds, thaw)


def _one(pids: list[int], fault: Fault) -> int:
    if not pids:
        raise NotNow
    return pids[fault.pick % len(pids)]


def _kill(pid: int, entry: Entry) -> None:
    entry.target, entry.pids = f"process {pid}", [pid]
    strike(pid, signal.SIGKILL)


def _busy(*, deaf: bool = False) -> set[int]:
    """The processes that run a long job now; ``deaf``: one that does not ask whether the job is still theirs."""
    try:
        rows = list(Job.objects.filter(state=State.RUNNING, kind__in=LASTING).values_list("holder", "parameters"))
    except (DatabaseError, InterfaceError):
        connection.close()
        raise NotNow from None
    return {
        int(holder.split("/")[1])
        for holder, parameters in rows
        if not (deaf and parameters.get("listens")) and ("listens" in parameters or parameters["seconds"] >= LONG)
    }


def _holds(pid: int) -> bool:
    """Whether the ledger still has a job in the hands of this process (or does not answer)."""
    try:
        return Job.objects.filter(state=State.RUNNING, holder__contains=f"/{pid}/").exists()
    except (DatabaseError, InterfaceError):
        connection.close()
        return True
