"""Attempts in the admin: what ran where, and how it ended."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from jobs_app.admin import presentation
from jobs_app.admin.attempt_display import AttemptDisplay
from jobs_app.admin.base import LedgerAdmin, user_of
from jobs_app.admin.filters import OutcomeFilter
from jobs_app.core import access
from jobs_app.models import Attempt

SAID = {"error", "traceback_shown"}
"""Fields that may repeat parameters."""


@admin.register(Attempt)
class AttemptAdmin(AttemptDisplay, LedgerAdmin):
    """Every attempt, newest first."""

    owner_field = "job__owner"
    list_display = ("job_shown", "number", "outcome_label", "holder", "started", "took", "error_type")
    list_display_links = ("number",)
    list_filter = (OutcomeFilter,)
    list_select_related = ("job",)
    ordering = ("-id",)
    sortable_by = ()
    search_fields = ("holder",)
    search_help_text = "The beginning of a worker's name"
    fields = readonly_fields = (
        "job_shown", "number", "outcome_label", "holder", "started", "took", "error_type", "error", "traceback_shown",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        """Of each job, only what is shown."""
        rows: QuerySet[Attempt] = super().get_queryset(request)
        columns = (field.name for field in Attempt._meta.concrete_fields)
        return rows.select_related("job").only(*columns, "job__kind", "job__owner")

    def get_fields(self, request: HttpRequest, obj: Attempt | None = None) -> Any:
        """Not what failed in its own words, to those who may not see the job's parameters."""
        job = obj.job if obj is not None else None
        if job is None or access.sees_parameters(user_of(request), job.kind, job.owner_id):
            return self.fields
        return tuple(name for name in self.fields if name not in SAID)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Attempt], search_term: str
    ) -> tuple[QuerySet[Attempt], bool]:
        """By worker."""
        wanted = search_term.strip()
        return queryset.filter(holder__startswith=wanted) if wanted else queryset, False

    @display(description="Job")
    def job_shown(self, attempt: Attempt) -> str:
        """The job's kind, as a link to it."""
        return presentation.link("job", attempt.job_id, f"{attempt.job.kind} {attempt.job_id}")
