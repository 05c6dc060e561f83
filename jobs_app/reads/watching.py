"""What a list that is already on screen asks again: how its jobs stand now, and how many came since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Max

from jobs_app.core import access
from jobs_app.criteria import JobFilter
from jobs_app.models import Event, Job
from jobs_app.reads.jobs import PAGE_LIMIT
from jobs_app.reads.views import JobView

if TYPE_CHECKING:
    from jobs_app.reads.jobs import Reader

EVENTS = 5000
"""Events that one look at what changed reads; what is left is the next look's."""


def shown(user: Reader, job_ids: Sequence[UUID]) -> list[JobView]:
    """These jobs, as far as this user sees them, in the order given; at most 200."""
    wanted = list(job_ids)[:PAGE_LIMIT]
    rows = Job.objects.visible_to(user).select_related("owner").defer("result", "sealed").filter(id__in=wanted)
    found = {row.id: JobView.of(row, user) for row in rows}
    return [found[each] for each in wanted if each in found]


def newer(user: Reader, wanted: JobFilter, newest: UUID | None) -> int:
    """How many jobs of a list came after its ``newest`` one; counted up to 200."""
    rows = access.sought(user, wanted)
    if newest is not None:
        rows = rows.filter(id__gt=newest)
    return len(rows.values_list("id")[:PAGE_LIMIT])


def changed_owners(last: int | None) -> tuple[int, set[int | None]]:
    """Whose jobs have moved since the event ``last``: the newest event there is, and the owners (None: the system).

    One query for all that watch. Without ``last``: from now on. Asks not who may know: its caller tells each owner of
    their own only.
    """
    if last is None:
        return Event.objects.aggregate(newest=Max("id"))["newest"] or 0, set()
    rows = list(Event.objects.filter(id__gt=last).values_list("id", "job__owner_id").order_by("id")[:EVENTS])
    return (rows[-1][0], {owner for _, owner in rows}) if rows else (last, set())
