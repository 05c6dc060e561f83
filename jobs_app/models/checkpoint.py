"""Where an attempt got to, for the next one to go on from."""

from __future__ import annotations

from django.db import models

from jobs_app.models.guard import Guarded, GuardedQuerySet
from jobs_app.models.job import Job


class Checkpoint(Guarded):
    """What the handler of a job saved last. A table of its own: jobs that save none pay nothing for it."""

    job = models.OneToOneField(Job, primary_key=True, on_delete=models.CASCADE, related_name="checkpoint")
    attempt = models.PositiveIntegerField(help_text="The attempt that saved it.")
    value = models.JSONField()
    saved_at = models.DateTimeField()

    objects = GuardedQuerySet["Checkpoint"].as_manager()

    def __str__(self) -> str:
        return f"checkpoint of {self.job_id} at attempt {self.attempt}"
