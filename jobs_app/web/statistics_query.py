"""What a page of statistics is asked for, in its address: a range, and of which jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.http import QueryDict

from jobs_app.errors import InvalidRequest
from jobs_app.models.job import SEE_ALL
from jobs_app.reads.statistics import By, Question
from jobs_app.steps import Step

SYSTEM = "(system)"
"""Stands for the system's own jobs; no user can be called so."""

LONGEST = {"kind": 100, "queue": 100, "owner": 150, "end": 40}


@dataclass(frozen=True)
class Range:
    """A length of time that can be chosen, and the buckets it is told in."""

    key: str
    words: str
    length: timedelta
    step: Step


RANGES = {
    each.key: each
    for each in (
        Range("1h", "1 hour", timedelta(hours=1), Step.MINUTE),
        Range("3h", "3 hours", timedelta(hours=3), Step.MINUTE),
        Range("24h", "24 hours", timedelta(hours=24), Step.HOUR),
        Range("3d", "3 days", timedelta(days=3), Step.HOUR),
        Range("7d", "7 days", timedelta(days=7), Step.HOUR),
        Range("30d", "30 days", timedelta(days=30), Step.DAY),
        Range("90d", "90 days", timedelta(days=90), Step.DAY),
    )
}
USUAL = "24h"


@dataclass(frozen=True)
class Asked:
    """What was asked, checked. end: None is now."""

    range: Range
    kind: str = ""
    queue: str = ""
    owner: str = ""
    end: datetime | None = None
    by: By = By.KIND

    def question(self, now: datetime, *, grouped: bool) -> Question:
        """For the rollups: whole buckets, the last of which may be the one that goes on."""
        end = self.range.step.ceiling(self.end or now)
        owner = None if not self.owner else "" if self.owner == SYSTEM else self.owner
        return Question(
            step=self.range.step, begin=end - self.range.length, end=end, kind=self.kind or None,
            queue=self.queue or None, owner=owner, by=self.by if grouped else None,
        )  # fmt: skip

    def query(self, **changes: Any) -> str:
        """The address's query with some of it replaced."""
        end = self.end.strftime("%Y-%m-%dT%H:%MZ") if self.end else ""
        own = {"range": self.range.key, "kind": self.kind, "queue": self.queue, "owner": self.owner, "end": end}
        merged = {**own, "by": "" if self.by is By.KIND else self.by.value, **changes}
        return f"?{urlencode({name: value for name, value in merged.items() if value})}"


def read(given: QueryDict, user: User) -> Asked:
    """From an address. Raises InvalidRequest for what is none of the offers; who may not choose an owner has none."""
    for name, most in LONGEST.items():
        text = given.get(name, "")
        if len(text) > most or not text.isprintable():
            raise InvalidRequest(f"expected {name} to be printable text of at most {most} characters")
    key, by = given.get("range") or USUAL, given.get("by") or By.KIND.value
    if key not in RANGES:
        raise InvalidRequest(f"expected a range ({', '.join(RANGES)}), got {key[:40]!r}")
    if by not in list(By):
        raise InvalidRequest(f"expected totals by {', '.join(By)}, got {by[:40]!r}")
    owner = given.get("owner", "").strip() if user.has_perm(SEE_ALL) else ""
    return Asked(
        RANGES[key], given.get("kind", ""), given.get("queue", ""), owner, _moment(given.get("end", "")), By(by)
    )


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidRequest(f"expected end to be a time such as 2030-01-31T09:00Z, got {text!r}") from None
