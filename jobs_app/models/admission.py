"""What admission keeps between submissions, so that every web process sees it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from jobs_app import lifecycle
from jobs_app.lifecycle import Reason
from jobs_app.models.guard import Guarded, GuardedQuerySet
from jobs_app.models.token import Token


class Gate(Guarded):
    """How much room a queue has. ``credits`` are jobs that may still come in before it is counted again."""

    queue = models.CharField(max_length=100, primary_key=True)
    credits = models.IntegerField(default=0)
    depth = models.PositiveIntegerField(default=0, help_text="Jobs that waited when it was counted last.")
    measured_at = models.DateTimeField(null=True, blank=True)
    cost_seconds = models.FloatField(default=0.0, help_text="How long the last count took.")
    closed_at = models.DateTimeField(null=True, blank=True, help_text="Full since then; open again at low water.")

    objects = GuardedQuerySet["Gate"].as_manager()

    def __str__(self) -> str:
        return f"gate of {self.queue}"


class Turnstile(Guarded):
    """What one process holds of a gate's credits: unspent ones, and those of submissions that have not committed."""

    queue = models.CharField(max_length=100)
    process = models.CharField(max_length=100)
    outstanding = models.PositiveIntegerField(default=0)
    renewed_at = models.DateTimeField()

    objects = GuardedQuerySet["Turnstile"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(name="turnstile_once", fields=["queue", "process"])]

    def __str__(self) -> str:
        return f"{self.process} at {self.queue}"


class RateBucket(Guarded):
    """How fast a token submits: the "theoretical arrival time" of the generic cell rate algorithm (ITU-T I.371)."""

    token = models.OneToOneField(Token, primary_key=True, on_delete=models.CASCADE, related_name="rate")
    full_at = models.DateTimeField(help_text="When the bucket will be full again.")

    objects = GuardedQuerySet["RateBucket"].as_manager()

    def __str__(self) -> str:
        return f"rate of {self.token_id}"


class Refusal(Guarded):
    """How many submissions a process refused within a second, or up to ten. Rows are only added; rollups sum them."""

    queue = models.CharField(max_length=100)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="refusals"
    )
    reason = models.CharField(max_length=11, choices=lifecycle.choices(Reason))
    at = models.DateTimeField(db_index=True)
    count = models.PositiveIntegerField()

    objects = GuardedQuerySet["Refusal"].as_manager()

    class Meta:
        constraints = [models.CheckConstraint(name="refusal_counts", condition=Q(count__gte=1))]

    def __str__(self) -> str:
        return f"{self.count} refused at {self.queue}: {self.reason}"
