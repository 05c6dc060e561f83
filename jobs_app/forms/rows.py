"""Lists of objects as rows: what ``rows.js`` needs to know of the columns to draw inputs instead of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jobs_app.forms.questions import label_of

COLUMNS = 12
"""An object with more properties is left to JSON."""

SIMPLE = {"string", "integer", "number", "boolean"}
BOUNDS = (
    ("minLength", "minlength"), ("maxLength", "maxlength"), ("minimum", "min"), ("maximum", "max"),
)  # fmt: skip


def attributes(schema: Mapping[str, Any]) -> dict[str, str]:
    """The attributes of the text area that holds the JSON: its columns, and whether it holds secrets."""
    found = {}
    if '"x-weir": "secret"' in json.dumps(schema):
        found["data-secret"] = ""  # never remembered by the browser
    items = schema.get("items", {})
    properties = items.get("properties", {})
    if schema.get("type") == "array" and 0 < len(properties) <= COLUMNS:
        required = set(items.get("required", ()))
        columns = [_column(name, each, name in required) for name, each in properties.items()]
        found["data-rows"] = json.dumps(columns)
    return found


def _column(name: str, schema: Mapping[str, Any], required: bool) -> dict[str, Any]:
    arms = [arm for arm in schema.get("anyOf", ()) if arm.get("type") != "null"]
    inner = {**arms[0], **schema} if len(arms) == 1 else schema
    kind = "secret" if inner.get("x-weir") == "secret" else inner.get("type", "")
    simple = kind == "secret" or kind in SIMPLE
    given: dict[str, Any] = {html: inner[key] for key, html in BOUNDS if key in inner}
    if kind == "number":
        given["step"] = "any"
    if kind == "secret":
        given["autocomplete"] = "new-password"
    return {
        "name": name,
        "label": str(schema.get("title", "")) or label_of(name),
        "type": kind if simple else "json",
        "required": required,
        "default": schema.get("default") if kind == "boolean" else None,
        "choices": inner.get("enum") if simple else None,
        "attributes": given if simple else {"placeholder": "JSON"},
    }
