"""Deploys: when something was put into service, to be seen beside what happened then."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from jobs_app.models.guard import Guarded, GuardedQuerySet


class Deploy(Guarded):
    """One deploy, of whatever the team calls so: a line in the charts."""

    at = models.DateTimeField(db_index=True)
    label = models.CharField(max_length=60, help_text="What stands at the line: web, v2.4, new index.")
    version = models.CharField(max_length=100, blank=True, default="")
    url = models.CharField(max_length=500, blank=True, default="", help_text="Where more is told of it.")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+",
        help_text="Who said so; empty: the system.",
    )  # fmt: skip

    objects = GuardedQuerySet["Deploy"].as_manager()

    class Meta:
        permissions = [("mark_deploy", "Can mark deploys in the charts")]

    def __str__(self) -> str:
        return f"{self.label} {self.version}".strip()
