"""Schedules: django-celery-beat's periodic tasks, in the admin's own look and with Weir's guards.

A job that a schedule submits belongs to the system, which may read every file: so who edits schedules needs, beside
Django's permissions on them, those to see and to act on all jobs.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django_celery_beat.models import PeriodicTask
from unfold.decorators import display

from jobs_app import wire
from jobs_app.admin import acting, presentation
from jobs_app.admin.base import user_of
from jobs_app.admin.schedule_fields import SUBMIT_WORDS
from jobs_app.admin.schedule_form import OF_JOBS, ScheduleForm
from jobs_app.admin.timings import GuardedAdmin, operates
from jobs_app.core import access, audit
from jobs_app.core.clock import database_now
from jobs_app.core.schedules import changes, ticks
from jobs_app.core.schedules.work import read_object
from jobs_app.errors import InvalidRequest, NotAllowed
from jobs_app.models import Schedule
from jobs_app.reads import schedule_views
from jobs_app.reads.views import ANYONE, hidden

IS_JOB = f"task == '{wire.SUBMIT}'"
POLICIES = ("missed", "missed_cap", "overlap", "gap", "repeat", "value")
IS_NO_JOB = f"task != '{wire.SUBMIT}'"

admin.site.unregister(PeriodicTask)

# A task is a Celery function, and people are shown none: what the package calls a periodic task is a schedule here.
# Migrations do not see this: they go by what the class said when it was made.
PeriodicTask._meta.verbose_name = "schedule"
PeriodicTask._meta.verbose_name_plural = "schedules"
apps.get_app_config("django_celery_beat").verbose_name = "Schedules"


@admin.register(PeriodicTask)
class ScheduleAdmin(GuardedAdmin):
    """Schedules. Weir's own upkeep ticks are shown and left alone: without them nothing is dispatched."""

    form = ScheduleForm
    list_display = ("name", "does", "timing", "enabled", "standing", "last_run", "runs")
    list_filter = ("enabled", "one_off")
    list_select_related = ("interval", "crontab", "solar", "clocked", "weir_schedule")
    list_per_page = 100
    search_fields = ("name",)
    ordering = ("name",)
    actions = ("enable_selected", "disable_selected", "submit_selected")
    readonly_fields = ("does", "message", "timing", "standing", "last_run", "runs")
    compressed_fields = False
    conditional_fields = {**dict.fromkeys(OF_JOBS, IS_JOB), "args": IS_NO_JOB, "kwargs": IS_NO_JOB}
    fieldsets = (
        (None, {"fields": ("name", "enabled", "description")}),
        ("What", {"fields": ("task", "kind", "parameters", "args", "kwargs", "queue")}),
        ("When", {
            "fields": (
                "interval", "crontab", "solar", "clocked", "start_time", "one_off", "standing", "last_run", "runs",
            ),
            "description": "Choose exactly one of interval, crontab, solar event or one moment.",
        }),
        ("Until", {"fields": ("expires", "expire_seconds")}),
        ("When it cannot be as it should", {
            "fields": ("missed", "missed_cap", "overlap", "gap", "repeat"),
            "description": "What becomes of ticks that are missed, that overlap, or that fall into an odd night.",
        }),
        ("Its report", {"fields": ("value", "readers")}),
    )  # fmt: skip

    only_to_see = (
        (
            None,
            {
                "fields": (
                    "name",
                    "enabled",
                    "description",
                    "does",
                    "message",
                    "timing",
                    "standing",
                    "last_run",
                    "runs",
                )
            },
        ),
    )

    def snapshot(self, row: PeriodicTask) -> dict[str, Any]:
        """With the policies."""
        chosen = Schedule.objects.filter(pk=row.pk).values(*POLICIES).first()
        return {**super().snapshot(row), **(chosen or {})}

    def get_object(self, request: HttpRequest, *args: Any, **options: Any) -> Any:
        """The schedule, and who looks at it."""
        row = super().get_object(request, *args, **options)
        if row is not None:
            row.viewer = request.user
        return row

    def get_form(self, request: HttpRequest, *args: Any, **options: Any) -> Any:
        """The form, which is told who fills it in."""
        form = super().get_form(request, *args, **options)
        form.user = request.user
        return form

    def get_fieldsets(self, request: HttpRequest, obj: PeriodicTask | None = None) -> Any:
        """Who may not change a schedule sees it in words."""
        if obj is not None and not self.has_change_permission(request, obj):
            return self.only_to_see
        return super().get_fieldsets(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: PeriodicTask | None = None) -> bool:
        """Never of upkeep; nor of a kind whose parameters are not for these eyes."""
        readable = obj is None or _readable(request.user, obj)
        return super().has_change_permission(request, obj) and not _is_upkeep(obj) and readable

    def has_delete_permission(self, request: HttpRequest, obj: PeriodicTask | None = None) -> bool:
        """Never of upkeep."""
        return super().has_delete_permission(request, obj) and not _is_upkeep(obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Deleting goes by a schedule's own page, where upkeep is safe."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions if operates(request) else {}

    @admin.action(description="Enable", permissions=["change"])
    def enable_selected(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        """Let the selected schedules tick."""
        self._switch(request, queryset, enabled=True)

    @admin.action(description="Disable", permissions=["change"])
    def disable_selected(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        """Stop the selected schedules."""
        self._switch(request, queryset, enabled=False)

    @admin.action(description="Submit the job now", permissions=["change"])
    def submit_selected(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        """One tick out of turn, for schedules that submit jobs."""
        now = database_now()

        def submit(schedule: PeriodicTask) -> None:
            if schedule.task != wire.SUBMIT:
                raise InvalidRequest("expected a schedule that submits a job")
            tick = ticks.run_now(changes.row_of(schedule, now=now), actor=user_of(request), now=now)
            self.log_change(request, schedule, f"Submitted job {tick.job_id} out of turn.")

        acting.act(request, acting.selected(request, queryset), submit, noun="job", done="submitted")

    def _switch(self, request: HttpRequest, queryset: QuerySet[PeriodicTask], *, enabled: bool) -> None:
        now = database_now()

        def switch(schedule: PeriodicTask) -> None:
            if _is_upkeep(schedule):
                raise NotAllowed("expected a schedule of yours; this is Weir's own upkeep")
            if schedule.task == wire.SUBMIT:
                act = changes.resume if enabled else changes.pause
                act(changes.row_of(schedule, now=now), actor=user_of(request), now=now)
            else:
                verb = "resume" if enabled else "pause"
                audit.record(
                    user_of(request), f"schedule.{verb}", f"schedule {schedule.name}", now=now,
                    before={"enabled": schedule.enabled}, after={"enabled": enabled},
                )  # fmt: skip
                schedule.enabled = enabled
                # Only these columns: beat writes the others meanwhile. save() also tells beat to look again.
                schedule.save(update_fields=["enabled", "last_run_at", "date_changed"])
            self.log_change(request, schedule, "Enabled." if enabled else "Disabled.")

        rows = acting.selected(request, queryset)
        acting.act(request, rows, switch, noun="schedule", done="enabled" if enabled else "disabled")

    def save_model(self, request: HttpRequest, obj: PeriodicTask, form: Any, change: bool) -> None:
        """The form's columns only: beat writes the others meanwhile. Then the policies, and from when on it ticks."""
        obj.save(**({"update_fields": [*ScheduleForm.Meta.fields, "date_changed"]} if change else {}))
        if obj.task == wire.SUBMIT:
            changes.choose(obj, form.chosen(), now=database_now())

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Its ticks, of which there may be millions, go with a schedule; they are not listed one by one."""
        return [str(each) for each in objs], {"schedules": len(objs)}, set(), []

    def delete_model(self, request: HttpRequest, obj: PeriodicTask) -> None:
        """With its ticks; their jobs stay."""
        changes.delete(obj)

    @display(description="Stands")
    def standing(self, schedule: PeriodicTask) -> str:
        """Why it cannot tick, or when it is due next."""
        row = getattr(schedule, "weir_schedule", None)
        if row is None or not schedule.enabled:
            return "-" if schedule.enabled else "paused"
        if row.broken:
            # What breaks it may be a parameter.
            seen = _readable(getattr(schedule, "viewer", ANYONE), schedule)
            return f"broken: {row.broken if seen else hidden(_kind_of(schedule))}"
        if row.held_up:
            return f"put off: {row.held_up}"
        return f"due {presentation.moment(row.next_due_at)}"

    @display(description="Does")
    def does(self, schedule: PeriodicTask) -> str:
        """Submits which kind, or sends which task."""
        if schedule.task != wire.SUBMIT:
            return str(schedule.task)
        return f"{SUBMIT_WORDS}: {read_object(schedule.kwargs).get('kind', 'of no kind; edit it')}"

    @display(description="With")
    def message(self, schedule: PeriodicTask) -> str:
        """The arguments it sends."""
        if not _readable(getattr(schedule, "viewer", ANYONE), schedule):
            return hidden(_kind_of(schedule))
        return presentation.as_json(read_object(schedule.kwargs))

    @display(description="When")
    def timing(self, schedule: PeriodicTask) -> str:
        """In words, where there are any."""
        return schedule_views.timing_in_words(schedule.scheduler) or "-"

    @display(description="Last tick")
    def last_run(self, schedule: PeriodicTask) -> str:
        """As beat has noted it."""
        return presentation.moment(schedule.last_run_at)

    @display(description="Ticks")
    def runs(self, schedule: PeriodicTask) -> str:
        """How many, since beat began to count."""
        return f"{schedule.total_run_count:,}"


def _kind_of(schedule: PeriodicTask) -> str:
    return str(read_object(schedule.kwargs).get("kind", "")) if schedule.task == wire.SUBMIT else ""


def _readable(viewer: Any, schedule: PeriodicTask) -> bool:
    return access.sees_parameters(viewer, _kind_of(schedule), None)


def _is_upkeep(schedule: PeriodicTask | None) -> bool:
    return schedule is not None and schedule.name in wire.UPKEEP
