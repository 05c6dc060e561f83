"""What a list that is already on screen asks again: how its jobs stand now, and how many came since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from jobs_app.models import Job
from jobs_app.reads.jobs import PAGE_LIMIT, JobFilter, filtered
from jobs_app.reads.views import JobView

if TYPE_CHECKING:
    from jobs_app.reads.jobs import Reader


def shown(user: Reader, job_ids: Sequence[UUID]) -> list[JobView]:
    """These jobs, as far as this user sees them, in the order given; at most 200."""
    wanted = list(job_ids)[:PAGE_LIMIT]
    rows = Job.objects.visible_to(user).select_related("owner").defer("result", "sealed").filter(id__in=wanted)
    found = {row.id: JobView.of(row, user) for row in rows}
    return [found[each] for each in wanted if each in found]


def newer(user: Reader, wanted: JobFilter, newest: UUID | None) -> int:
    """How many jobs of a list came after its ``newest`` one; counted up to 200."""
    rows = filtered(Job.objects.visible_to(user), user, wanted)
    if newest is not None:
        rows = rows.filter(id__gt=newest)
    return len(rows.values_list("id")[:PAGE_LIMIT])
