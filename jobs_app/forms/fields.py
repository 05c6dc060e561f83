"""Form fields that gather one parameter each: what was typed, turned into JSON-ready values as far as that is plain.

None of them judges values: what cannot be read as a number, a date or a choice goes on as text, and the kind's own
model says what is wrong with it. ``prepare_value`` shows a JSON value as the text of an input.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import ProhibitNullCharactersValidator
from django.utils import timezone
from django.utils.dateparse import parse_datetime, parse_duration

from jobs_app.forms import durations
from jobs_app.forms.questions import Question

MISSING = "expected a value, got none"
WHOLE = re.compile(r"[+-]?\d{1,400}")

no_nul = ProhibitNullCharactersValidator("expected text without NUL characters")


class Gathered(forms.Field):
    """The base. ``blank`` is what an empty field stands for; ``answer`` turns the text of a filled one into a value."""

    default_error_messages = {"required": MISSING}

    def __init__(self, question: Question, **options: Any) -> None:
        self.question = question
        options.setdefault("required", question.required and not question.nullable)
        super().__init__(label=question.label, help_text=question.help, initial=question.default, **options)

    def clean(self, value: Any) -> Any:
        """The JSON-ready value. Raises ValidationError only for what cannot be read at all."""
        if value in self.empty_values:
            if self.required:
                raise ValidationError(MISSING, code="required")
            return self.blank()
        return self.answer(value)

    def blank(self) -> Any:
        """An emptied field means null where the kind allows it, else the default."""
        return None if self.question.nullable else self.question.default

    def answer(self, value: Any) -> Any:
        """The value of a field that is not blank."""
        return value


class TextField(Gathered):
    """A text: kept as typed, with the line ends that a handler expects."""

    def blank(self) -> Any:
        return None if self.question.nullable else ""

    def answer(self, value: Any) -> Any:
        no_nul(value)
        return value.replace("\r\n", "\n")


class SecretField(TextField):
    """A secret; blank means the default."""

    def blank(self) -> Any:
        return None if self.question.nullable else self.question.default


class NumberField(Gathered):
    """A number; Decimals stay text, so that no digit is lost."""

    def answer(self, value: Any) -> Any:
        return value.strip() if self.question.schema.get("type") == "decimal" else number(value)


class MomentField(Gathered):
    """A date or a time of day, as ISO 8601; a date with time gets the time zone of the pages."""

    def answer(self, value: Any) -> Any:
        if self.question.schema.get("format") != "date-time":
            return value.strip()
        try:
            moment = parse_datetime(value.strip())
        except ValueError:
            moment = None
        if moment is None:
            return value
        return (timezone.make_aware(moment) if timezone.is_naive(moment) else moment).isoformat()

    def prepare_value(self, value: Any) -> Any:
        """What ``<input type=datetime-local>`` takes: local time without zone."""
        if self.question.schema.get("format") == "date-time" and isinstance(value, str) and value:
            try:
                moment = parse_datetime(value)
            except ValueError:
                return value
            if moment is not None and timezone.is_aware(moment):
                return timezone.localtime(moment).replace(tzinfo=None).isoformat(timespec="seconds")
        return value


class DurationField(Gathered):
    """A duration, in words or as ISO 8601."""

    def answer(self, value: Any) -> Any:
        length = durations.read(value.strip())
        return value if length is None else f"P{length.days}DT{length.seconds + length.microseconds / 1e6:.6f}S"

    def prepare_value(self, value: Any) -> Any:
        length = parse_duration(value) if isinstance(value, str) and value[:1] in {"P", "-"} else None
        return durations.write(length) if isinstance(length, timedelta) else value


class ChoiceField(Gathered):
    """One of several values."""

    def __init__(self, question: Question, **options: Any) -> None:
        self.values = {key_of(each): each for each in values_of(question.schema)}
        super().__init__(question, **options)

    def answer(self, value: Any) -> Any:
        return self.values.get(value, value)

    def prepare_value(self, value: Any) -> Any:
        return "" if value is None else key_of(value)


class FlagField(Gathered):
    """Yes or no. An unticked box says no, so it is never missing."""

    def __init__(self, question: Question, **options: Any) -> None:
        super().__init__(question, required=False, **options)

    def clean(self, value: Any) -> Any:
        return bool(value)


class ListField(Gathered):
    """The base of fields with several values; an empty one is an empty list."""

    def __init__(self, question: Question, **options: Any) -> None:
        options.setdefault("required", question.required and question.schema.get("minItems", 0) > 0)
        super().__init__(question, **options)

    def blank(self) -> Any:
        return None if self.question.nullable and self.question.default is None else []


class ChoicesField(ListField):
    """Several of several values."""

    def __init__(self, question: Question, **options: Any) -> None:
        self.values = {key_of(each): each for each in values_of(question.schema["items"])}
        super().__init__(question, **options)

    def answer(self, value: Any) -> Any:
        return [self.values.get(each, each) for each in value]

    def prepare_value(self, value: Any) -> Any:
        return [key_of(each) for each in value or ()]


class LinesField(ListField):
    """A list of plain values, one a line; blank lines do not count."""

    def answer(self, value: Any) -> Any:
        no_nul(value)
        kind = self.question.schema["items"].get("type")
        lines = [line.strip() for line in value.splitlines() if line.strip()]
        return [number(line) if kind in {"integer", "number"} else line for line in lines]

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(str(each) for each in value) if isinstance(value, (list, tuple)) else value


class JsonField(ListField):
    """Values too rich for inputs, such as a list of models: JSON, checked here to be JSON."""

    def blank(self) -> Any:
        return super().blank() if self.question.schema.get("type") == "array" else self.question.default

    def answer(self, value: Any) -> Any:
        no_nul(value)
        try:
            return json.loads(value, parse_constant=_refuse)
        except RecursionError:
            raise ValidationError("expected JSON that is not nested so deep") from None
        except ValueError as error:
            raise ValidationError(f"expected JSON, got something else: {error}") from None

    def prepare_value(self, value: Any) -> Any:
        return value if value is None or isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def number(text: str) -> Any:
    """An int or a float if the text is one; else the text, for the kind's model to complain about."""
    text = text.strip()
    if WHOLE.fullmatch(text):
        return int(text)
    try:
        return float(text)
    except ValueError:
        return text


def values_of(schema: Any) -> list[Any]:
    """The values of an Enum or Literal; empty for any other type."""
    return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))


def key_of(value: Any) -> str:
    """A JSON value as the ``value`` of an option."""
    return value if isinstance(value, str) else json.dumps(value)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")
