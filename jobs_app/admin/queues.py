"""Queues in the admin."""

from __future__ import annotations

from django.contrib import admin
from unfold.decorators import display

from jobs_app import conf
from jobs_app.admin import presentation
from jobs_app.admin.base import LedgerAdmin
from jobs_app.models import Queue


@admin.register(Queue)
class QueueAdmin(LedgerAdmin):
    """Every lane: its window, and whether it is paused."""

    owner_field = ""
    list_display = ("name", "window_shown", "standing", "configured")
    list_filter = ()
    ordering = ("name",)
    sortable_by = ()
    fields = readonly_fields = ("name", "window_shown", "standing", "paused", "configured")

    @display(description="Window")
    def window_shown(self, queue: Queue) -> str:
        """How many of its jobs may be on the broker at once."""
        return str(queue.window) if queue.window else f"{conf.current().window} (the WINDOW setting)"

    @display(description="Dispatching", label={"open": "success", "paused": "warning"})
    def standing(self, queue: Queue) -> str:
        """Whether jobs leave it."""
        return "paused" if queue.paused_at else "open"

    @display(description="Paused at")
    def paused(self, queue: Queue) -> str:
        """Since when it is paused."""
        return presentation.moment(queue.paused_at)

    @display(description="In the QUEUES setting", boolean=True)
    def configured(self, queue: Queue) -> bool:
        """Whether new jobs may enter it."""
        return queue.name in conf.current().queues
