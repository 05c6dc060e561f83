"""The package as a Django application, for its tables and templates."""

from __future__ import annotations

from django.apps import AppConfig


class GrowingConfig(AppConfig):
    """Growing datasets."""

    name = "tasks.kinds.growing"
    label = "growing"
    verbose_name = "Growing datasets"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell the platform which uploads datasets have taken, so that none is pruned as unused."""
        from jobs_app.authoring import desk
        from tasks.kinds.growing.models import Part

        desk.hold_uploads(lambda: Part.objects.filter(file__isnull=False).values("file"))
