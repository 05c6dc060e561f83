"""The package as a Django application, for its tables and templates."""

from __future__ import annotations

from django.apps import AppConfig


class TimelineConfig(AppConfig):
    """Timelines."""

    name = "tasks.kinds.timeline"
    label = "timeline"
    default_auto_field = "django.db.models.BigAutoField"
