"""Artifacts in the admin: which files there are, whose, and what made them. Their content is served by the site."""

from __future__ import annotations

from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from jobs_app.admin import presentation
from jobs_app.admin.base import LedgerAdmin, user_of
from jobs_app.admin.filters import CreatedFilter
from jobs_app.core import access
from jobs_app.models import Artifact


@admin.register(Artifact)
class ArtifactAdmin(LedgerAdmin):
    """Every file, newest first."""

    list_display = ("name", "bytes_shown", "content_type", "owner", "made_by", "created")
    list_filter = (CreatedFilter,)
    list_select_related = ("owner",)
    ordering = ("-id",)
    sortable_by = ()
    search_fields = ("id", "name")
    search_help_text = "A file's id, or the beginning of its name"
    fields = readonly_fields = (
        "name", "id", "content_type", "bytes_shown", "sha256", "owner", "made_by", "attempt", "created",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Artifact]:
        """Those that this user may read, with their owners."""
        rows: QuerySet[Artifact] = super().get_queryset(request)
        readable = access.readable_files(user_of(request))
        return (rows & readable).select_related("owner")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Artifact], search_term: str
    ) -> tuple[QuerySet[Artifact], bool]:
        """A whole id finds its file; other text is the beginning of a name."""
        wanted = search_term.strip()
        try:
            return queryset.filter(id=UUID(wanted)), False
        except ValueError:
            return queryset.filter(name__istartswith=wanted) if wanted else queryset, False

    @display(description="Size")
    def bytes_shown(self, artifact: Artifact) -> str:
        """In a unit that people read."""
        return presentation.size(artifact.size)

    @display(description="Made by", empty_value="an upload")
    def made_by(self, artifact: Artifact) -> str | None:
        """The job that made it."""
        return presentation.link("job", artifact.job_id, artifact.job_id) if artifact.job_id else None

    @display(description="Created")
    def created(self, artifact: Artifact) -> str:
        """When it was stored."""
        return presentation.moment(artifact.created_at)
