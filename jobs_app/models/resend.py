"""How often a job's message was missed on the broker."""

from __future__ import annotations

from django.db import models

from jobs_app.models.guard import Guarded, GuardedQuerySet
from jobs_app.models.job import Job


class Resend(Guarded):
    """The wait before a job's message may be missed again. Rows exist only for messages that were missed lately."""

    job = models.OneToOneField(Job, primary_key=True, on_delete=models.CASCADE, related_name="resend")
    times = models.PositiveIntegerField(default=1)
    not_before = models.DateTimeField(db_index=True)

    objects = GuardedQuerySet["Resend"].as_manager()

    def __str__(self) -> str:
        return f"message of {self.job_id} sent again {self.times} times"
