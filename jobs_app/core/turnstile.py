"""The turnstile: what one process knows of the gates, so that most submissions pass without asking anybody.

It spends the credits it was given, remembers for a moment that a queue was full, and how much of it users hold. All of
it is lost with the process, and harms nothing.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection

from jobs_app.core import gate
from jobs_app.core.gate import Grant
from jobs_app.core.lanes import Policy
from jobs_app.core.shares import Passing, Shares

CREDIT_SECONDS = 1.0
"""Credits that were not spent by then are given up: others may need them."""

REFUSAL_SECONDS = 0.1
"""For so long at least a full queue is not asked about again, so that refusals cost nothing."""

ROOM_SECONDS = 5.0
"""For so long it is told how much room a queue had."""

RENEW_SECONDS = 20.0
"""How often a process shows itself at a closed gate, so that the others know that it is there."""


class Full(Exception):
    """No room: how the queue stood, and how many processes share what becomes free."""

    def __init__(self, depth: int, processes: int) -> None:
        super().__init__(f"{depth} jobs wait")
        self.depth = depth
        self.processes = processes


@dataclass(frozen=True)
class Pass:
    """How many were let in, and how many credits that took: for so many the caller says ``leave`` when it is over."""

    count: int
    spent: int


@dataclass
class _Purse:
    credits: int = 0
    near: bool = False
    taken_at: float = 0.0
    passing: Passing = field(default_factory=Passing)
    refused: Grant | None = None
    refused_until: float = 0.0
    grant: Grant | None = None
    asked_at: float = 0.0
    policy: Policy | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Turnstile:
    """One process's part of every gate. ``clock`` measures intervals in seconds; tests pass their own."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """Begin anew: in a forked child, and for each test."""
        self._purses: dict[str, _Purse] = {}
        self.shares = Shares(self._clock)
        self._lock = threading.Lock()

    def enter(self, queue: str, policy: Policy, *, now: datetime, over: bool = False, wanted: int = 1) -> Pass:
        """Let a submission in, or as many of those ``wanted`` as can be had at once: at least one.

        over: up to the hard limit; rare, so the gate is asked each time. Raises Full.
        """
        purse = self._purse(queue)
        if purse.policy is not policy and purse.policy != policy:
            self._begin_anew(purse, policy)
        if gate.exclusive(queue):
            # Nor may it wait for a thread of this process that waits for its transaction.
            grant = gate.look(queue, policy, now=now, over=over, wanted=wanted)
            purse.grant, purse.asked_at = grant, self._clock()
            if grant.credits == 0:
                raise Full(grant.depth, grant.processes)
            return Pass(grant.credits, spent=0)
        full = None if over else purse.refused
        if full is not None and self._clock() < purse.refused_until:
            raise Full(full.depth, full.processes)
        if full is None:
            purse.lock.acquire()
        elif not purse.lock.acquire(blocking=False):
            # Somebody asks whether it is full still: the others need not wait for the answer.
            raise Full(full.depth, full.processes)
        try:
            self._tidy(purse)
            if purse.credits == 0:
                self._ask(queue, purse, policy, now, over, wanted)
            count = min(purse.credits, wanted)
            purse.credits -= count
            purse.passing.enter(self._clock(), count)
        finally:
            purse.lock.release()
        return Pass(count, spent=count)

    def leave(self, queue: str, *, now: datetime, count: int = 1) -> None:
        """Submissions that entered were committed, or came to nothing.

        Far from the limit that is told with the next contact. Near it others may be waiting for just this credit; and
        many credits are missed anywhere.
        """
        purse = self._purse(queue)
        with purse.lock:
            purse.passing.leave(count)
            if (purse.near or count > 1) and not connection.in_atomic_block:
                # Within the lock: another thread's contact must not be overwritten with what was true before it.
                gate.report(queue, holding=self._holding(purse), now=now)

    def room(self, queue: str) -> int | None:
        """About how many more the queue takes, as of the last contact; None if that was some time ago."""
        purse = self._purse(queue)
        lately = self._clock() - purse.asked_at <= ROOM_SECONDS
        return purse.grant.room if purse.grant is not None and lately else None

    def processes(self, queue: str) -> int:
        """How many processes share what the queue takes, as of the last contact; at least this one."""
        grant = self._purse(queue).grant
        return 1 if grant is None else grant.processes

    def _ask(self, queue: str, purse: _Purse, policy: Policy, now: datetime, over: bool, wanted: int) -> None:
        grant, began = None, self._clock()
        if not over and purse.refused is not None and self._clock() - purse.taken_at < RENEW_SECONDS:
            grant = gate.still_closed(queue, policy, now=now)
        if grant is None:
            grant = gate.contact(queue, policy, holding=self._holding(purse), now=now, over=over, wanted=wanted)
            purse.taken_at = self._clock()
        purse.grant, purse.asked_at, purse.credits = grant, self._clock(), grant.credits
        purse.near = grant.credits <= 1
        purse.refused = None if grant.credits else grant
        if not grant.credits:
            cost = max(self._clock() - began - gate.CHEAP_SECONDS, 0.0)
            purse.refused_until = self._clock() + max(REFUSAL_SECONDS, gate.DUTY * cost)
            raise Full(grant.depth, grant.processes)

    def _begin_anew(self, purse: _Purse, policy: Policy) -> None:
        """Credits and refusals were of other bounds."""
        with purse.lock:
            purse.policy, purse.credits, purse.refused = policy, 0, None

    def _tidy(self, purse: _Purse) -> None:
        if self._clock() - purse.taken_at > CREDIT_SECONDS:
            purse.credits = 0
        purse.passing.forget(before=self._clock() - gate.HELD_FOR.total_seconds())

    def _holding(self, purse: _Purse) -> int:
        return purse.credits + purse.passing.count

    def _purse(self, queue: str) -> _Purse:
        with self._lock:
            return self._purses.setdefault(queue, _Purse())


turnstile = Turnstile()
os.register_at_fork(after_in_child=turnstile.forget)
