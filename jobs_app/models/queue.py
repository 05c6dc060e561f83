"""A named, bounded lane of jobs."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from jobs_app.models.guard import Guarded, GuardedQuerySet, Lean


class QueueQuerySet(GuardedQuerySet["Queue"]):
    """Filters over queues."""


_Queues = models.Manager.from_queryset(QueueQuerySet)


class QueueManager(Lean, _Queues["Queue"]):
    """Rows of queues, without what this release has added."""

    later = ("limit", "hard_limit", "low_water", "user_share", "token_share")


class Queue(Guarded):
    """One lane. ``window`` bounds its messages on the broker; a paused queue dispatches nothing.

    Every bound that is empty is the setting's; a change is in force within a second.
    """

    name = models.CharField(max_length=100, primary_key=True)
    window = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: the WINDOW setting.")
    paused_at = models.DateTimeField(null=True, blank=True)
    limit = models.PositiveIntegerField(
        null=True, blank=True, help_text="Jobs that may wait; more are refused. Empty: the QUEUE_LIMIT setting."
    )
    hard_limit = models.PositiveIntegerField(
        null=True, blank=True, help_text="For children of running jobs and overflow. Empty: QUEUE_HEADROOM above limit."
    )
    low_water = models.PositiveIntegerField(
        null=True, blank=True, help_text="A full queue takes jobs again from here on. Empty: QUEUE_LOW_WATER of limit."
    )
    user_share = models.FloatField(
        null=True, blank=True, help_text="Part of the limit, 0 to 1, one user may hold. Empty: USER_SHARE."
    )
    token_share = models.FloatField(
        null=True, blank=True, help_text="Part of the limit, 0 to 1, one token may hold. Empty: TOKEN_SHARE."
    )

    objects = QueueManager()

    class Meta:
        permissions = [
            ("control_queue", "Can pause queues, and change their limits"),
            ("overflow_queue", "Can submit over a queue's limit, up to its hard limit"),
        ]
        constraints = [
            models.CheckConstraint(name="queue_window_positive", condition=Q(window__gte=1)),
            models.CheckConstraint(name="queue_limit_positive", condition=Q(limit__gte=1)),
            models.CheckConstraint(name="queue_hard_limit_above", condition=Q(hard_limit__gte=F("limit"))),
            models.CheckConstraint(name="queue_low_water_below", condition=Q(low_water__lt=F("limit"))),
            models.CheckConstraint(name="queue_user_share", condition=Q(user_share__gt=0, user_share__lte=1)),
            models.CheckConstraint(name="queue_token_share", condition=Q(token_share__gt=0, token_share__lte=1)),
        ]

    def __str__(self) -> str:
        return self.name
