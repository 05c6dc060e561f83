"""What a form asks: the parameters of a kind as questions, read from the pydantic model and its JSON Schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

SEPARATOR = "-"
"""Between the parts of a field's name. No parameter's name can hold it."""


SPELLED = {"api", "csv", "html", "id", "json", "pdf", "uri", "url"}
"""Words that are spelled in capitals."""


@dataclass(frozen=True)
class Question:
    """One parameter that takes one field.

    schema: its JSON Schema, without references and without the arm for null.
    required: it has no default. nullable: it may be null. default: JSON-ready, None when there is none.
    """

    location: tuple[str, ...]
    label: str
    help: str
    schema: Mapping[str, Any]
    required: bool
    nullable: bool
    default: Any

    @property
    def name(self) -> str:
        """The field's name: ``options-width``."""
        return SEPARATOR.join(self.location)


@dataclass(frozen=True)
class Group:
    """A nested model: questions under one heading. An optional one is left out unless its switch is on.

    nullable: left out means null. given: its switch is on at first.
    """

    location: tuple[str, ...]
    label: str
    help: str
    optional: bool
    nullable: bool
    given: bool
    parts: tuple[Question | Group, ...] = field(default=())

    @property
    def switch(self) -> str:
        """The name of the check box that says whether an optional group is given."""
        return SEPARATOR.join((*self.location, "", "given"))

    def questions(self) -> Iterator[Question]:
        """Every question in it, however deep."""
        for part in self.parts:
            if isinstance(part, Question):
                yield part
            else:
                yield from part.questions()

    def groups(self) -> Iterator[Group]:
        """It and every group in it."""
        yield self
        for part in self.parts:
            if isinstance(part, Group):
                yield from part.groups()


def questions_of(model: type[BaseModel]) -> Group:
    """The questions of a kind's parameters, in the order of its signature."""
    schema = model.model_json_schema()
    reader = _Reader(schema.get("$defs", {}))
    return Group((), "", "", optional=False, nullable=False, given=True, parts=reader.parts(model, schema, (), {}))


class _Reader:
    """Walks a model and its JSON Schema side by side."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions

    def parts(
        self, model: type[BaseModel], schema: Mapping[str, Any], above: tuple[str, ...], defaults: Mapping[str, Any]
    ) -> tuple[Question | Group, ...]:
        """The parts of one model; ``defaults`` are values that the model above gives to this one."""
        keys = {_key_of(name, info): info for name, info in model.model_fields.items()}
        return tuple(
            self._part(info, schema["properties"][key], (*above, key), defaults.get(key, PydanticUndefined))
            for key, info in keys.items()
        )

    def _part(
        self, info: FieldInfo, schema: Mapping[str, Any], location: tuple[str, ...], given: Any
    ) -> Question | Group:
        resolved, nullable = self._resolve(schema)
        default = _default_of(info) if given is PydanticUndefined else given
        label = info.title or label_of(location[-1])
        model = _model_in(info.annotation)
        if model is not None and "properties" in resolved:
            parts = self.parts(model, resolved, location, default if isinstance(default, dict) else {})
            about = info.description or resolved.get("description", "")
            optional = nullable or (default is None and not info.is_required())
            return Group(location, label, about, optional, nullable, default is not None, parts)
        return Question(
            location, label, info.description or "", resolved, info.is_required(), nullable,
            None if default is PydanticUndefined else default,
        )  # fmt: skip

    def _resolve(self, schema: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
        """The schema with references followed and null taken out; and whether null was among its arms."""
        merged = dict(schema)
        nullable = False
        while "$ref" in merged or "anyOf" in merged:
            if "$ref" in merged:
                merged = {**self._definitions[merged.pop("$ref").rpartition("/")[2]], **merged}
                continue
            arms = [arm for arm in merged.pop("anyOf") if arm.get("type") != "null"]
            nullable = nullable or len(arms) < len(schema.get("anyOf", ()))
            # Two arms are a Decimal: a number, or a text of digits.
            merged = {**arms[0], **merged, **({"type": "decimal"} if len(arms) > 1 else {})}
        if "items" in merged:
            merged["items"] = self._resolve(merged["items"])[0]
        if None in merged.get("enum", ()):
            nullable = True
            merged["enum"] = [each for each in merged["enum"] if each is not None]
        return merged, nullable


def label_of(name: str) -> str:
    """A name as a label: ``group_by`` is ``Group by``, ``source_url`` is ``Source URL``."""
    words = [word.upper() if word.lower() in SPELLED else word for word in name.replace("_", " ").split()]
    text = " ".join(words) or name
    return text[:1].upper() + text[1:]


def _key_of(name: str, info: FieldInfo) -> str:
    """The name under which the value is sent: an alias, if the field has one."""
    return next((each for each in (info.validation_alias, info.alias) if isinstance(each, str)), name)


def _default_of(info: FieldInfo) -> Any:
    if info.is_required():
        return PydanticUndefined
    value = info.get_default(call_default_factory=True, validated_data={})
    return to_jsonable_python(value, fallback=str)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation names, also behind Optional or Annotated; not one within a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if getattr(annotation, "__origin__", None) is list:
        return None
    return next((found for each in get_args(annotation) if (found := _model_in(each)) is not None), None)
