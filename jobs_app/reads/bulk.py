"""Bulk actions before they are submitted: what they would do, and the first of the jobs that are meant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from jobs_app.core.bulk import planning
from jobs_app.core.bulk.orders import Order
from jobs_app.core.bulk.planning import Plan
from jobs_app.errors import InvalidRequest
from jobs_app.reads.bounds import TookTooLong, within
from jobs_app.reads.views import JobView

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SAMPLE = 10
LONGEST = timedelta(seconds=3)
"""How long PostgreSQL may look for the jobs that are meant."""


@dataclass(frozen=True)
class Preview:
    """A plan, and the newest of the jobs that are meant."""

    plan: Plan
    sample: list[JobView]


def preview(user: User | None, order: Order, *, now: datetime) -> Preview:
    """What a bulk action would do now; nothing is done. Two queries. Raises InvalidRequest if that takes too long."""
    with _bounded():
        plan = planning.plan(order, user, now=now)
        rows = order.rows(user, as_of=plan.order.as_of or now).select_related("owner").defer("result", "sealed")
        return Preview(plan, [JobView.of(row, user) for row in rows.order_by("-id")[:SAMPLE]])


def count(user: User | None, order: Order, *, now: datetime) -> tuple[int, bool]:
    """How many jobs are meant, counted up to 10,000, and whether there are more. Raises as ``preview`` does."""
    with _bounded():
        rows = order.rows(user, as_of=now).order_by("-id").values("id")[: planning.COUNTED + 1]
        found = rows.count()
    return min(found, planning.COUNTED), found > planning.COUNTED


@contextmanager
def _bounded() -> Iterator[None]:
    try:
        with within(LONGEST):
            yield
    except TookTooLong:
        words = "expected a search whose jobs are found within {:.0f} s; name a state, a kind or a time as well"
        raise InvalidRequest(words.format(LONGEST.total_seconds())) from None
