"""The form of a schedule: a task chosen, never typed; what its ticks could not do is an error at the field."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib.auth.models import Group
from django_celery_beat.models import PeriodicTask
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from jobs_app import wire
from jobs_app.admin.schedule_fields import (
    JsonText,
    check_pointer,
    kind_choices,
    policy,
    queue_choices,
    task_choices,
)
from jobs_app.core import access, admission
from jobs_app.core.clock import database_now
from jobs_app.core.schedules import timings, work
from jobs_app.core.schedules.changes import Choices
from jobs_app.core.schedules.work import Work, read_object
from jobs_app.errors import InvalidParameters, InvalidRequest, WeirError
from jobs_app.models import Schedule
from jobs_app.models.schedule import CAP_MOST
from jobs_app.ticking import Gap, Missed, Overlap, Repeat

POLICIES = ("missed", "missed_cap", "overlap", "gap", "repeat", "value", "readers")
OF_JOBS = ("kind", "parameters", *POLICIES)
"""Fields that only a schedule that submits jobs has."""

TIMINGS = ("interval", "crontab", "solar", "clocked")


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]
    """A schedule. For a job, kind, parameters and policies are asked for; the first two become the ``kwargs``."""

    task = forms.ChoiceField(label="What it does", widget=UnfoldAdminSelectWidget)
    kind = forms.ChoiceField(label="Kind of job", required=False, widget=UnfoldAdminSelectWidget)
    parameters = JsonText(dict, label="Parameters of the job", help_text="JSON, as the API takes it.")
    args = JsonText(list, label="Positional arguments", help_text="A JSON list, for a task of the team's own.")
    kwargs = JsonText(dict, label="Named arguments", help_text="A JSON object, for a task of the team's own.")
    queue = forms.ChoiceField(required=False, widget=UnfoldAdminSelectWidget)
    missed = policy(
        "Ticks that were missed",
        Missed.LATEST,
        help_text="While beat was away, or longer than 10 s for another reason.",
    )
    missed_cap = forms.IntegerField(
        label="All, but at most", min_value=1, max_value=CAP_MOST, initial=100, required=False,
        widget=UnfoldAdminIntegerFieldWidget,
    )  # fmt: skip
    overlap = policy("While a job of before runs", Overlap.ALLOW)
    gap = policy("A local time that is skipped", Gap.AFTER, help_text="In the night when clocks are put forward.")
    repeat = policy("A local time that comes twice", Repeat.USUAL, help_text="When clocks are put back.")
    value = forms.CharField(
        label="Value to draw", required=False, max_length=200, validators=[check_pointer],
        widget=UnfoldAdminTextInputWidget,
        help_text="Where in the result the number is that its report draws, as a JSON pointer such as /rows/0/mean.",
    )  # fmt: skip
    readers = forms.ModelMultipleChoiceField(
        Group.objects.order_by("name"), required=False, widget=UnfoldAdminSelectMultipleWidget,
        help_text="Groups whose members may read its report, beside those who see all jobs.",
    )  # fmt: skip

    user: Any = None
    """Who fills it in, set by the screen on a class of its own."""

    class Meta:
        model = PeriodicTask
        fields = (
            "name", "enabled", "description", "task", "args", "kwargs", "queue", "interval", "crontab", "solar",
            "clocked", "start_time", "one_off", "expires", "expire_seconds",
        )  # fmt: skip
        labels = {
            "interval": "Interval", "crontab": "Crontab", "solar": "Solar event", "clocked": "Moment",
            "start_time": "Not before", "one_off": "Once", "expires": "Last tick before",
            "expire_seconds": "Seconds that a tick may wait for a worker",
        }  # fmt: skip
        help_texts = {
            "name": "Unique.",
            "enabled": "A schedule that is not enabled does not tick.",
            "description": "", "crontab": "",
            "interval": "Counted from “Not before”, or else from 1 January 1970, UTC.",
            "solar": "For tasks of the team's own only.",
            "start_time": "", "clocked": "Needs “Once” below.",
            "one_off": "After its first tick the schedule is disabled.",
            "expires": "From then on the schedule is disabled.",
            "expire_seconds": "What no worker has taken by then is dropped; a job fails. Empty: it waits.",
        }  # fmt: skip

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        choices = {"task": task_choices, "kind": kind_choices, "queue": queue_choices}
        for name in choices.keys() & self.fields.keys():
            self.fields[name].choices = choices[name]()  # type: ignore[attr-defined]
        if self.instance.task != wire.SUBMIT:
            return
        given = read_object(self.instance.kwargs)
        self.initial["kind"] = given.get("kind", "")
        self.initial["parameters"] = json.dumps(given.get("parameters", {}), indent=2, ensure_ascii=False)
        self.initial["kwargs"] = "{}"
        known = Schedule.objects.filter(pk=self.instance.pk).first()
        for name in POLICIES if known is not None else ():
            self.initial[name] = known.readers.all() if name == "readers" else getattr(known, name)  # type: ignore[union-attr]

    def chosen(self) -> Choices:
        """The policies, once the form is found valid."""
        given = {name: self.cleaned_data[name] for name in POLICIES}
        given["missed_cap"] = given["missed_cap"] or 100
        return Choices(**{**given, "readers": tuple(given["readers"])})

    def clean(self) -> dict[str, Any]:
        """Check the job as its ticks would submit it, and write it as the periodic task's arguments."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("task") == wire.SUBMIT and {"kind", "parameters", "queue"} <= cleaned.keys():
            name, kind, parameters = cleaned.get("name", ""), cleaned["kind"], cleaned["parameters"]
            self._check_job(kind, parameters, cleaned["queue"])
            cleaned["args"] = []
            cleaned["kwargs"] = {"schedule": name, "kind": kind, "parameters": parameters}
        elif cleaned.get("task") in wire.UPKEEP and (cleaned.get("args") or cleaned.get("kwargs")):
            self.add_error("kwargs", "expected no arguments: upkeep takes none")
        if cleaned.get("expires") and cleaned.get("expire_seconds") is not None:
            self.add_error("expire_seconds", "expected only one of the two ways to expire")
        for name in ("args", "kwargs"):
            if name in cleaned:
                cleaned[name] = json.dumps(cleaned[name])
        return cleaned

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if not self.errors:
            # Here, since the model checks first that it is one timing.
            self._check_timing(self.instance)

    def _check_timing(self, task: PeriodicTask) -> None:
        """Whether it is ever due."""
        (field,) = (name for name in TIMINGS if getattr(task, name))
        if task.task != wire.SUBMIT and field != "crontab":
            if field == "interval" and task.interval.every < 1:
                self.add_error(field, f"expected an interval longer than nothing, got {task.interval}")
            return
        try:
            timing = timings.of(task, Schedule(gap=self.cleaned_data["gap"], repeat=self.cleaned_data["repeat"]))
            if task.enabled and timings.first(timing, database_now()) is None:
                place = "expires" if task.expires and field != "clocked" else field
                self.add_error(place, "expected a time that is yet to come, got one that is past")
        except InvalidRequest as error:
            self.add_error(field, str(error))

    def _check_job(self, kind: str, parameters: dict[str, Any], queue: str) -> None:
        if not kind:
            self.add_error("kind", "expected a kind of job, got none")
            return
        if not access.may_submit(self.user, kind):
            self.add_error("kind", f"expected a kind that you may submit, got {kind}")
            return
        try:
            if queue:
                admission.check_queue(queue)
        except InvalidRequest as error:
            self.add_error("queue", str(error))
        try:
            work.check(Work(kind, parameters))
        except InvalidParameters as error:
            for problem in error.problems:
                place = f"{problem.pointer}: " if problem.location else ""
                self.add_error("parameters", place + problem.message)
        except WeirError as error:
            self.add_error("parameters", str(error))
