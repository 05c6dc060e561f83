"""Webhooks in the admin: one's own endpoints, to switch on and off, and what they were sent, to send again."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display

from jobs_app.admin import acting, presentation
from jobs_app.admin.base import LedgerAdmin, user_of
from jobs_app.core.clock import database_now
from jobs_app.core.webhooks import endpoints, sending
from jobs_app.models import Delivery, Endpoint, Job


class OwnAdmin(LedgerAdmin):
    """For everybody who is staff, as on the console: one's own rows, and nobody's besides."""

    mine = ""
    """The path from a row to its owner."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """This user's rows, whatever they may see of jobs."""
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.filter(**{self.mine: request.user.pk})

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Who may log in has endpoints."""
        return True

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Of their own."""
        return True


@admin.register(Endpoint)
class EndpointAdmin(OwnAdmin):
    """Endpoints, by name. They are made and changed on the console, where a secret is shown once."""

    owner_field, mine = "", "owner"
    list_display = ("name", "url", "standing", "told_of", "created")
    list_filter = ()
    ordering = ("name",)
    sortable_by = ()
    actions = ("disable_selected", "enable_selected")
    fields = readonly_fields = ("name", "url", "standing_in_words", "told_of", "of_jobs", "created")

    @admin.action(description="Switch off")
    def disable_selected(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> None:
        """They are told nothing any more."""
        self._switch(request, queryset, enabled=False)

    @admin.action(description="Switch on")
    def enable_selected(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> None:
        """They are told of what ends from now on."""
        self._switch(request, queryset, enabled=True)

    @display(description="State", label={"on": "success", "off": "warning"})
    def standing(self, row: Endpoint) -> str:
        """Whether it is told anything."""
        return "on" if row.enabled else "off"

    @display(description="State")
    def standing_in_words(self, row: Endpoint) -> str:
        """The same, on its page."""
        return str(self.standing(row))

    @display(description="Told of jobs that have")
    def told_of(self, row: Endpoint) -> str:
        """Which ends, of which kinds."""
        return " or ".join(row.states) + (f"; of {', '.join(row.kinds)}" if row.kinds else "")

    @display(description="Of which jobs")
    def of_jobs(self, row: Endpoint) -> str:
        """Whose."""
        if row.named_only:
            return "those whose submission names it"
        return "everybody's" if row.everybody else "its owner's"

    @display(description="Created")
    def created(self, row: Endpoint) -> str:
        """When it was made."""
        return presentation.moment(row.created_at)

    def _switch(self, request: HttpRequest, rows: QuerySet[Endpoint], *, enabled: bool) -> None:
        now, user = database_now(), user_of(request)
        acting.act(
            request, acting.selected(request, rows),
            lambda row: endpoints.switch(user, row.pk, enabled=enabled, now=now),
            noun="webhook", done="switched on" if enabled else "switched off",
        )  # fmt: skip


class EndpointFilter(DropdownFilter):
    """By endpoint: one has twenty at most."""

    title = "webhook"
    parameter_name = "endpoint"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """This user's."""
        rows = Endpoint.objects.filter(owner=request.user.pk).order_by("name")
        return [(str(pk), name) for pk, name in rows.values_list("pk", "name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows that are left."""
        value = self.value() or ""
        return queryset.filter(endpoint=int(value)) if value.isdecimal() and len(value) < 19 else queryset


@admin.register(Delivery)
class DeliveryAdmin(OwnAdmin):
    """What was sent, newest first."""

    owner_field, mine = "", "endpoint__owner"
    list_display = ("what", "endpoint", "state_label", "said", "sent", "ended")
    list_filter = (EndpointFilter,)
    list_select_related = ("endpoint",)
    ordering = ("-id",)
    sortable_by = ()
    actions = ("replay_selected",)
    fields = readonly_fields = (
        "event", "endpoint", "state_in_words", "said", "sent", "message", "job_link", "sender_link", "ended",
        "data_shown",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        """With how the job stands that delivers it."""
        rows: QuerySet[Delivery] = super().get_queryset(request)
        job = Job.objects.filter(id=OuterRef("sender"))
        return rows.select_related("endpoint").annotate(
            sender_state=Subquery(job.values("state")[:1]), sender_error=Subquery(job.values("error")[:1])
        )

    @admin.action(description="Send again")
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        """Send the same messages once more, under the same ids."""
        now, user = database_now(), user_of(request)
        acting.act(
            request, acting.selected(request, queryset), lambda row: sending.replay(user, row.pk, now=now),
            noun="message", done="sent again",
        )  # fmt: skip

    @display(description="Message", header=True)
    def what(self, row: Delivery) -> list[str]:
        """What it tells, and under it of which job."""
        return [row.event, str(row.job)]

    @display(description="Delivery", label=presentation.COLOURS)
    def state_label(self, row: Delivery) -> str:
        """How it stands, coloured."""
        return str(self.state_in_words(row))

    @display(description="Delivery")
    def state_in_words(self, row: Delivery) -> str:
        """How it stands."""
        if row.problem:
            return "impossible"
        return str(getattr(row, "sender_state", None) or ("gone" if row.sender else "waits for room"))

    @display(description="Problem")
    def said(self, row: Delivery) -> str:
        """Why it did not arrive; what a receiver answered is on the console."""
        return str(row.problem or getattr(row, "sender_error", None) or "-")[:200]

    @display(description="Message id")
    def message(self, row: Delivery) -> str:
        """As the receiver sees it."""
        return sending.message_of(row)

    @display(description="The job that ended")
    def job_link(self, row: Delivery) -> str:
        """Its page."""
        return presentation.link("job", row.job, row.job)

    @display(description="Delivered by")
    def sender_link(self, row: Delivery) -> str:
        """The job that carries it."""
        return presentation.link("job", row.sender, row.sender) if row.sender else "-"

    @display(description="Ended")
    def ended(self, row: Delivery) -> str:
        """When the job ended."""
        return presentation.moment(row.at)

    @display(description="What is sent")
    def data_shown(self, row: Delivery) -> str:
        """As JSON: neither parameters nor the result."""
        return presentation.as_json(row.data)
