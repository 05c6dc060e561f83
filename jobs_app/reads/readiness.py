"""Readiness: a few questions, each bounded in time, whose answers tell whether Weir does its work now."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor

from jobs_app import conf, wire
from jobs_app.core import clock, transport
from jobs_app.core.patience import watch
from jobs_app.errors import BrokerAway, InvalidRequest
from jobs_app.reads import figures
from jobs_app.reads.figures import Lane

LEDGER_SECONDS = 3.0
ASK_SECONDS = 3.0
MEGABYTE = 1 << 20
NAMED = 5
"""Queues that one sentence names."""


class Standing(StrEnum):
    """How a question was answered. A warning is no reason to send work elsewhere."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Check:
    """One question and its answer, in words for those who run Weir."""

    name: str
    standing: Standing
    words: str


NAMES = ("ledger", "tables", "upkeep", "workers", "age", "disk", "broker")
OF_LEDGER = frozenset({"tables", "upkeep", "workers", "age"})
_migrated = threading.Event()
"""Tables that fit once go on to fit this code."""


def named(text: str) -> frozenset[str]:
    """The questions that a text names, between commas. Raises InvalidRequest for one that there is not."""
    names = frozenset(text[:200].split(","))
    if not names <= set(NAMES):
        got = ", ".join(sorted(names - set(NAMES)))
        raise InvalidRequest(f"expected checks among {', '.join(NAMES)}, got {got[:100] or 'none'}")
    return names


def checks(only: Collection[str] = NAMES) -> list[Check]:
    """Ask. only: names of questions."""
    found = {check.name: check for check in _of_ledger(only)}
    if "disk" in only:
        found["disk"] = _within("disk", Standing.FAILED, _disk)
    if "broker" in only:
        # Submitting works without one, and the database finds what was not sent.
        found["broker"] = _within("broker", Standing.WARNING, _broker)
    return [found[name] for name in NAMES if name in found and name in only]


def ready(found: Collection[Check]) -> bool:
    """Whether nothing failed."""
    return all(check.standing is not Standing.FAILED for check in found)


def _of_ledger(only: Collection[str]) -> list[Check]:
    if not {"ledger", *OF_LEDGER} & set(only):
        return []
    found: list[Check] = []
    try:
        with watch.call(LEDGER_SECONDS):
            now = clock.database_now()
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            found.append(Check("ledger", Standing.OK, "it answers"))
            tables = _tables() if OF_LEDGER & set(only) else None
            if tables is not None:
                found.append(tables)
            if tables is not None and tables.standing is Standing.OK:
                found += _of_work(only, now)
    except Error as error:
        connection.close()
        found = [Check("ledger", Standing.FAILED, f"it does not answer: {type(error).__name__}")]
    there = {check.name for check in found}
    unknown = [name for name in NAMES if name in OF_LEDGER - there]
    return found + [Check(name, Standing.FAILED, "not known, for what the checks before say") for name in unknown]


def _tables() -> Check:
    """Whether every migration of this release has been applied."""
    if not _migrated.is_set():
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if missing:
            return Check("tables", Standing.FAILED, f"{len(missing)} migrations are missing; run manage.py migrate")
        _migrated.set()
    return Check("tables", Standing.OK, "they are this release's")


def _of_work(only: Collection[str], now: datetime) -> list[Check]:
    settings = conf.current()
    age = figures.upkeep_age(now=now)
    found = [_judged("upkeep", age, settings.ready_upkeep_seconds, "upkeep measured last")]
    if not {"workers", "age"} & set(only):
        return found
    lanes = {name: lane for name, lane in figures.lanes_now(now=now).items() if lane.policy.paused_at is None}
    unserved = {
        name: lane
        for name, lane in lanes.items()
        if not lane.listening.slots and lane.oldest_age > settings.ready_unserved_seconds
    }
    old = {name: lane for name, lane in lanes.items() if lane.oldest_age > (settings.ready_queue_age_seconds or 1e18)}
    return [
        *found,
        _of_lanes("workers", unserved, "no worker takes jobs of", "queues with jobs that wait have workers"),
        _of_lanes("age", old, "jobs have waited for long in", "no job has waited for too long"),
    ]


def _judged(name: str, age: float, most: float, words: str) -> Check:
    standing = Standing.OK if age <= most else Standing.FAILED
    told = f"{age:.0f} s ago" if age < 1e9 else "never yet"
    return Check(name, standing, f"{words} {told}; expected at most {most:g} s")


def _of_lanes(name: str, bad: dict[str, Lane], words: str, well: str) -> Check:
    if not bad:
        return Check(name, Standing.OK, well)
    listed = ", ".join(f"{queue} ({lane.oldest_age:.0f} s)" for queue, lane in list(bad.items())[:NAMED])
    return Check(name, Standing.FAILED, f"{words} {listed}")


def _disk() -> Check:
    free, least = figures.free_bytes() // MEGABYTE, conf.current().ready_free_megabytes
    standing = Standing.OK if free >= least else Standing.FAILED
    return Check("disk", standing, f"{free:,} MB are free for artifacts; expected at least {least:,}")


def _broker() -> Check:
    try:
        transport.depth(wire.SYSTEM_QUEUE)
    except BrokerAway as error:
        return Check("broker", Standing.WARNING, type(error.__cause__ or error).__name__)
    return Check("broker", Standing.OK, "it answers")


def _within(name: str, late: Standing, ask: Callable[[], Check]) -> Check:
    """The answer, or that there was none in time: then the thread that asks is left to its own timeouts."""
    found: list[Check] = []
    thread = threading.Thread(target=lambda: found.append(ask()), name=f"weir-ready-{name}", daemon=True)
    thread.start()
    thread.join(ASK_SECONDS)
    return found[0] if found else Check(name, late, f"no answer within {ASK_SECONDS:g} s")
