"""What came of a bulk action: counts, the first refusals by reason, the first new jobs. All of it is bounded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from jobs_app.core.bulk.judging import Verdict
from jobs_app.core.bulk.orders import Action, Order
from jobs_app.results import Table

REASONS = 12
"""Reasons that are told apart; all further ones are told as one."""

EXAMPLES = 3
MADE = 5
REASON_LENGTH = 200
OTHER = "other reasons"


@dataclass
class Tally:
    """The counts so far."""

    counts: dict[str, int] = field(default_factory=dict)
    refused: dict[str, list[Any]] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)

    def count(self, verdict: Verdict, number: int = 1) -> None:
        """So many jobs came to this."""
        if number:
            self.counts[verdict] = self.counts.get(verdict, 0) + number

    def note_made(self, job: UUID) -> None:
        """A new job; the first are told."""
        if len(self.made) < MADE:
            self.made.append(str(job))

    def refuse(self, reason: str, jobs: Iterable[UUID]) -> None:
        """Nothing was done to these, for this reason."""
        reason = reason[:REASON_LENGTH]
        if reason not in self.refused and len(self.refused) >= REASONS:
            reason = OTHER
        told = self.refused.setdefault(reason, [0])
        for job in jobs:
            told[0] += 1
            if len(told) <= EXAMPLES:
                told.append(str(job))

    @property
    def done(self) -> int:
        """Jobs to which something was done."""
        return sum(self.counts.values())

    @property
    def left_alone(self) -> int:
        """Jobs to which nothing was."""
        return sum(told[0] for told in self.refused.values())

    def words(self) -> str:
        """The counts in a line."""
        told = [f"{count:,} {verdict}" for verdict, count in self.counts.items()]
        return ", ".join(told + ([f"{self.left_alone:,} left alone"] if self.left_alone else [])) or "none so far"

    def kept(self) -> dict[str, Any]:
        """As it stands in a checkpoint."""
        return {"counts": self.counts, "refused": self.refused, "made": self.made}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Tally:
        """From a checkpoint."""
        return cls(dict(kept["counts"]), {why: list(told) for why, told in kept["refused"].items()}, [*kept["made"]])

    def result(self, order: Order, tag: str) -> dict[str, Any]:
        """What the job returns: facts, and tables to draw."""
        told: dict[str, Any] = {
            "action": order.action.value,
            "which": order.which,
            **({"priority": order.priority} if order.action is Action.REPRIORITISE else {}),
            "done": self.done,
            "left_alone": self.left_alone,
            "what_was_done": _table(["what", "jobs"], [[verdict, count] for verdict, count in self.counts.items()]),
        }
        if self.refused:
            rows = [[why, count, ", ".join(first)] for why, (count, *first) in self.refused.items()]
            told["why_some_were_left_alone"] = _table(["why", "jobs", "such as"], rows)
        if self.made:
            told["find_the_new_jobs_by"] = f"tag:{tag}"
            told["first_new_jobs"] = _table(["job"], [[each] for each in self.made])
        return told


def _table(columns: list[str], rows: list[list[Any]]) -> dict[str, Any]:
    return Table(columns=columns, rows=rows, total_rows=len(rows)).model_dump(mode="json")
