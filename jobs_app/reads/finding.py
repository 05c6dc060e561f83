"""Finding a few jobs by what somebody types: the beginning of an id, as it is copied from a log, a word, or a search.

A word is taken for a part of a kind's name, for a tag, or for an owner. It is looked for while the reader waits, so in
bounded time: what would take longer is not found here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from jobs_app import registry, searching
from jobs_app.core import access
from jobs_app.criteria import JobFilter
from jobs_app.errors import InvalidRequest
from jobs_app.models import Job
from jobs_app.models.job import JobQuerySet
from jobs_app.reads.bounds import TookTooLong, within
from jobs_app.reads.views import JobView

if TYPE_CHECKING:
    from jobs_app.reads.jobs import Reader

LEAST = 4
"""So many digits are needed: fewer would fit nearly every job of a year."""

MOST = 8
KINDS = 3
"""Kinds that a word may mean; a word that more have in their names means none."""

WORD = 2
"""So many characters make a word."""

IN_ALL = timedelta(milliseconds=150)
DIGITS = re.compile(rf"[0-9a-f]{{{LEAST},32}}")


@dataclass(frozen=True)
class Found:
    """The newest jobs that were found, at most eight, and the searches that find all of them."""

    jobs: list[JobView]
    searches: list[str]


def find(user: Reader, text: str, *, now: datetime) -> Found:
    """What this user sees of the jobs that a text means; nothing for one that means none."""
    until = time.monotonic() + IN_ALL.total_seconds()
    rows: dict[UUID, Job] = {}
    searches = []
    try:
        rows |= _newest(_by_id(user, text), until)
        for wanted in _filters(text.strip()) if not rows else ():
            new = _newest(access.sought(user, wanted.at(now)), until)
            searches += [searching.text_of(wanted)] if new else []
            rows |= new
    except (InvalidRequest, TookTooLong):
        pass  # half typed, or too much to look through
    found = sorted(rows.values(), key=lambda each: each.id, reverse=True)
    return Found([JobView.of(each, user) for each in found[:MOST]], searches)


def _newest(rows: JobQuerySet, until: float) -> dict[UUID, Job]:
    with within(timedelta(seconds=until - time.monotonic())):
        shown = rows.select_related("owner").defer("result", "sealed").order_by("-id")[:MOST]
        return {each.id: each for each in shown}


def _by_id(user: Reader, text: str) -> JobQuerySet:
    """The jobs whose id begins like this; dashes do not count."""
    rows, digits = Job.objects.visible_to(user), text.strip().lower().replace("-", "")
    if not DIGITS.fullmatch(digits):
        return rows.none()
    low, high = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    return rows.filter(id__gte=low, id__lte=high)


def _filters(text: str) -> Iterator[JobFilter]:
    """What a text may mean, each looked for apart: by an index, and not by one for something else."""
    if ":" in text:
        yield searching.parse(text)
    elif len(text) >= WORD and text.isprintable():
        kinds = [each.name for each in registry.all_kinds() if text.lower() in each.name.lower()]
        for kind in kinds if len(kinds) <= KINDS else ():
            yield JobFilter(kind=kind)
        yield JobFilter(tags=(text,))
        yield JobFilter(owner=text)
