"""What is done to the ledger's database."""

from __future__ import annotations

from typing import ClassVar

from tests.chaos.agenda import Agenda
from tests.chaos.databases import Ledger, PostgreSQL, SQLite
from tests.chaos.journal import Deeds, Entry, NotNow
from tests.chaos.plan import Fault


class DatabaseFaults:
    """A fault that a database does not know leaves it alone."""

    def __init__(self, ledger: Ledger, agenda: Agenda) -> None:
        self._ledger, self._agenda = ledger, agenda

    def cut(self, fault: Fault, entry: Entry) -> None:
        """End every connection."""
        if isinstance(self._ledger, PostgreSQL):
            entry.target = f"{self._ledger.cut()} connections"

    def stopped(self, fault: Fault, entry: Entry) -> None:
        """Stop the server as a crash does; it is back after a while."""
        if isinstance(self._ledger, PostgreSQL):
            server = self._ledger.server
            server.halt()
            self._agenda.start_after(fault.seconds, server.start, entry)

    def locked(self, fault: Fault, entry: Entry) -> None:
        """Keep every writer out for a while."""
        if isinstance(self._ledger, SQLite):
            if not self._ledger.lock():
                raise NotNow
            self._agenda.heal_after(fault.seconds, self._ledger.unlock, entry)

    deeds: ClassVar[Deeds] = {
        "connections cut": cut,
        "database stopped": stopped,
        "database locked": locked,
    }
