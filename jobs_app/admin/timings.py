"""When schedules tick: django-celery-beat's intervals, crontabs, solar events and moments."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from jobs_app import wire
from jobs_app.admin.auditing import Audited
from jobs_app.core import timing as core_timing
from jobs_app.core.clock import database_now
from jobs_app.errors import InvalidRequest
from jobs_app.models.job import ACT_ON_ALL, SEE_ALL
from jobs_app.reads import schedule_views

TIMINGS = (IntervalSchedule, CrontabSchedule, SolarSchedule, ClockedSchedule)

for timing in TIMINGS:
    admin.site.unregister(timing)


def operates(request: HttpRequest) -> bool:
    """Whether this user may see and act on the jobs of all."""
    return bool(request.user.has_perms([SEE_ALL, ACT_ON_ALL]))


class GuardedAdmin(Audited, ModelAdmin):
    """Adding, changing and deleting need the permissions to see and to act on all jobs as well."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """As the class says."""
        return super().has_add_permission(request) and operates(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """As the class says."""
        return super().has_change_permission(request, obj) and operates(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """As the class says."""
        return super().has_delete_permission(request, obj) and operates(request)


class SchedulesInline(TabularInline):
    """The schedules that use a timing."""

    model = PeriodicTask
    fields = readonly_fields = ("name", "task", "enabled")
    extra = 0
    can_delete = False
    show_change_link = True
    verbose_name_plural = "Schedules that use it"

    def get_queryset(self, request: HttpRequest) -> QuerySet[PeriodicTask]:
        """With their timing, which is a part of what each is called."""
        rows: QuerySet[PeriodicTask] = super().get_queryset(request)
        return rows.select_related("interval", "crontab", "solar", "clocked")

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """From a schedule's own page only."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """From a schedule's own page only."""
        return False


class CrontabForm(forms.ModelForm):  # type: ignore[type-arg]
    """A crontab that fires some day."""

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if not self.errors:
            try:
                core_timing.check(self.instance, now=database_now())
            except InvalidRequest as error:
                self.add_error("day_of_month", str(error))


@admin.register(*(each for each in TIMINGS if each is not CrontabSchedule))
class TimingAdmin(GuardedAdmin):
    """When schedules tick. One that upkeep uses is left alone."""

    inlines = (SchedulesInline,)
    compressed_fields = False
    list_display = ("in_words", "used_by")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the schedules that use each."""
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.prefetch_related("periodictask_set")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never of upkeep's."""
        return super().has_change_permission(request, obj) and not _keeps_time_of_upkeep(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Not while a schedule uses it: deleting it would delete the schedule."""
        used = obj is not None and obj.periodictask_set.exists()
        return super().has_delete_permission(request, obj) and not used

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Deleting goes by a timing's own page."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    @display(description="When")
    def in_words(self, timing: Any) -> str:
        """As people say it, where the package can."""
        return schedule_views.timing_in_words(timing)

    @display(description="Used by")
    def used_by(self, timing: Any) -> str:
        """The names of its schedules."""
        return ", ".join(each.name for each in timing.periodictask_set.all()) or "-"


@admin.register(CrontabSchedule)
class CrontabAdmin(TimingAdmin):
    """Crontabs; one that never fires is not saved."""

    form = CrontabForm


def _keeps_time_of_upkeep(timing: Any) -> bool:
    if timing is None:
        return False
    if not hasattr(timing, "of_upkeep"):  # its page asks for each of its schedules
        timing.of_upkeep = timing.periodictask_set.filter(name__in=wire.UPKEEP).exists()
    return bool(timing.of_upkeep)
