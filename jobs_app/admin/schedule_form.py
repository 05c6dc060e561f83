"""The form of a schedule: a task chosen, never typed; a job's parameters checked before they are saved."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django_celery_beat.admin import TaskSelectWidget
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from jobs_app import conf, registry, wire
from jobs_app.core import scheduling, timing
from jobs_app.core.clock import database_now
from jobs_app.errors import InvalidParameters, InvalidRequest, WeirError

LONGEST = 100_000
SHORTEST = timedelta(minutes=1)
SUBMIT_WORDS = "submit a job"
TICKS = tuple(name for name in wire.UPKEEP if name != wire.SUBMIT)


def task_choices() -> list[tuple[str, Any]]:
    """What a schedule may send: a submission, upkeep, or a task of the team's own. Kinds are run by submitting them."""
    kinds = {kind.name for kind in registry.all_kinds()}
    registered = {name for name, _ in TaskSelectWidget().tasks_as_choices() if name}
    own = sorted(registered - kinds - set(wire.UPKEEP))
    groups: list[tuple[str, Any]] = [(wire.SUBMIT, SUBMIT_WORDS)]
    if own:
        groups.append(("the team's own tasks", [(name, name) for name in own]))
    groups.append(("upkeep", [(name, name) for name in TICKS]))
    return groups


def kind_choices() -> list[tuple[str, str]]:
    """The kinds that a schedule may submit."""
    return [("", "Select value"), *((kind.name, kind.name) for kind in registry.all_kinds() if kind.schedulable)]


def queue_choices() -> list[tuple[str, str]]:
    """Where a task of the team's own may be sent; a name that no worker listens to would lose it."""
    return [("", "the default"), *((name, name) for name in (*conf.current().queues, wire.SYSTEM_QUEUE))]


class JsonText(forms.CharField):
    """Bounded text that must be JSON of one type."""

    def __init__(self, expected: type[dict[str, Any]] | type[list[Any]], **options: Any) -> None:
        self.expected = expected
        widget = UnfoldAdminTextareaWidget({"rows": 6, "spellcheck": "false"})
        super().__init__(required=False, max_length=LONGEST, widget=widget, **options)

    def clean(self, value: Any) -> Any:
        """The value, read; empty text is an empty value."""
        text = super().clean(value)
        try:
            read = json.loads(text) if text.strip() else self.expected()
        except ValueError as error:
            raise ValidationError(f"expected JSON, got a text that is not: {error}") from None
        if not isinstance(read, self.expected):
            words = 'a list such as ["hello"]' if self.expected is list else 'an object such as {"text": "hello"}'
            raise ValidationError(f"expected {words}, got {text[:80]}")
        return read


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]
    """A schedule. For a job, kind and parameters are asked for; they become the message's ``kwargs``."""

    task = forms.ChoiceField(label="What it does", widget=UnfoldAdminSelectWidget)
    kind = forms.ChoiceField(label="Kind of job", required=False, widget=UnfoldAdminSelectWidget)
    parameters = JsonText(dict, label="Parameters of the job", help_text="JSON, as the API takes it.")
    args = JsonText(list, label="Positional arguments", help_text="A JSON list, for a task of the team's own.")
    kwargs = JsonText(dict, label="Named arguments", help_text="A JSON object, for a task of the team's own.")
    queue = forms.ChoiceField(required=False, widget=UnfoldAdminSelectWidget)

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
            "name": "Unique; it is part of what tells two ticks apart.",
            "enabled": "A schedule that is not enabled does not tick.",
            "description": "", "interval": "", "crontab": "", "solar": "", "start_time": "",
            "clocked": "Needs “Once” below.",
            "one_off": "After its first tick the schedule is disabled.",
            "expires": "From then on the schedule is disabled.",
            "expire_seconds": "A tick that no worker has taken by then is dropped. Empty: it waits.",
        }  # fmt: skip

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        choices = {"task": task_choices, "kind": kind_choices, "queue": queue_choices}
        for name in choices.keys() & self.fields.keys():
            self.fields[name].choices = choices[name]()  # type: ignore[attr-defined]
        given = read_object(self.instance.kwargs)
        if self.instance.task == wire.SUBMIT:
            self.initial["kind"] = given.get("kind", "")
            self.initial["parameters"] = json.dumps(given.get("parameters", {}), indent=2, ensure_ascii=False)
            self.initial["kwargs"] = "{}"

    def clean(self) -> dict[str, Any]:
        """Check the job as its ticks would submit it, and write it as the message's arguments."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("task") == wire.SUBMIT and {"kind", "parameters"} <= cleaned.keys():
            name, kind, parameters = cleaned.get("name", ""), cleaned["kind"], cleaned["parameters"]
            self._check_job(kind, parameters)
            self._check_interval(cleaned.get("interval"))
            cleaned["args"] = []
            cleaned["queue"] = ""
            cleaned["kwargs"] = {"schedule": name, "kind": kind, "parameters": parameters}
        elif cleaned.get("task") in TICKS and (cleaned.get("args") or cleaned.get("kwargs")):
            self.add_error("kwargs", "expected no arguments: upkeep takes none")
        self._check_crontab(cleaned.get("crontab"))
        if cleaned.get("expires") and cleaned.get("expire_seconds") is not None:
            self.add_error("expire_seconds", "expected only one of the two ways to expire")
        for name in ("args", "kwargs"):
            if name in cleaned:
                cleaned[name] = json.dumps(cleaned[name])
        return cleaned

    def _check_interval(self, interval: IntervalSchedule | None) -> None:
        if interval is not None and interval.schedule.run_every < SHORTEST:
            self.add_error("interval", "expected a minute or more: the ticks of one minute submit one job")

    def _check_crontab(self, crontab: CrontabSchedule | None) -> None:
        try:
            if crontab is not None:
                timing.check(crontab, now=database_now())
        except InvalidRequest as error:
            self.add_error("crontab", str(error))

    def _check_job(self, kind: str, parameters: dict[str, Any]) -> None:
        if not kind:
            self.add_error("kind", "expected a kind of job, got none")
            return
        try:
            scheduling.check(kind, parameters)
        except InvalidParameters as error:
            for problem in error.problems:
                place = f"{problem.pointer}: " if problem.location else ""
                self.add_error("parameters", place + problem.message)
        except WeirError as error:
            self.add_error("parameters", str(error))


def read_object(text: str | None) -> dict[str, Any]:
    """JSON text as an object; an empty one if it is something else."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
