"""Queues in the admin: seen by those who may, paused and bounded by those who may control them, through the core."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect
from unfold.decorators import action, display

from jobs_app import conf
from jobs_app.admin import acting, presentation
from jobs_app.admin.base import LedgerAdmin, user_of
from jobs_app.core import lane_control
from jobs_app.core.clock import database_now
from jobs_app.core.lanes import policy_of
from jobs_app.errors import WeirError
from jobs_app.models import Queue


class BoundsForm(forms.ModelForm):  # type: ignore[type-arg]
    """The bounds that people may change; whether they fit together, the core says."""

    class Meta:
        model = Queue
        fields = lane_control.BOUNDS

    def clean(self) -> dict[str, Any]:
        """What the core would refuse is told beside its field."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        fault = lane_control.fault(self.instance, self.changes())
        if fault is not None:
            self.add_error(*fault)
        return cleaned

    def changes(self) -> dict[str, Any]:
        """The bounds that were changed here; another's change of another bound meanwhile stays."""
        return {name: self.cleaned_data[name] for name in self.changed_data if name in self.cleaned_data}


@admin.register(Queue)
class QueueAdmin(LedgerAdmin):
    """Every lane: whether it is paused, its bounds, and what is in force."""

    owner_field = ""
    form = BoundsForm
    list_display = ("name", "standing", "limit_shown", "window_shown", "configured")
    list_filter = ()
    ordering = ("name",)
    sortable_by = ()
    actions = ("pause_selected", "resume_selected")
    actions_detail = ("pause_queue", "resume_queue")
    readonly_fields = ("name", "standing", "paused", "configured", "in_force")
    fieldsets = (
        (None, {"fields": readonly_fields}),
        ("Bounds", {
            "fields": lane_control.BOUNDS,
            "description": "What is empty is as the settings say. A change is in force within a second.",
        }),
    )  # fmt: skip

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """By the permission to control queues; Django's own on the table would not say what it allows."""
        return lane_control.may_control(user_of(request))

    def has_control_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """For the buttons."""
        return self.has_change_permission(request)

    def save_model(self, request: HttpRequest, obj: Queue, form: BoundsForm, change: bool) -> None:
        """By the core, which alone writes."""
        try:
            lane_control.set_limits(obj.name, actor=user_of(request), now=database_now(), **form.changes())
        except WeirError as error:  # somebody else changed it between the form's look and this
            self.message_user(request, f"Nothing was changed: {error}", messages.ERROR)

    @admin.action(description="Pause", permissions=["control"])
    def pause_selected(self, request: HttpRequest, queryset: QuerySet[Queue]) -> None:
        """Pause the selected queues."""
        self._pause(request, acting.selected(request, queryset))

    @admin.action(description="Resume", permissions=["control"])
    def resume_selected(self, request: HttpRequest, queryset: QuerySet[Queue]) -> None:
        """Let the selected queues go on."""
        self._resume(request, acting.selected(request, queryset))

    @action(description="Pause", url_path="pause", icon="pause", permissions=["control"], dialog={
        "title": "Pause this queue?",
        "description": "What is on the broker already still runs. New jobs are taken, and wait.",
        "form_submit_text": "Yes, pause the queue",
    })  # fmt: skip
    def pause_queue(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Pause one queue, from its page."""
        return self._from_page(request, object_id, self._pause)

    @action(description="Resume", url_path="resume", icon="play_arrow", permissions=["control"], dialog={
        "title": "Let this queue go on?",
        "description": "Its jobs are sent to the workers again.",
        "form_submit_text": "Yes, let it go on",
    })  # fmt: skip
    def resume_queue(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Let one queue go on, from its page."""
        return self._from_page(request, object_id, self._resume)

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """The one button that makes sense."""
        queue = self.get_queryset(request).filter(name=object_id).first()
        unfit = "pause" if queue is not None and queue.paused_at else "resume"
        return [each for each in super().get_actions_detail(request, object_id) if each.path != unfit]

    @display(description="Dispatching", label={"open": "success", "paused": "warning"})
    def standing(self, queue: Queue) -> str:
        """Whether jobs leave it."""
        return "paused" if queue.paused_at else "open"

    @display(description="Paused at")
    def paused(self, queue: Queue) -> str:
        """Since when it is paused."""
        return presentation.moment(queue.paused_at)

    @display(description="Limit")
    def limit_shown(self, queue: Queue) -> str:
        """How many jobs may wait."""
        return _number(policy_of(queue, conf.current()).limit, queue.limit, "QUEUE_LIMIT")

    @display(description="Window")
    def window_shown(self, queue: Queue) -> str:
        """How many of its jobs may be on the broker at once."""
        return _number(policy_of(queue, conf.current()).window, queue.window, "WINDOW")

    @display(description="In force")
    def in_force(self, queue: Queue) -> str:
        """Every bound, in a sentence."""
        policy = policy_of(queue, conf.current())
        return (
            f"{policy.limit:,} jobs may wait ({policy.hard_limit:,} with children of running jobs and overflow); once "
            f"full it takes jobs again at {policy.low_water:,}. A user may hold {policy.user_limit:,} of them, a token "
            f"{policy.token_limit:,}. {policy.window:,} are on the broker at once."
        )

    @display(description="In the QUEUES setting", boolean=True)
    def configured(self, queue: Queue) -> bool:
        """Whether new jobs may enter it."""
        return queue.name in conf.current().queues

    def _pause(self, request: HttpRequest, queues: list[Queue]) -> None:
        self._act(request, queues, lane_control.pause, "paused")

    def _resume(self, request: HttpRequest, queues: list[Queue]) -> None:
        self._act(request, queues, lane_control.resume, "resumed")

    def _act(self, request: HttpRequest, queues: list[Queue], verb: Callable[..., Queue], done: str) -> None:
        now, user = database_now(), user_of(request)
        changed = acting.act(request, queues, lambda each: verb(each.name, user, now), noun="queue", done=done)
        for each in changed:
            self.log_change(request, each, f"{done.capitalize()}.")

    def _from_page(
        self, request: HttpRequest, object_id: str, verb: Callable[[HttpRequest, list[Queue]], None]
    ) -> HttpResponse:
        verb(request, list(self.get_queryset(request).filter(name=object_id)))
        back = reverse("admin:jobs_app_queue_change", args=[object_id])
        # The dialog posts with htmx, which follows a redirect only if it is told to load the whole page.
        return HttpResponseClientRedirect(back) if request.headers.get("HX-Request") else redirect(back)


def _number(number: int, own: int | None, setting: str) -> str:
    return f"{number:,}" if own is not None else f"{number:,} (the {setting} setting)"
