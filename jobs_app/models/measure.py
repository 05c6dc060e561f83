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
    """A worker process that says every few seconds that it takes jobs of some queues, and how it is.

    ``run`` is one start of its worker: all of a worker's processes share it, and one that is started anew has another.
    """

    process = models.CharField(max_length=200, primary_key=True, help_text="Name of its worker, /, number of process.")
    queues = models.JSONField(help_text="Names of the queues it takes jobs of.")
    slots = models.PositiveIntegerField(help_text="Jobs it runs at once.")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)
    run = models.UUIDField(null=True)
    host = models.CharField(max_length=255, db_default="")
    main_pid = models.PositiveIntegerField(null=True, help_text="The worker's first process, which starts the others.")
    release = models.CharField(max_length=100, db_default="")
    began_at = models.DateTimeField(null=True, help_text="When its worker was started.")
    memory = models.BigIntegerField(null=True, help_text="Bytes that it holds in memory (resident).")
    main_memory = models.BigIntegerField(null=True, help_text="Bytes of the worker's first process.")
    draining = models.BooleanField(db_default=False, help_text="It takes no more jobs until it is resumed.")

    objects = GuardedQuerySet["Listener"].as_manager()

    class Meta:
        permissions = [
            ("open_flower", "Can look at live workers in Flower"),
            ("control_worker", "Can drain and resume workers"),
        ]

    def __str__(self) -> str:
        return self.process

    @property
    def worker(self) -> str:
        """The name of its worker."""
        return self.process.rpartition("/")[0] or self.process


class Drain(Guarded):
    """A wish that one run of a worker takes no more jobs. It is gone when the worker is resumed."""

    run = models.UUIDField(primary_key=True)
    worker = models.CharField(max_length=200)
    asked_at = models.DateTimeField()

    objects = GuardedQuerySet["Drain"].as_manager()

    def __str__(self) -> str:
        return f"{self.worker} since {self.asked_at:%Y-%m-%d %H:%M:%S}"
