"""The fields of a schedule's form: what may be chosen, and how it is asked for."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django_celery_beat.admin import TaskSelectWidget
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from jobs_app import conf, registry, wire
from jobs_app.ticking import Gap, Missed, Overlap, Repeat

LONGEST = 100_000
SUBMIT_WORDS = "submit a job"
POINTER = re.compile(r"(/([^~/]|~[01])*)*")

WORDS: dict[type[StrEnum], tuple[str, ...]] = {
    Missed: ("leave them out", "make up for the latest", "make up for all, up to a number"),
    Overlap: ("submit a job all the same", "leave the tick out", "let one tick wait until it has ended"),
    Gap: ("tick as soon as the clocks have changed", "leave the tick out"),
    Repeat: ("tick twice if it ticks every hour, else once", "tick the first time", "tick both times"),
}
"""Each choice as people say it, in the order of its enum."""


def task_choices() -> list[tuple[str, Any]]:
    """What a schedule may send: a submission, upkeep, or a task of the team's own. Kinds are run by submitting them."""
    kinds = {kind.name for kind in registry.all_kinds()}
    registered = {name for name, _ in TaskSelectWidget().tasks_as_choices() if name}
    own = sorted(registered - kinds - {*wire.UPKEEP, wire.SUBMIT})
    groups: list[tuple[str, Any]] = [(wire.SUBMIT, SUBMIT_WORDS)]
    if own:
        groups.append(("the team's own tasks", [(name, name) for name in own]))
    groups.append(("upkeep", [(name, name) for name in wire.UPKEEP]))
    return groups


def kind_choices() -> list[tuple[str, str]]:
    """The kinds that a schedule may submit."""
    return [("", "Select value"), *((kind.name, kind.name) for kind in registry.all_kinds() if kind.schedulable)]


def queue_choices() -> list[tuple[str, str]]:
    """Where a job, or a task of the team's own, may go; a name that no worker listens to would lose it."""
    return [("", "the default"), *((name, name) for name in (*conf.current().queues, wire.SYSTEM_QUEUE))]


def policy(label: str, default: StrEnum, **options: Any) -> forms.ChoiceField:
    """A field for one of a schedule's policies; what is not given is the default."""
    values = [each.value for each in type(default)]
    choices = list(zip(values, WORDS[type(default)], strict=True))
    return forms.TypedChoiceField(
        label=label, choices=choices, initial=default.value, required=False, empty_value=default, coerce=type(default),
        widget=UnfoldAdminSelectWidget, **options,
    )  # fmt: skip


def check_pointer(value: str) -> None:
    """A validator of JSON pointers (RFC 6901)."""
    if not POINTER.fullmatch(value):
        raise ValidationError(f"expected a JSON pointer such as /rows/0/mean, got {value[:80]}")


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
