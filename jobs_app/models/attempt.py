"""What happened to a job: its attempts, its log lines, and the record of every move."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from jobs_app import lifecycle
from jobs_app.lifecycle import EventName, Outcome
from jobs_app.models.guard import Guarded, GuardedQuerySet
from jobs_app.models.job import Job


class Attempt(Guarded):
    """One run of a job."""

    # No constraint, here and for events: it would be checked, and the job's row locked once more, for each row of each
    # claim and settlement. They are written in the transaction that moves the job, under the lock of its row; whoever
    # deletes a job locks it first. The index is that of attempt_once.
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="attempts", db_index=False, db_constraint=False)
    number = models.PositiveIntegerField()
    outcome = models.CharField(max_length=10, choices=lifecycle.choices(Outcome), default=Outcome.RUNNING)
    holder = models.CharField(max_length=200, help_text="The worker process.")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    error_type = models.CharField(max_length=200, blank=True)
    error = models.TextField(blank=True)
    traceback = models.TextField(blank=True)

    objects = GuardedQuerySet["Attempt"].as_manager()

    class Meta:
        ordering = ["job", "number"]
        constraints = [
            models.UniqueConstraint(name="attempt_once", fields=["job", "number"]),
            models.CheckConstraint(name="attempt_from_one", condition=Q(number__gte=1)),
            models.CheckConstraint(
                name="attempt_finished_iff_ended",
                condition=Q(outcome=Outcome.RUNNING, finished_at__isnull=True)
                | Q(~Q(outcome=Outcome.RUNNING), finished_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.job_id}"


class LogLine(Guarded):
    """One line a handler logged."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="log_lines", db_index=False)
    attempt = models.PositiveIntegerField()
    at = models.DateTimeField()
    level = models.CharField(max_length=7)
    text = models.TextField()

    objects = GuardedQuerySet["LogLine"].as_manager()

    class Meta:
        # reads.log_lines: a job's lines after a given one.
        indexes = [models.Index(fields=["job", "id"], name="log_line_of_job")]

    def __str__(self) -> str:
        return self.text


class Event(Guarded):
    """A record of a move, or of something else worth knowing: a refused write, a cancel request."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="events", db_index=False, db_constraint=False)
    attempt = models.PositiveIntegerField()
    at = models.DateTimeField()
    name = models.CharField(max_length=20, choices=lifecycle.choices(EventName))
    source = models.CharField(max_length=12, blank=True, help_text="The state before; empty at the start.")
    target = models.CharField(max_length=12, help_text="The state after.")
    # Protected, as the owner of jobs is: a record is never changed. Whoever leaves is deactivated.
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    reason = models.TextField(blank=True)

    objects = GuardedQuerySet["Event"].as_manager()

    class Meta:
        # reads.timeline: a job's events in order.
        indexes = [models.Index(fields=["job", "id"], name="event_of_job")]

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%Y-%m-%d %H:%M:%S}"
