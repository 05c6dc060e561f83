"""Webhooks: who is told when jobs end, and what they were sent."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from jobs_app.models.guard import Guarded, GuardedQuerySet


class Endpoint(Guarded):
    """A URL that is told when jobs end: its owner's, or everybody's if the owner may see them.

    Its signing secret is encrypted; it is shown once, when it is made.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="endpoints")
    name = models.CharField(max_length=50, help_text="By which a submission names it.")
    url = models.CharField(max_length=2000)
    sealed = models.BinaryField(help_text="The signing secret, encrypted.")
    kinds = models.JSONField(default=list, help_text="Kinds that it is told of; none named: all.")
    states = models.JSONField(default=list, help_text="Final states that it is told of.")
    named_only = models.BooleanField(default=False, help_text="Only of jobs whose submission names it.")
    everybody = models.BooleanField(default=False, help_text="Of everybody's jobs.")
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    objects = GuardedQuerySet["Endpoint"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(name="endpoint_name_once", fields=["owner", "name"])]

    def __str__(self) -> str:
        return self.name


class Delivery(Guarded):
    """One message to one endpoint. Jobs are named by their ids, not by foreign keys: it is kept when they are gone."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    job = models.UUIDField(help_text="The job that ended.")
    event = models.CharField(max_length=20, help_text="Such as job.succeeded.")
    data = models.JSONField(help_text="What is sent.")
    at = models.DateTimeField(help_text="When the job ended.")
    sender = models.UUIDField(null=True, blank=True, help_text="The job that delivers it; empty until there is room.")
    sent = models.PositiveIntegerField(default=0, help_text="How often it was handed to a job: replays and the first.")
    problem = models.TextField(blank=True, help_text="Why no job can deliver it; empty if one can.")

    objects = GuardedQuerySet["Delivery"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="delivery_once", fields=["endpoint", "job"]),
        ]
        indexes = [
            # webhooks.sending: what waits to be handed to a job, the oldest first.
            models.Index(fields=["id"], name="delivery_waiting", condition=Q(sender__isnull=True, problem="")),
            models.Index(fields=["endpoint", "-id"], name="delivery_log"),
            # retention.
            models.Index(fields=["at"], name="delivery_age"),
        ]

    def __str__(self) -> str:
        return f"{self.event} of {self.job}"
