"""Adding up what the ledger says. Pure: rows in, sums out; nothing here knows a database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from jobs_app.histograms import bin_of, micros_of
from jobs_app.lifecycle import EventName, State
from jobs_app.steps import Step

COUNTED = {
    EventName.SUBMITTED: "submitted",
    EventName.CLAIMED: "started",
    EventName.SUCCEEDED: "succeeded",
    EventName.FAILED: "failed",
    EventName.EXPIRED: "failed",
    EventName.RETRY_PLANNED: "retried",
    EventName.CANCELLED: "cancelled",
    EventName.RESCUED: "rescued",
    EventName.CHILDREN_AWAITED: "",
}
"""Which count a move adds to. A handler that ends and whose job waits for children adds its run time to no count."""

COUNTS = tuple(dict.fromkeys(filter(None, COUNTED.values())))


EVERYONE = -1
"""In the place of an owner: the sums of all owners, so that whoever sees them all reads one row for so many."""


class Key(NamedTuple):
    """What is counted apart. ``at``: the beginning of the bucket. owner: 0 for the system. kind: empty for refusals."""

    at: datetime
    queue: str
    kind: str
    owner: int


class Happened(NamedTuple):
    """An event, with what is needed of its job. ``since``: when the job came into the state that it left by it."""

    id: int
    at: datetime
    name: str
    source: str
    target: str
    queue: str
    kind: str
    owner: int | None
    since: datetime | None


class Refused(NamedTuple):
    """A row of refusals."""

    id: int
    at: datetime
    queue: str
    owner: int | None
    reason: str
    times: int


@dataclass
class Sums:
    """What one bucket holds. Empty counts are left out, so that equal sums are equal objects."""

    counts: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    wait: Counter[int] = field(default_factory=Counter)
    run: Counter[int] = field(default_factory=Counter)
    wait_micros: int = 0
    run_micros: int = 0

    def add(self, other: Sums) -> None:
        """Add another bucket's sums to these."""
        self.counts.update(other.counts)
        self.refused.update(other.refused)
        self.wait.update(other.wait)
        self.run.update(other.run)
        self.wait_micros += other.wait_micros
        self.run_micros += other.run_micros

    def count(self, event: Happened) -> None:
        """Count one event; what is no move (a refused write, a wish to cancel) counts as nothing."""
        name = COUNTED.get(event.name)  # type: ignore[call-overload]  # the names are strings, and may be newer than we
        if name is None or event.source == event.target:
            return
        if name:
            self.counts[name] += 1
        if event.since is None:
            return
        if event.target == State.RUNNING:
            micros = micros_of(event.at - event.since)
            self.wait[bin_of(micros)] += 1
            self.wait_micros += micros
        elif event.source == State.RUNNING and name != "rescued":
            micros = micros_of(event.at - event.since)
            self.run[bin_of(micros)] += 1
            self.run_micros += micros


Buckets = dict[Key, Sums]


def of_events(events: Iterable[Happened]) -> Buckets:
    """Events added up by minute."""
    found: Buckets = {}
    for each in events:
        if each.name not in COUNTED:
            continue
        key = Key(Step.MINUTE.floor(each.at), each.queue, each.kind, each.owner or 0)
        sums = found.get(key)
        if sums is None:
            sums = found[key] = Sums()
        sums.count(each)
    return {key: sums for key, sums in found.items() if sums.counts or sums.run}


def of_refusals(refusals: Iterable[Refused]) -> Buckets:
    """Refusals added up by minute."""
    found: Buckets = {}
    for each in refusals:
        key = Key(Step.MINUTE.floor(each.at), each.queue, "", each.owner or 0)
        found.setdefault(key, Sums()).refused[each.reason] += each.times
    return found


def add(buckets: Buckets, more: Mapping[Key, Sums]) -> Buckets:
    """Add ``more`` to ``buckets``, which are changed and returned."""
    for key, sums in more.items():
        buckets.setdefault(key, Sums()).add(sums)
    return buckets


def together(buckets: Mapping[Key, Sums]) -> Buckets:
    """The sums of all owners."""
    found: Buckets = {}
    for key, sums in buckets.items():
        found.setdefault(key._replace(owner=EVERYONE), Sums()).add(sums)
    return found


def coarser(minutes: Mapping[Key, Sums], step: Step) -> Buckets:
    """Minutes added up to longer buckets."""
    found: Buckets = {}
    for key, sums in minutes.items():
        found.setdefault(key._replace(at=step.floor(key.at)), Sums()).add(sums)
    return found
