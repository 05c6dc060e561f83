"""Views that people keep of the list of jobs."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower

from jobs_app.models.guard import Guarded, GuardedQuerySet


class SavedView(Guarded):
    """A search under a name. ``text`` is as ``searching`` reads it; ``columns`` are the names of those shown."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views", db_index=False
    )
    name = models.CharField(max_length=60)
    text = models.CharField(max_length=1000, blank=True)
    columns = models.JSONField(default=list, blank=True)
    shared = models.BooleanField(
        default=False, help_text="Everyone has it in their list; what it shows are their jobs."
    )

    objects = GuardedQuerySet["SavedView"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("owner", Lower("name"), name="saved_view_once")]
        indexes = [models.Index(fields=["shared"], name="saved_view_shared", condition=models.Q(shared=True))]

    def __str__(self) -> str:
        return self.name
