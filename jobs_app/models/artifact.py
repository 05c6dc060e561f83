"""Files that jobs take and make. The rows are here; the bytes lie in the artifact directory under the row's id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q

from jobs_app.models.guard import Guarded, GuardedQuerySet
from jobs_app.models.identity import new_id
from jobs_app.models.job import SEE_ALL, Job

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


class ArtifactQuerySet(GuardedQuerySet["Artifact"]):
    """Filters over artifacts."""

    def readable_by(self, user: User | AnonymousUser | None) -> ArtifactQuerySet:
        """The files this user may read: their own, or all with the permission; None is the system."""
        if user is None or user.has_perm(SEE_ALL):
            return self.all()
        return self.filter(owner=user) if user.is_authenticated else self.none()


class Artifact(Guarded):
    """One immutable file. ``job`` is the job that made it, or none for an upload."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="artifacts"
    )
    job = models.ForeignKey(Job, null=True, blank=True, on_delete=models.CASCADE, related_name="artifacts")
    attempt = models.PositiveIntegerField(default=0)
    name = models.CharField(max_length=200)
    content_type = models.CharField(max_length=100)
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField()

    objects = ArtifactQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="artifact_name_in_attempt", fields=["job", "attempt", "name"], condition=Q(job__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.name


class JobInput(Guarded):
    """That a job takes an artifact: keeps the file from being pruned while the job may need it."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="inputs")
    artifact = models.ForeignKey(Artifact, on_delete=models.PROTECT, related_name="uses")

    objects = GuardedQuerySet["JobInput"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(name="job_input_once", fields=["job", "artifact"])]

    def __str__(self) -> str:
        return f"{self.job_id} takes {self.artifact_id}"
