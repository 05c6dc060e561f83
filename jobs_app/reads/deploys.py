"""Reading deploys: what was put into service in a period, newest first. Whoever is logged in may know."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import Field

from jobs_app.models import Deploy
from jobs_app.models.job import SEE_ALL
from jobs_app.reads.views import View

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SHOWN = 100
"""Deploys of one answer: the latest of the period."""


class DeployView(View):
    """A deploy: a line in the charts."""

    id: int
    at: datetime
    label: str
    version: str
    url: str = Field(description="Where more is told of it; empty without.")
    by: str | None = Field(description="Who marked it; null for the system, and for those who may not see all jobs.")

    @classmethod
    def of(cls, row: Deploy, viewer: User | None) -> DeployView:
        """From a row, fetched with who marked it."""
        sees_all = viewer is None or viewer.has_perm(SEE_ALL)
        by = row.by.get_username() if row.by is not None and sees_all else None
        return cls(id=row.pk, at=row.at, label=row.label, version=row.version, url=row.url, by=by)


def between(viewer: User | None, begin: datetime, end: datetime) -> list[DeployView]:
    """The deploys of a period, the latest hundred, newest first."""
    rows = Deploy.objects.filter(at__gte=begin, at__lt=end).select_related("by").order_by("-at", "-id")
    return [DeployView.of(row, viewer) for row in rows[:SHOWN]]
