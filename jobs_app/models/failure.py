"""Failures that are alike, counted as they are seen. Made of events by ``core.rollups``, so a settlement pays nothing.

Nothing here refers to jobs by a foreign key: what was seen is kept when they are gone.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from jobs_app import lifecycle
from jobs_app.fingerprints import LENGTH, UNSOLVED, Status
from jobs_app.models.guard import Guarded, GuardedQuerySet
from jobs_app.steps import Step

EVERYBODY = -1
"""Stands for the owner where what was seen of all owners is added up; 0 is the system."""


class FailureGroup(Guarded):
    """Failures with one fingerprint, and what people have made of them."""

    fingerprint = models.CharField(primary_key=True, max_length=LENGTH)
    kind = models.CharField(max_length=100)
    error_type = models.CharField(max_length=200, blank=True)
    place = models.CharField(max_length=300, blank=True, help_text="file:function in the handler's own code.")

    status = models.CharField(max_length=10, choices=lifecycle.choices(Status), default=Status.OPEN)
    status_at = models.DateTimeField(null=True, blank=True, help_text="When that was said; empty if never.")
    status_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    ignored_until = models.DateTimeField(null=True, blank=True, help_text="Open again then; empty: ignored for good.")
    note = models.TextField(blank=True)

    objects = GuardedQuerySet["FailureGroup"].as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(name="failure_group_status_known", condition=Q(status__in=list(Status))),
            models.CheckConstraint(
                name="failure_group_until_ignored", condition=Q(ignored_until=None) | Q(status=Status.IGNORED)
            ),
        ]
        indexes = [
            # rollups.failing: those whose time of being ignored is over.
            models.Index(fields=["ignored_until"], name="failure_group_until", condition=Q(ignored_until__isnull=False))
        ]

    def __str__(self) -> str:
        return f"{self.error_type or 'failure'} of {self.kind} in {self.place or 'no place'}"

    @property
    def unsolved(self) -> bool:
        """Whether somebody should look at it."""
        return self.status in UNSOLVED


class FailureSight(Guarded):
    """What was seen of a group: of one owner's jobs, or of everybody's."""

    group = models.ForeignKey(FailureGroup, on_delete=models.CASCADE, related_name="sights", db_index=False)
    owner = models.BigIntegerField(help_text="Id of the user; 0 is the system, -1 everybody.")
    times = models.BigIntegerField(default=0, help_text="Failed attempts, and jobs that failed without one.")
    jobs = models.BigIntegerField(default=0, help_text="Jobs that failed for good.")
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    job = models.UUIDField(help_text="The one it was seen of last.")
    attempt = models.PositiveIntegerField()
    message = models.TextField(blank=True, help_text="What that one said.")

    objects = GuardedQuerySet["FailureSight"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(name="failure_sight_once", fields=["group", "owner"])]
        indexes = [
            # reads.failures: the list of one reader, by when they were seen last, or by how often.
            models.Index(F("owner"), F("last_seen").desc(), F("group"), name="failure_sight_latest"),
            models.Index(F("owner"), F("times").desc(), F("group"), name="failure_sight_frequent"),
        ]

    def __str__(self) -> str:
        return f"{self.group_id} seen {self.times} times"


class FailureCount(Guarded):
    """How often a group was seen in one minute, hour or day: of one owner's jobs, or of everybody's."""

    group = models.ForeignKey(FailureGroup, on_delete=models.CASCADE, related_name="counts", db_index=False)
    owner = models.BigIntegerField(help_text="As in the sights.")
    step = models.CharField(max_length=6, choices=lifecycle.choices(Step))
    at = models.DateTimeField(help_text="Its beginning.")
    times = models.BigIntegerField(default=0)

    objects = GuardedQuerySet["FailureCount"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(name="failure_count_once", fields=["group", "owner", "step", "at"])]
        indexes = [
            # reads.failures.bursts, and retention.
            models.Index(fields=["step", "at"], name="failure_count_of_time")
        ]

    def __str__(self) -> str:
        return f"{self.group_id} {self.times} times in the {self.step} of {self.at:%Y-%m-%d %H:%M}"
