"""Reading JSON Schema as pydantic writes it: one flat schema a field, its bounds in words, its secrets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from jobs_app.parameters import MASK

Schema = Mapping[str, Any]

SINGLE = {
    "exclusiveMinimum": "above {}",
    "exclusiveMaximum": "below {}",
    "multipleOf": "a multiple of {}",
    "pattern": "matching {}",
}
RANGES = {("minimum", "maximum"): "", ("minLength", "maxLength"): " characters"}
DEFAULT_LENGTH = 80
SECRET_DEPTH = 20


def flat(schema: Schema, definitions: Schema) -> dict[str, Any]:
    """The schema with its reference followed and its ``null`` arm dropped. Decimal's two arms become one format."""
    rest = {key: value for key, value in schema.items() if key not in ("$ref", "anyOf")}
    if "$ref" in schema:
        return flat({**definitions[schema["$ref"].rpartition("/")[2]], **rest}, definitions)
    if "anyOf" not in schema:
        return rest
    arms = [arm for arm in schema["anyOf"] if arm.get("type") != "null"]
    if len(arms) == 1:
        return flat({**arms[0], **rest}, definitions)
    numbers = [arm for arm in arms if arm.get("type") == "number"]
    return {**(numbers[0] if numbers else {}), "type": "string", "format": "decimal", **rest}


def describe(schema: Schema, item: Schema, *, required: bool, nested: bool) -> str:
    """Help for one option: what it is, its bounds, whether it may be repeated, its default."""
    parts = [_sentence(schema.get("description") or item.get("description", ""))]
    if nested:
        parts.append("All of it at once, as JSON or @file.")
    bounds = _bounds(item)
    if schema.get("type") == "array":
        parts.append(_sentence(", ".join([*(f"each {words}" for words in bounds), "repeat for more" + _count(schema)])))
    elif bounds:
        parts.append(_sentence(", ".join(bounds)))
    if required and not nested:
        parts.append("Required.")
    elif schema.get("default") is not None:
        parts.append(f"Default: {_default(schema['default']) or 'empty'}.")
    return " ".join(filter(None, parts))


def secrets_in(schema: Schema, definitions: Schema, value: Any, depth: int = 0) -> Iterator[Any]:
    """Every value in ``value`` that the schema calls a secret."""
    here = flat(schema, definitions)
    if here.get("x-weir") == "secret":
        if value is not None:
            yield value
    elif depth < SECRET_DEPTH and isinstance(value, dict):
        for name, inner in here.get("properties", {}).items():
            if name in value:
                yield from secrets_in(inner, definitions, value[name], depth + 1)
    elif depth < SECRET_DEPTH and isinstance(value, list):
        for each in value:
            yield from secrets_in(here.get("items", {}), definitions, each, depth + 1)


def holds_mask(schema: Schema, definitions: Schema, value: Any) -> bool:
    """Whether a secret in ``value`` is starred out, so that its true value is not known here."""
    return any(each == MASK for each in secrets_in(schema, definitions, value))


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    if not text:
        return ""
    text = text[0].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _bounds(item: Schema) -> list[str]:
    ranges = [_range(item.get(least), item.get(most), unit) for (least, most), unit in RANGES.items()]
    return [*filter(None, ranges), *(words.format(_number(item[key])) for key, words in SINGLE.items() if key in item)]


def _count(schema: Schema) -> str:
    words = _range(schema.get("minItems"), schema.get("maxItems"), " times in all")
    return words and f", {words}"


def _range(least: Any, most: Any, unit: str) -> str:
    if least is not None and most is not None:
        return f"{_number(least)} to {_number(most)}{unit}"
    if least is None and most is None:
        return ""
    words, bound = ("at least", least) if most is None else ("at most", most)
    return f"{words} {_number(bound)}{unit.removesuffix('s') if bound == 1 else unit}"


def _number(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _default(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= DEFAULT_LENGTH else text[: DEFAULT_LENGTH - 1] + "…"
