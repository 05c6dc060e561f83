"""What is done to the broker and to the messages on it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import ClassVar
from uuid import UUID, uuid4

from celery import current_app

from tests.chaos.agenda import Agenda
from tests.chaos.depths import Sending
from tests.chaos.journal import Deeds, Entry, NotNow
from tests.chaos.plan import Fault
from tests.support.broker import Valkey
from tests.support.servers import Broker

QUEUE = "default"

JUNK = 300
"""Messages for jobs that do not exist, put on the broker to fill it."""

AGAIN = 40
"""Accepted jobs whose messages are sent again, three times each."""


class BrokerFaults:
    """A broker that one of them has taken away is left alone by the others until it is back."""

    def __init__(self, broker: Broker, agenda: Agenda, *, window: int, accepted: Callable[[], list[UUID]]) -> None:
        self.sent: list[Sending] = []
        self._broker, self._agenda = broker, agenda
        self._window, self._accepted = window, accepted
        self._away = False

    def flushed(self, fault: Fault, entry: Entry) -> None:
        """Lose every message."""
        self._there().flush()

    def queues_deleted(self, fault: Fault, entry: Entry) -> None:
        """Lose every queue."""
        self._there().delete_queues()

    def back_empty(self, fault: Fault, entry: Entry) -> None:
        """A power cut that takes the disk with it."""
        self._gone(self._broker.lose, self._broker.start, fault, entry)

    def back_as_it_was(self, fault: Fault, entry: Entry) -> None:
        """A power cut."""
        there = self._there()
        brought_back = Sending(self._window)

        def start() -> None:
            there.start()
            brought_back.end()

        self._gone(there.kill, start, fault, entry)
        self.sent.append(brought_back)

    def frozen(self, fault: Fault, entry: Entry) -> None:
        """Its connections stay open, and nothing answers."""
        self._there().freeze()
        self._heal_after(fault.seconds, self._broker.thaw, entry)

    def filled(self, fault: Fault, entry: Entry) -> None:
        """A heap of messages that ask for jobs nobody knows."""
        self._send([uuid4() for _ in range(JUNK)])

    def out_of_memory(self, fault: Fault, entry: Entry) -> None:
        """Valkey refuses every write."""
        broker = self._there()
        if isinstance(broker, Valkey):
            _allow(broker, 1)
            self._heal_after(fault.seconds, lambda: _allow(broker, 0), entry)

    def duplicated(self, fault: Fault, entry: Entry) -> None:
        """The latest accepted jobs, three messages each, in an order that has nothing to do with theirs."""
        latest = self._accepted()[-AGAIN:] * 3
        random.Random(fault.pick).shuffle(latest)
        self._send(latest)

    deeds: ClassVar[Deeds] = {
        "broker flushed": flushed,
        "broker's queues deleted": queues_deleted,
        "broker killed and back empty": back_empty,
        "broker killed and back as it was": back_as_it_was,
        "broker frozen": frozen,
        "broker filled": filled,
        "broker out of memory": out_of_memory,
        "messages duplicated and shuffled": duplicated,
    }

    def _send(self, ids: list[UUID]) -> None:
        self._there()
        with current_app.connection_for_write() as link, current_app.amqp.Producer(link.default_channel) as producer:
            queue = current_app.amqp.queues[QUEUE]
            sending = Sending(len(ids))
            self.sent.append(sending)
            for each in ids:
                current_app.send_task(
                    "chaos.quick", args=[[str(each)]], queue=queue, producer=producer, ignore_result=True
                )
            sending.end()

    def _there(self) -> Broker:
        if self._away:
            raise NotNow
        return self._broker

    def _gone(self, go: Callable[[], None], start: Callable[[], None], fault: Fault, entry: Entry) -> None:
        self._there()
        go()
        self._away = True
        self._agenda.start_after(fault.seconds, self._back_after(start), entry)

    def _heal_after(self, seconds: float, heal: Callable[[], None], entry: Entry) -> None:
        self._away = True
        self._agenda.heal_after(seconds, self._back_after(heal), entry)

    def _back_after(self, heal: Callable[[], None]) -> Callable[[], None]:
        def back() -> None:
            heal()
            self._away = False

        return back


def _allow(broker: Valkey, octets: int) -> None:
    """Limit its memory; 0 is no limit."""
    with broker.client() as client:
        client.config_set("maxmemory", octets)
