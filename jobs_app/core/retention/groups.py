"""Groups of failures: forgotten when they were not seen for long, and no job of theirs is left."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from jobs_app.core.retention import batches
from jobs_app.core.rollups import cursor
from jobs_app.core.turns import Turns
from jobs_app.models import FailureCount, FailureGroup, FailureSight, Job
from jobs_app.models.failure import EVERYBODY
from jobs_app.models.guard import writing
from jobs_app.steps import Step

UNSEEN = timedelta(days=90)
"""What people have said of a group holds so long after it was seen last."""

KEPT = {Step.MINUTE: timedelta(hours=1), Step.HOUR: timedelta(days=2), Step.DAY: UNSEEN}
"""A little longer than anything that reads the counts looks back."""

GROUPS = 100


def prune(*, now: datetime, turns: Turns) -> int:
    """Prune counts that nothing reads, and what was seen of jobs that are gone. Returns how many rows."""
    deleted = 0
    for step, kept in KEPT.items():
        old = FailureCount.objects.filter(step=step, at__lt=now - kept).order_by("at")
        deleted += batches.delete(old, turns)
    for owners in (Q(owner=EVERYBODY), Q(owner=0), Q(owner__gt=0)):
        if turns.take():
            deleted += _prune_sights(owners, now)
    return deleted


def _prune_sights(owners: Q, now: datetime) -> int:
    """What was seen of these owners' jobs, if that is long ago and none of them is left; of everybody's, the group."""
    # Said aloud that it is not empty: else PostgreSQL does not see that an index of such jobs will do.
    jobs = Job.objects.filter(~Q(fingerprint=""), fingerprint=OuterRef("group"))
    if owners == Q(owner=0):
        jobs = jobs.filter(owner=None)
    elif owners != Q(owner=EVERYBODY):
        jobs = jobs.filter(owner=OuterRef("owner"))
    place = cursor.read()
    rows = FailureSight.objects.filter(owners, ~Exists(jobs), last_seen__lt=now - UNSEEN)
    found = list(rows.values_list("pk", "group")[:GROUPS])
    if not found:
        return 0
    with transaction.atomic(), writing():
        # As for all that is rolled up: nobody has counted anything since they were looked at.
        if not cursor.advance(place):
            return 0
        if owners == Q(owner=EVERYBODY):
            return FailureGroup.objects.filter(pk__in=[group for _, group in found]).delete()[0]
        return FailureSight.objects.filter(pk__in=[key for key, _ in found]).delete()[0]
