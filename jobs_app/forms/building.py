"""From a question to its field: which widget, with which HTML attributes."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone

from jobs_app.forms import durations, fields, patterns, rows
from jobs_app.forms.files import file_field
from jobs_app.forms.questions import Group, Question
from jobs_app.parameters import MASK

RADIOS = 5
"""Up to this many choices are shown side by side; more are a list to open."""

LONG = 300
"""Texts that may be longer than this get several lines."""

MOMENTS = {
    "date": ("date", {}),
    "time": ("time", {"step": "1"}),
    "date-time": ("datetime-local", {"step": "1"}),
}


class SecretInput(forms.PasswordInput):
    """A password input that gives back the mask of a kept secret, and never a secret itself."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Only the mask is rendered."""
        self.render_value = value == MASK
        return super().get_context(name, value, attrs)


class TypedInput(forms.TextInput):
    """A text input of another HTML type, without Django's own formatting of the value."""

    def __init__(self, input_type: str, attrs: dict[str, Any]) -> None:
        self.input_type = input_type
        super().__init__(attrs)


def field_for(question: Question, *, optional: bool = False) -> forms.Field:
    """The field that gathers the answer. ``optional``: it is in a group that may be left out."""
    field = _field(question)
    if optional:
        # A browser would insist on it even when its group is not given; the server knows better.
        field.widget.use_required_attribute = _never
    return field


def switch_for(group: Group) -> forms.Field:
    """The check box that says whether an optional group is given."""
    return forms.BooleanField(required=False, initial=group.given, label=f"Set {group.label.lower()}")


def _never(initial: Any) -> bool:
    return False


def _field(question: Question) -> forms.Field:
    schema = question.schema
    if schema.get("x-weir") == "artifact":
        return file_field(question, several=False)
    if schema.get("x-weir") == "secret":
        # A secret is never sent back; with htmx the browser keeps what was typed when another field is at fault.
        attrs = {**_attributes(schema), "autocomplete": "new-password", "hx-preserve": "true"}
        return fields.SecretField(question, widget=SecretInput(attrs=attrs))
    if fields.values_of(schema):
        return _choice(question)
    match schema.get("type"):
        case "boolean":
            return _flag(question)
        case "integer" | "number" | "decimal":
            return fields.NumberField(question, widget=TypedInput("number", _number_attributes(schema)))
        case "string":
            return _text(question)
        case "array":
            return _list(question)
        case _:
            return _json(question)


def _text(question: Question) -> forms.Field:
    schema = question.schema
    form = schema.get("format")
    if form in MOMENTS:
        kind, attrs = MOMENTS[form]
        if form == "date-time":
            zone = f"In the time zone {timezone.get_current_timezone_name()}."
            field: forms.Field = fields.MomentField(question, widget=TypedInput(kind, dict(attrs)))
            field.help_text = f"{question.help} {zone}".strip()
            return field
        return fields.MomentField(question, widget=TypedInput(kind, dict(attrs)))
    if form == "duration":
        example = {"placeholder": durations.EXAMPLE, "maxlength": "60", "autocomplete": "off"}
        return fields.DurationField(question, widget=forms.TextInput(example))
    if form == "uuid":
        example = {"maxlength": "45", "placeholder": "00000000-0000-0000-0000-000000000000"}
        return fields.TextField(question, widget=forms.TextInput(example))
    if form == "uri" or question.location[-1].endswith(("url", "uri")):
        return fields.TextField(question, widget=forms.TextInput({**_attributes(schema), "inputmode": "url"}))
    if form == "multiline" or schema.get("maxLength", 0) > LONG:
        return fields.TextField(question, widget=_area(schema, rows=5))
    return fields.TextField(question, widget=forms.TextInput(_attributes(schema)))


def _list(question: Question) -> forms.Field:
    items = question.schema.get("items", {})
    if items.get("x-weir") == "artifact":
        return file_field(question, several=True)
    if fields.values_of(items):
        choices = [(fields.key_of(each), str(each)) for each in fields.values_of(items)]
        return fields.ChoicesField(question, widget=forms.CheckboxSelectMultiple(choices=choices))
    if items.get("type") in {"string", "integer", "number", "decimal", "boolean"}:
        field = fields.LinesField(question, widget=_area({**items, "maxLength": 0}, rows=3))
        field.help_text = f"{question.help} One a line.".strip()
        return field
    return _json(question)


def _json(question: Question) -> forms.Field:
    field = fields.JsonField(question, widget=_area({}, rows=6))
    field.widget.attrs |= rows.attributes(question.schema)
    names = ", ".join(question.schema.get("items", {}).get("properties", ()))
    field.help_text = f"{question.help} As JSON{f': a list of objects with {names}' if names else ''}.".strip()
    return field


def _choice(question: Question) -> forms.Field:
    values = fields.values_of(question.schema)
    choices = [(fields.key_of(each), str(each)) for each in values]
    if question.nullable:
        choices = [("", "none"), *choices]
    elif question.required:
        # A select without an empty choice would answer for the user.
        choices = choices if len(choices) <= RADIOS else [("", "choose one"), *choices]
    widget = forms.RadioSelect if len(choices) <= RADIOS else forms.Select
    return fields.ChoiceField(question, widget=widget(choices=choices))


def _flag(question: Question) -> forms.Field:
    if not question.nullable:
        return fields.FlagField(question, widget=forms.CheckboxInput())
    choices = [("", "not set"), ("true", "yes"), ("false", "no")]
    field = fields.ChoiceField(question, widget=forms.RadioSelect(choices=choices))
    field.values = {"true": True, "false": False}
    return field


def _area(schema: Any, *, rows: int) -> forms.Textarea:
    attrs = {**_attributes({**schema, "pattern": ""}), "rows": rows, "spellcheck": "false"}
    return forms.Textarea(attrs)


def _attributes(schema: Any) -> dict[str, Any]:
    """The HTML attributes by which a browser checks a text."""
    attrs: dict[str, Any] = {}
    for name, key in (("maxlength", "maxLength"), ("minlength", "minLength")):
        if schema.get(key):
            attrs[name] = schema[key]
    if schema.get("pattern") and (pattern := patterns.for_browser(schema["pattern"])) is not None:
        attrs["pattern"], attrs["title"] = pattern, f"expected text that fits {schema['pattern']}"
    if example := next(iter(schema.get("examples", ())), None):
        attrs["placeholder"] = f"such as {example}"
    return attrs


def _number_attributes(schema: Any) -> dict[str, Any]:
    whole = schema.get("type") == "integer"
    attrs = {**_attributes(schema), "step": 1 if whole else "any", "inputmode": "numeric" if whole else "decimal"}
    for name, word, off in (("min", "inimum", 1), ("max", "aximum", -1)):
        if f"m{word}" in schema:
            attrs[name] = schema[f"m{word}"]
        elif f"exclusiveM{word}" in schema:
            attrs[name] = schema[f"exclusiveM{word}"] + (off if whole else 0)
    step, least = schema.get("multipleOf"), attrs.get("min", 0)
    if step and least % step == 0:
        attrs["step"] = step
    return attrs
