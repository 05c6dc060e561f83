"""The claim of a job to be the only one of its like."""

from __future__ import annotations

from django.db import models

from jobs_app.models.guard import Guarded, GuardedQuerySet
from jobs_app.models.job import Job


class UniqueKey(Guarded):
    """Which job holds a key. The primary key is what makes two submissions at once one job.

    Whether the holder still holds it (its state, ``until``) is judged when the next submission asks: moving a job costs
    nothing more for being unique.
    """

    key = models.CharField(max_length=64, primary_key=True, help_text="HMAC of the kind, the owner and parameters.")
    job = models.OneToOneField(Job, on_delete=models.CASCADE, related_name="unique_key")
    until = models.DateTimeField(null=True, blank=True, help_text="Not held after that, whatever the job's state.")

    objects = GuardedQuerySet["UniqueKey"].as_manager()

    def __str__(self) -> str:
        return f"{self.key[:8]}… held by {self.job_id}"
