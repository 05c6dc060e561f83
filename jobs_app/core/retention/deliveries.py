"""The log of webhooks: kept for 30 days."""

from __future__ import annotations

from datetime import datetime, timedelta

from jobs_app.core.retention import batches
from jobs_app.core.turns import Turns
from jobs_app.models import Delivery

KEPT = timedelta(days=30)


def prune(*, now: datetime, turns: Turns) -> int:
    """Delete deliveries of jobs that ended longer ago. Returns how many."""
    return batches.delete(Delivery.objects.filter(at__lt=now - KEPT).order_by("at"), turns)
