"""What rollups should be, counted another way: row by row, in Python, from all that was ever in the ledger."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jobs_app.core.rollups.sums import EVERYONE
from jobs_app.models import Event, Refusal, Rollup
from jobs_app.steps import Step

NAMES = {
    "submitted": "submitted",
    "claimed": "started",
    "succeeded": "succeeded",
    "failed": "failed",
    "expired": "failed",
    "retry planned": "retried",
    "cancelled": "cancelled",
    "rescued": "rescued",
}
Bucket = tuple[str, datetime, str, str, int]


@dataclass
class Diary:
    """Every event and refusal that was ever seen; ``look`` before anything is pruned."""

    events: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    refusals: dict[int, tuple[Any, ...]] = field(default_factory=dict)

    def look(self) -> Diary:
        """Write down what is in the ledger now."""
        columns = ("job_id", "at", "name", "source", "target", "job__queue", "job__kind", "job__owner")
        for number, *event in Event.objects.values_list("id", *columns):
            self.events[number] = tuple(event)
        for number, *refusal in Refusal.objects.values_list("id", "at", "queue", "owner", "reason", "count"):
            self.refusals[number] = tuple(refusal)
        return self

    def counts(self) -> dict[Bucket, Counter[str]]:
        """What was counted, by bucket of every step."""
        found: dict[Bucket, Counter[str]] = defaultdict(Counter)
        for _, at, name, source, target, queue, kind, owner in self.events.values():
            if name in NAMES and source != target:
                for step in Step:
                    found[step, step.floor(at), queue, kind, owner or 0][NAMES[name]] += 1
        for at, queue, owner, reason, count in self.refusals.values():
            for step in Step:
                found[step, step.floor(at), queue, "", owner or 0][f"refused {reason}"] += count
        return dict(found)

    def durations(self, state: str) -> dict[Bucket, list[float]]:
        """Seconds that jobs spent in a state, by the bucket in which each left it; sorted."""
        came: dict[Any, datetime] = {}
        found: dict[Bucket, list[float]] = defaultdict(list)
        for _, (job, at, name, source, target, queue, kind, owner) in sorted(self.events.items()):
            if source == target:
                continue
            if source == state and (target == "running" or state == "running") and name != "rescued":
                for step in Step:
                    seconds = max((at - came[job]).total_seconds(), 0)
                    found[step, step.floor(at), queue, kind, owner or 0].append(seconds)
            came[job] = at
        return {key: sorted(values) for key, values in found.items()}


def counted(*, gone: bool = False, together: bool = False) -> dict[Bucket, Counter[str]]:
    """What the rollups say: of each owner, or of all together."""
    found = {}
    for row in Rollup.objects.filter(gone=gone, **({"owner": EVERYONE} if together else {"owner__gte": 0})):
        counts = Counter({name: getattr(row, name) for name in set(NAMES.values()) if getattr(row, name)})
        counts.update({f"refused {reason}": count for reason, count in row.refused.items()})
        found[bucket_of(row)] = counts
    return found


def of_all_owners(found: Mapping[Bucket, Counter[str]]) -> dict[Bucket, Counter[str]]:
    """The same counts, without telling owners apart."""
    summed: dict[Bucket, Counter[str]] = defaultdict(Counter)
    for (step, at, queue, kind, _), counts in found.items():
        summed[step, at, queue, kind, EVERYONE].update(counts)
    return dict(summed)


def bucket_of(row: Rollup) -> Bucket:
    return (row.step, row.at, row.queue, row.kind, row.owner)


def nearest_rank(values: Sequence[float], part: float) -> float:
    """The quantile as it is defined: the least value that ``part`` of them do not exceed. ``values`` are sorted."""
    return values[max(1, math.ceil(part * len(values) - 1e-9)) - 1]


def pooled(found: Iterable[Sequence[float]]) -> list[float]:
    """Several lists as one, sorted."""
    return sorted(value for values in found for value in values)
