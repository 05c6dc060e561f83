"""How many jobs a list has in each state: asked for apart from its rows, and never for longer than is worth it.

Each number is counted up to a bound, and on PostgreSQL for a bounded time: a list of a million jobs is not counted.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import connection, transaction

from jobs_app.core import access
from jobs_app.criteria import JobFilter
from jobs_app.lifecycle import State
from jobs_app.models.job import JobQuerySet
from jobs_app.reads.bounds import TookTooLong, within

if TYPE_CHECKING:
    from jobs_app.reads.jobs import Reader

BOUND = 10_000
EACH, IN_ALL = timedelta(milliseconds=40), timedelta(milliseconds=100)
"""What the count of one state may take, and those of all states together."""

ORDER = (*(each for each in State if each is not State.SUCCEEDED), State.SUCCEEDED)
"""What most jobs are comes last: if the time is up, it is that which is not told."""


@dataclass(frozen=True)
class Count:
    """So many jobs; ``more``: and others that were not counted."""

    number: int
    more: bool


def by_state(user: Reader, wanted: JobFilter) -> dict[State, Count | None]:
    """The jobs that this user sees of a filter, whatever states it names, by state. None: it would have taken too long.

    The filter's times must be times: see ``JobFilter.at``.
    """
    rows = access.sought(user, replace(wanted, states=()))
    if connection.vendor != "postgresql":
        return {state: _count(rows, state) for state in State}
    until = time.monotonic() + IN_ALL.total_seconds()
    with transaction.atomic():
        found = {state: _count_until(until, rows, state) for state in ORDER}
    return {state: found[state] for state in State}


def _count_until(until: float, rows: JobQuerySet, state: State) -> Count | None:
    try:
        with within(min(timedelta(seconds=until - time.monotonic()), EACH)):
            return _count(rows, state)
    except TookTooLong:
        return None


def _count(rows: JobQuerySet, state: State) -> Count:
    number = rows.filter(state=state).order_by().values("id")[: BOUND + 1].count()
    return Count(min(number, BOUND), number > BOUND)
