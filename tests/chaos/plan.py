"""What a seed stands for: which jobs are submitted, which faults come when. Pure: the same seed, the same plan."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent

CALM = 2.0
"""Seconds at the beginning without a fault, so that there is something to break."""

GAP = 1.4
"""Seconds between two faults, on average."""

SUBMITTING = 0.75
"""The part of the time in which jobs are submitted."""

KINDS = {"chaos.quick": 68, "chaos.slow": 10, "chaos.atomic": 12, "chaos.failing": 10}
"""Jobs of each kind in a hundred."""

FAULTS: dict[str, tuple[int, float, float]] = {
    "child killed": (3, 0, 0),
    "child frozen past its lease": (1, 0, 0),
    "worker and its children frozen past the lease": (1, 0, 0),
    "worker killed, its children left": (1, 0, 0),
    "worker and its children killed": (2, 0, 0),
    "worker frozen": (1, 2, 4),
    "worker told to stop": (2, 0, 0),
    "upkeep killed": (1, 0, 0),
    "upkeep frozen": (1, 1, 4),
    "beat killed": (1, 0, 0),
    "beat frozen": (1, 1, 4),
    "web killed": (1, 0, 0),
    "web frozen": (1, 1, 3),
    "broker flushed": (3, 0, 0),
    "broker's queues deleted": (1, 0, 0),
    "broker killed and back empty": (1, 0.5, 3),
    "broker killed and back as it was": (1, 0.5, 3),
    "broker frozen": (1, 1, 6),
    "broker filled": (1, 1, 3),
    "messages duplicated and shuffled": (2, 0, 0),
}
"""Faults of every combination: how often (a weight), and the shortest and longest duration in seconds."""

LONG = 1.0
"""An atomic job of so many seconds is frozen in its transaction now and then; on PostgreSQL alone: SQLite's one lock
would keep all others out."""

FIRST = "child frozen past its lease"
PAST_LEASE = {FIRST, "worker and its children frozen past the lease"}
"""These last a lease and a little, and on until the job has been taken over."""

FAULTS_OF: dict[str, dict[str, tuple[int, float, float]]] = {
    "postgresql": {"connections cut": (2, 0, 0), "database stopped": (1, 0.5, 3)},
    "sqlite": {"database locked": (2, 1, 5)},
    "valkey": {"broker out of memory": (1, 1, 4)},
    "rabbitmq": {},
    "sqs": {},
}


@dataclass(frozen=True)
class Fault:
    """One fault: when it comes (seconds from the start), how long it lasts, and a number that picks its victim."""

    at: float
    name: str
    seconds: float
    pick: int


@dataclass(frozen=True)
class Order:
    """One job to submit: when, what, by which way, and after how many seconds it is cancelled, if it is."""

    at: float
    key: str
    kind: str
    parameters: Mapping[str, Any]
    max_attempts: int | None
    by_http: bool
    cancel_after: float | None

    @property
    def ending(self) -> str:
        """The state in which it must end unless it is cancelled."""
        return "failed" if self.max_attempts is not None else "succeeded"


@dataclass(frozen=True)
class Plan:
    """All of it."""

    orders: tuple[Order, ...]
    faults: tuple[Fault, ...]


def make(seed: int, *, seconds: float, jobs: int, database: str, broker: str, lease: float) -> Plan:
    """The plan of a run. ``lease`` is LEASE_SECONDS: a process is frozen past it, and not much longer."""
    menu = FAULTS | FAULTS_OF[database] | FAULTS_OF[broker]
    orders = _orders(random.Random(f"orders {seed}"), seconds, jobs, long=database == "postgresql")
    return Plan(orders, _faults(seed, seconds, menu, lease))


def _faults(seed: int, seconds: float, menu: Mapping[str, tuple[int, float, float]], lease: float) -> tuple[Fault, ...]:
    """Each fault of the menu once, in random order, as far as the time goes; then by weight.

    A child that is frozen past its lease comes first: it is to have time to speak up again.
    """
    chance = random.Random(f"faults {seed}")
    names = sorted(chance.sample(sorted(menu), len(menu)), key=FIRST.__eq__)
    found, at = [], CALM
    while at < seconds:
        name = names.pop() if names else chance.choices(list(menu), [weight for weight, _, _ in menu.values()])[0]
        _, shortest, longest = menu[name]
        lasts = lease + chance.uniform(2, 3) if name in PAST_LEASE else chance.uniform(shortest, longest)
        found.append(Fault(round(at, 2), name, round(lasts, 2), chance.randrange(1 << 30)))
        at += chance.uniform(GAP / 2, GAP * 3 / 2)
    return tuple(found)


def _orders(chance: random.Random, seconds: float, jobs: int, *, long: bool) -> tuple[Order, ...]:
    times = sorted(chance.uniform(0, seconds * SUBMITTING) for _ in range(jobs))
    return tuple(_order(chance, at, number, long=long) for number, at in enumerate(times))


def _order(chance: random.Random, at: float, number: int, *, long: bool) -> Order:
    kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
    parameters: dict[str, Any] = {}
    max_attempts = None
    if kind == "chaos.slow":
        parameters = {"seconds": round(chance.uniform(0.2, 2.5), 2), "listens": chance.random() < 0.3}
    elif kind == "chaos.atomic":
        lasts = chance.choice([0, 0, 0.02, 0.1, chance.uniform(LONG, 2.5) if long else 0])
        parameters = {"seconds": round(lasts, 2)}
    elif kind == "chaos.failing":
        parameters = {"times": chance.randint(1, 3)}
        if chance.random() < 0.3:
            parameters, max_attempts = {"times": 1000}, chance.randint(1, 3)
    return Order(
        at=round(at, 3),
        key=f"order {number}",
        kind=kind,
        parameters=parameters,
        max_attempts=max_attempts,
        by_http=chance.random() < 0.9,
        cancel_after=round(chance.uniform(0, 3), 2) if chance.random() < 0.04 else None,
    )
