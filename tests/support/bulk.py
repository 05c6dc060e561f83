"""Bulk actions, turn by turn in this process: what a worker does, with a checkpoint kept as a worker's is."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User

from jobs_app.core.bulk import planning, turns
from jobs_app.core.bulk.orders import Order
from jobs_app.core.bulk.turns import Turn
from jobs_app.models import Job


def ordered(action: str, query: str = "", *, actor: User | None = None, now: datetime, **given: Any) -> Job:
    """A bulk action that was submitted."""
    return planning.submit(Order.of({"action": action, "query": query, **given}), actor=actor, now=now).job


class Run:
    """One bulk action under way. ``kept`` went through JSON, as a checkpoint does."""

    def __init__(self, bulk: Job, now: datetime) -> None:
        self.bulk, self.now, self.kept = bulk, now, None
        self.said: list[str] = []

    def keep(self, value: Any) -> None:
        self.kept = json.loads(json.dumps(value))

    def turn(self) -> Turn:
        """Take one turn."""
        given = {**self.bulk.parameters, "ids": [UUID(each) for each in self.bulk.parameters["ids"]]}
        given["as_of"] = datetime.fromisoformat(given["as_of"]) if given["as_of"] else None
        return turns.take(self.bulk.id, given, self.kept, keep=self.keep, note=self.said.append, now=self.now)

    def to_the_end(self) -> dict[str, Any]:
        """Take turns until it is through; returns the result. Fails if there was no room on the way."""
        while (turn := self.turn()).result is None:
            assert turn.wait is None, turn.why
        return turn.result


def done(action: str, query: str = "", *, actor: User | None = None, now: datetime, **given: Any) -> dict[str, Any]:
    """Submit one, and take all of its turns."""
    return Run(ordered(action, query, actor=actor, now=now, **given), now).to_the_end()


def counts(result: dict[str, Any]) -> dict[str, int]:
    """What was done to how many."""
    return dict(result["what_was_done"]["rows"])


def reasons(result: dict[str, Any]) -> dict[str, int]:
    """Why how many were left alone."""
    return {why: count for why, count, _ in result.get("why_some_were_left_alone", {"rows": []})["rows"]}
