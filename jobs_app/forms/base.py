"""The form of a kind: gathers parameters, and puts problems where they belong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.forms.boundfield import BoundField

from jobs_app.errors import FieldProblem, InvalidParameters, Refused
from jobs_app.forms.fields import Gathered, TextField
from jobs_app.forms.files import CHOSEN, BaseFileField
from jobs_app.forms.questions import SEPARATOR, Group, Question
from jobs_app.parameters import MASK
from jobs_app.registry import Kind

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True)
class Part:
    """What to draw next: a field, or a group with parts of its own and perhaps a switch."""

    field: BoundField | None = None
    label: str = ""
    help: str = ""
    switch: BoundField | None = None
    parts: tuple[Part, ...] = ()


class KindForm(forms.Form):
    """The base of generated forms; see the package for how to use one."""

    kind: ClassVar[Kind]
    root: ClassVar[Group]

    def __init__(self, *args: Any, user: User | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        for each in self.fields.values():
            if isinstance(each, BaseFileField):
                each.owner = user
                each.widget.options = each.offer
        for name, each in self.fields.items():
            if type(each) is TextField and "\n" in str(self[name].value() or ""):
                # One line would swallow the line breaks that an earlier job's text has.
                each.widget = forms.Textarea({**each.widget.attrs, "rows": 5})

    def parts(self) -> tuple[Part, ...]:
        """Fields and groups, in the order of the kind's signature."""
        return self._drawn(self.root)

    def wrong(self) -> list[BoundField]:
        """The fields with problems, in order."""
        return [self[name] for name in self.fields if name in self.errors]

    def refused(self) -> Refused | None:
        """That there was no room for one of the files, if that is what is wrong."""
        files = [each for each in self.fields.values() if isinstance(each, BaseFileField)]
        return next((each.refused for each in files if each.refused is not None), None)

    def parameters(self) -> dict[str, Any]:
        """What was gathered, JSON-ready and nested as the kind has it; fields that could not be read are left out."""
        gathered: dict[str, Any] = self._gathered(self.root)
        return gathered

    def take_problems(self, error: InvalidParameters) -> None:
        """Put each problem at its field; what has no field of its own is said above the form."""
        for problem in error.problems:
            name, rest = self._place(problem)
            if name is not None and name in self.errors:
                continue
            self.add_error(name, _sentence(rest, problem.message))

    @classmethod
    def initial_from(cls, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """``initial=`` from stored parameters; parameters the kind no longer has are left out."""
        initial: dict[str, Any] = {}
        for group in cls.root.groups():
            values = _at(parameters, group.location)
            if group.optional:
                initial[group.switch] = isinstance(values, Mapping)
            for part in group.parts:
                if isinstance(part, Question) and isinstance(values, Mapping) and part.location[-1] in values:
                    initial[part.name] = values[part.location[-1]]
        return initial

    def clean(self) -> dict[str, Any]:
        """Choose what was just uploaded, so that it is not asked for again; forget faults of groups left out."""
        uploaded = {name: each for name, each in self.fields.items() if isinstance(each, BaseFileField)}
        if uploaded:
            self.data, self.files = copy(self.data), copy(self.files)
        for name, each in uploaded.items():
            html_name = self.add_prefix(name)
            self.files.pop(html_name, None)
            self._choose(html_name + CHOSEN, each.kept)
        for name in self._left_out(self.root):
            self.errors.pop(name, None)
        for question in self.root.questions():
            if question.name in self.errors and question.default is not None and self._is_unsent(question):
                del self.errors[question.name]
                self.cleaned_data[question.name] = question.default
        return self.cleaned_data

    def _choose(self, html_name: str, ids: list[str]) -> None:
        data: Any = self.data
        if hasattr(data, "setlist"):
            data.setlist(html_name, ids)
        else:
            data[html_name] = ids

    def _gathered(self, group: Group) -> Any:
        if group.optional and not self.cleaned_data.get(group.switch):
            return None
        values: dict[str, Any] = {}
        for part in group.parts:
            if isinstance(part, Group):
                inner = self._gathered(part)
                if inner is not None or part.nullable:
                    values[part.location[-1]] = inner
            elif part.name in self.cleaned_data and not self._by_default(part):
                values[part.location[-1]] = self._answer(part)
        return values

    def _answer(self, question: Question) -> Any:
        return question.default if self._is_unsent(question) else self.cleaned_data[question.name]

    def _by_default(self, question: Question) -> bool:
        """Whether the kind's own default is meant: the field was not sent at all, or the form cannot spell it."""
        # Within a group the default may come from the group, so that it has to be spelled out.
        if self._is_unsent(question) and len(question.location) == 1:
            return True
        value = self._answer(question)
        if question.schema.get("x-weir") == "secret" and value == MASK:
            return bool(question.default == MASK)
        return value is None and not question.nullable

    def _is_unsent(self, question: Question) -> bool:
        """Not even blank: a program sent the form, and left this field out."""
        widget = self.fields[question.name].widget
        return bool(widget.value_omitted_from_data(self.data, self.files, self.add_prefix(question.name)))

    def _left_out(self, group: Group) -> Iterator[str]:
        """The names of fields that do not count, since the group they are in is not given."""
        if group.optional and not self.cleaned_data.get(group.switch):
            yield from (question.name for question in group.questions())
            return
        for part in group.parts:
            if isinstance(part, Group):
                yield from self._left_out(part)

    def _drawn(self, group: Group) -> tuple[Part, ...]:
        drawn: list[Part] = []
        for part in group.parts:
            if isinstance(part, Question):
                drawn.append(Part(field=self[part.name]))
            else:
                switch = self[part.switch] if part.optional else None
                drawn.append(Part(label=part.label, help=part.help, switch=switch, parts=self._drawn(part)))
        return tuple(drawn)

    def _place(self, problem: FieldProblem) -> tuple[str | None, tuple[str | int, ...]]:
        """The field a problem belongs to, and what of its location lies within that field."""
        for length in range(len(problem.location), 0, -1):
            name = SEPARATOR.join(str(each) for each in problem.location[:length])
            if isinstance(self.fields.get(name), Gathered):
                return name, problem.location[length:]
        return None, problem.location


def _sentence(rest: tuple[str | int, ...], message: str) -> str:
    """The message, with the place inside a field in words: ``item 2, width: …``."""
    place = ", ".join(f"item {each + 1}" if isinstance(each, int) else each.replace("_", " ") for each in rest)
    return f"{place}: {message}" if place else message


def _at(parameters: Mapping[str, Any], location: tuple[str, ...]) -> Any:
    value: Any = parameters
    for key in location:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
