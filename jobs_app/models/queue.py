"""A named, bounded lane of jobs."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from jobs_app.models.guard import Guarded, GuardedQuerySet


class Queue(Guarded):
    """One lane. ``window`` bounds its messages on the broker; a paused queue dispatches nothing."""

    name = models.CharField(max_length=100, primary_key=True)
    window = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: the WINDOW setting.")
    paused_at = models.DateTimeField(null=True, blank=True)

    objects = GuardedQuerySet["Queue"].as_manager()

    class Meta:
        constraints = [models.CheckConstraint(name="queue_window_positive", condition=Q(window__gte=1))]

    def __str__(self) -> str:
        return self.name
