"""The killer: carries out the plan's faults at their times, puts off those without a victim, and heals."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from tests.chaos.agenda import Agenda
from tests.chaos.broker_faults import BrokerFaults
from tests.chaos.database_faults import DatabaseFaults
from tests.chaos.databases import Ledger
from tests.chaos.journal import Entry, NotNow
from tests.chaos.machine import Machine
from tests.chaos.plan import Fault
from tests.chaos.process_faults import ProcessFaults
from tests.support.servers import Broker

PUT_OFF_SECONDS = 0.5
PUT_OFF_TRIES = 90


class Killer:
    """The faults of a plan, their journal, and what is still to be healed."""

    def __init__(
        self, faults: tuple[Fault, ...], *, machine: Machine, broker: Broker, ledger: Ledger, window: int,
        accepted: Callable[[], list[UUID]],
    ) -> None:  # fmt: skip
        self.journal: list[Entry] = []
        self._agenda = Agenda()
        of_broker = BrokerFaults(broker, self._agenda, window=window, accepted=accepted)
        targets = (ProcessFaults(machine, ledger, self._agenda), of_broker, DatabaseFaults(ledger, self._agenda))
        self.sent = of_broker.sent
        """Messages that were put on the broker by us (or that it may have brought back): when, and how many."""
        self._deeds: dict[str, Callable[[Fault, Entry], None]] = {
            name: partial(deed, target) for target in targets for name, deed in target.deeds.items()
        }
        self._waiting = list(faults)
        self._began = time.monotonic()

    @property
    def done(self) -> bool:
        """Whether everything came and was healed."""
        return not self._waiting and self._agenda.done

    def act(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        self._agenda.act()
        if self._waiting and self._began + self._waiting[0].at <= now:
            self._inflict(self._waiting.pop(0))

    def heal_all(self) -> None:
        """End every fault that still lasts."""
        self._waiting = []
        self._agenda.hurry()

    def _inflict(self, fault: Fault, tries: int = PUT_OFF_TRIES) -> None:
        entry = Entry(fault.name, datetime.now(UTC))
        try:
            self._deeds[fault.name](fault, entry)
        except NotNow:
            if tries and not self._agenda.hurried:
                self._agenda.after(PUT_OFF_SECONDS, lambda: self._inflict(fault, tries - 1))
                return
            entry.failed = "its victim was never there"
        except Exception as error:  # a broker that is down at the moment cannot be flushed
            entry.failed = f"{type(error).__name__}: {error}"[:200]
        self.journal.append(entry)
