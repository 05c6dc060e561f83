"""The log of webhooks: kept for 30 days."""

from __future__ import annotations

from datetime import datetime, timedelta

from jobs_app.core.turns import Turns
from jobs_app.models import Delivery
from jobs_app.models.guard import writing

KEPT = timedelta(days=30)
ROWS = 2_000


def prune(*, now: datetime, turns: Turns) -> int:
    """Delete deliveries of jobs that ended longer ago. Returns how many."""
    deleted = 0
    while turns.take():
        ids = list(Delivery.objects.filter(at__lt=now - KEPT).order_by("at").values_list("pk", flat=True)[:ROWS])
        if ids:
            with writing():
                deleted += Delivery.objects.filter(pk__in=ids).delete()[0]
        if len(ids) < ROWS:
            break
    return deleted
