"""What has been measured of queues, kinds and workers, for estimates."""

from __future__ import annotations

from django.db import models

from jobs_app.models.guard import Guarded, GuardedQuerySet


class Flow(Guarded):
    """What moved through a queue in a few seconds. Kept for an hour."""

    queue = models.CharField(max_length=100)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    through = models.BigIntegerField(help_text="The last event that was counted.")
    arrived = models.PositiveIntegerField(help_text="Jobs that began to wait.")
    left = models.PositiveIntegerField(help_text="Jobs that ceased to wait.")
    ended = models.PositiveIntegerField(help_text="Attempts that ended.")
    busy_seconds = models.FloatField(help_text="What those attempts took in all.")
    depth = models.PositiveIntegerField(help_text="Jobs that waited at the end.")
    running = models.PositiveIntegerField(help_text="Jobs that ran at the end.")
    promised = models.PositiveIntegerField(help_text="First starts of jobs that had an estimate.")
    kept = models.PositiveIntegerField(help_text="Those of them within the range that was told.")

    objects = GuardedQuerySet["Flow"].as_manager()

    class Meta:
        indexes = [models.Index(fields=["queue", "ended_at"], name="flow_of_queue")]

    def __str__(self) -> str:
        return f"{self.queue} until {self.ended_at:%H:%M:%S}"


class Pace(Guarded):
    """How long the latest attempts of a kind took."""

    kind = models.CharField(max_length=100, primary_key=True)
    seconds = models.JSONField(default=list, help_text="Of the latest attempts that succeeded, oldest first.")
    updated_at = models.DateTimeField()

    objects = GuardedQuerySet["Pace"].as_manager()

    def __str__(self) -> str:
        return f"pace of {self.kind}"


class Listener(Guarded):
    """A worker process that says every few seconds that it takes jobs of some queues."""

    process = models.CharField(max_length=200, primary_key=True)
    queues = models.JSONField(help_text="Names of the queues it takes jobs of.")
    slots = models.PositiveIntegerField(help_text="Jobs it runs at once.")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)

    objects = GuardedQuerySet["Listener"].as_manager()

    class Meta:
        permissions = [("open_flower", "Can look at live workers in Flower")]

    def __str__(self) -> str:
        return self.process
