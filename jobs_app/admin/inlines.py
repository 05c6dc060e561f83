"""What hangs on a job, shown on its page: log lines, attempts, events, files."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from jobs_app.admin import presentation
from jobs_app.admin.attempt_display import AttemptDisplay
from jobs_app.admin.base import LedgerInline
from jobs_app.models import Artifact, Attempt, Event, LogLine


class LogLineInline(LedgerInline):
    """What the handler logged, in order."""

    model = LogLine
    verbose_name_plural = "Log"
    fields = readonly_fields = ("moment", "attempt", "level", "text")
    ordering = ("id",)

    @display(description="At")
    def moment(self, line: LogLine) -> str:
        """When."""
        return presentation.moment(line.at)


class AttemptInline(AttemptDisplay, LedgerInline):
    """Every run of the job."""

    model = Attempt
    verbose_name_plural = "Attempts"
    fields: tuple[str, ...] = ("number", "outcome_label", "started", "took", "holder", "error", "traceback_shown")
    readonly_fields = fields
    ordering = ("number",)


class ShutAttemptInline(AttemptInline):
    """For those who may not see the job's parameters: an error may repeat them."""

    fields = ("number", "outcome_label", "started", "took", "holder", "error_type")
    readonly_fields = fields


class EventInline(LedgerInline):
    """The record of every move, in order."""

    model = Event
    verbose_name_plural = "Events"
    fields: tuple[str, ...] = ("moment", "name", "source", "target", "attempt", "actor", "reason")
    readonly_fields = fields
    ordering = ("id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        """With their actors, so that a page of them is one query."""
        rows: QuerySet[Event] = super().get_queryset(request)
        return rows.select_related("actor")

    @display(description="At")
    def moment(self, event: Event) -> str:
        """When."""
        return presentation.moment(event.at)


class ShutEventInline(EventInline):
    """For those who may not see the job's parameters: a reason may repeat them."""

    fields = ("moment", "name", "source", "target", "attempt", "actor")
    readonly_fields = fields


class OutputInline(LedgerInline):
    """The files the job made."""

    model = Artifact
    fk_name = "job"
    verbose_name_plural = "Artifacts"
    fields = readonly_fields = ("linked_name", "content_type", "bytes_shown", "attempt")
    ordering = ("attempt", "name")

    @display(description="Name")
    def linked_name(self, artifact: Artifact) -> str:
        """A link to its page."""
        return presentation.link("artifact", artifact.id, artifact.name)

    @display(description="Size")
    def bytes_shown(self, artifact: Artifact) -> str:
        """In a unit that people read."""
        return presentation.size(artifact.size)
