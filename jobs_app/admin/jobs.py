"""Jobs in the admin: a list and a page each. Reading only; the verbs are in ``job_actions``."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from jobs_app.admin.base import user_of
from jobs_app.admin.filters import CreatedFilter, KindFilter, QueueFilter, StateFilter, ViaFilter
from jobs_app.admin.inlines import (
    AttemptInline,
    EventInline,
    LogLineInline,
    OutputInline,
    ShutAttemptInline,
    ShutEventInline,
)
from jobs_app.admin.job_actions import JobActions
from jobs_app.admin.job_display import JobDisplay
from jobs_app.admin.submission import KindsView, SubmitView
from jobs_app.core import access
from jobs_app.models import Job

LIST = "jobs_app_job_changelist"
BIG_COLUMNS = ("parameters", "sealed", "result", "error", "preview")


@admin.register(Job)
class JobAdmin(JobDisplay, JobActions):
    """Every job, newest first."""

    list_display = (
        "kind_and_id", "state_label", "owner", "queue", "via", "progress_shown", "attempt", "created", "took",
    )  # fmt: skip
    list_display_links = ("kind_and_id",)
    list_disable_select_all = False
    list_filter = (StateFilter, KindFilter, QueueFilter, ViaFilter, CreatedFilter)
    list_select_related = ("owner",)
    ordering = ("-id",)
    sortable_by = ()
    search_fields = ("id", "kind")
    search_help_text = "A job's id, or the beginning of a kind's name"
    inlines = (LogLineInline, AttemptInline, EventInline, OutputInline)
    fieldsets = (
        (None, {"fields": (
            ("state_in_words", "progress_shown"),
            ("kind", "id"),
            ("owner", "via"),
            ("queue", "priority"),
            "parameters_shown",
        )}),
        ("Outcome", {"fields": (
            ("attempts_shown", "kills"), "children_shown", "error_shown", "result_shown", "preview_shown",
        )}),
        ("Times", {"fields": (
            ("created", "due", "expires"),
            ("started", "finished", "took"),
            ("timeout_shown", "cancel_requested"),
            ("holder", "rerun_of_link", "parent_link"),
        )}),
    )  # fmt: skip
    readonly_fields = tuple(
        name for name in dir(JobDisplay) if not name.startswith("_") and name not in {"kind_and_id", "state_label"}
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        """The jobs this user may see; a list leaves the big columns where they are."""
        rows: QuerySet[Job] = super().get_queryset(request)
        listing = request.resolver_match is not None and request.resolver_match.url_name == LIST
        return rows.defer(*BIG_COLUMNS) if listing else rows.select_related("owner")

    def get_object(self, request: HttpRequest, *args: Any, **options: Any) -> Job | None:
        """The job, and who looks at it."""
        found: Job | None = super().get_object(request, *args, **options)
        if found is not None:
            found.viewer = request.user  # type: ignore[attr-defined]
        return found

    def get_inlines(self, request: HttpRequest, obj: Job | None) -> Any:
        """Who may not see its parameters is shown when it moved, and not what was said."""
        if obj is None or access.sees_parameters(user_of(request), obj.kind, obj.owner_id):
            return self.inlines
        return (ShutAttemptInline, ShutEventInline)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Job], search_term: str
    ) -> tuple[QuerySet[Job], bool]:
        """A whole id finds its job; other text is the beginning of a kind's name."""
        wanted = search_term.strip()
        try:
            return queryset.filter(id=UUID(wanted)), False
        except ValueError:
            return queryset.filter(kind__istartswith=wanted) if wanted else queryset, False

    def view_on_site(self, job: Job) -> str:
        """The job's page on the site, with live progress, result tables and charts."""
        return f"/jobs/{job.id}/"

    def get_custom_urls(self) -> tuple[tuple[str, str, Any], ...]:
        """The pages on which a job is submitted."""
        return (
            ("submit/", "jobs_app_job_submit", KindsView.as_view(model_admin=self)),
            ("submit/<str:kind>/", "jobs_app_job_submit_kind", SubmitView.as_view(model_admin=self)),
        )
