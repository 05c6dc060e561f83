"""The latest result of each schedule: what its report shows, and so what is kept however old it is."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet

from jobs_app.lifecycle import State
from jobs_app.models import Job, Tick


def latest_of_schedules(now: datetime) -> QuerySet[Job]:
    """Jobs of ticks that have succeeded, with no later tick of the same schedule whose job has."""
    later = Tick.objects.filter(
        schedule=OuterRef("schedule"), due_at__gt=OuterRef("due_at"), job__state=State.SUCCEEDED
    )
    latest = Tick.objects.filter(~Exists(later), job=OuterRef("pk"))
    return Job.objects.filter(Exists(latest), state=State.SUCCEEDED)
