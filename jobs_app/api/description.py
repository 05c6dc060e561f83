"""The OpenAPI document: what ninja knows of the routes, and what it cannot know: kinds, and problems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ninja.openapi.schema import OpenAPISchema

from jobs_app import registry
from jobs_app.api import problems
from jobs_app.registry import Kind
from jobs_app.scopes import Scope

COMPONENTS = "#/components/schemas/"
SUBMISSION = "Submission"


def complete(document: OpenAPISchema) -> OpenAPISchema:
    """Add each kind's own form of a submission, and the problem that any route may answer with."""
    schemas: dict[str, Any] = document["components"]["schemas"]
    schemas["Problem"] = _hoisted(problems.Problem.model_json_schema(ref_template=COMPONENTS + "{model}"), "", schemas)
    any_kind = schemas[SUBMISSION]
    mapping = {}
    for kind in registry.all_kinds():
        name = f"{SUBMISSION}.{kind.name}"
        schemas[name] = _submission_of(kind, any_kind, schemas)
        mapping[kind.name] = COMPONENTS + name
    if mapping:
        schemas[SUBMISSION] = {
            "title": SUBMISSION,
            "oneOf": [{"$ref": reference} for reference in mapping.values()],
            "discriminator": {"propertyName": "kind", "mapping": mapping},
        }
    for operations in document["paths"].values():
        for method, operation in operations.items():
            operation["responses"].setdefault("default", _PROBLEM)
            if method == "head":  # which is described like its GET, but for a name of its own
                operations[method] = {**operation, "operationId": f"{operation['operationId']}_head"}
    return document


def scoped(document: OpenAPISchema, scopes: Mapping[tuple[str, str], Scope | None]) -> OpenAPISchema:
    """Say of each operation which scope a token needs. ``scopes`` is keyed by path and method."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            scope = scopes[path, method.upper()]
            words = "Not for tokens: it needs a session."
            if scope is not None:
                operation["x-required-scope"] = str(scope)
                words = f"A token needs the scope `{scope}`."
            operation["description"] = "\n\n".join(filter(None, (operation.get("description"), words)))
    return document


def _submission_of(kind: Kind, any_kind: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """What ``POST /api/jobs`` takes for one kind."""
    template = f"{COMPONENTS}{kind.name}.{{model}}"
    parameters = kind.parameters.model_json_schema(ref_template=template)
    schemas[f"{kind.name}.parameters"] = _hoisted(parameters, f"{kind.name}.", schemas)
    properties = {
        **any_kind["properties"],
        "kind": {"type": "string", "const": kind.name, "enum": [kind.name]},
        "parameters": {"$ref": f"{COMPONENTS}{kind.name}.parameters"},
    }
    required = ["kind", "parameters"] if parameters.get("required") else ["kind"]
    return {
        "title": kind.name,
        "description": kind.summary,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _hoisted(schema: dict[str, Any], prefix: str, schemas: dict[str, Any]) -> dict[str, Any]:
    """A schema whose definitions were moved to the document's components."""
    for name, definition in schema.pop("$defs", {}).items():
        schemas[prefix + name] = definition
    return schema


_PROBLEM = {
    "description": "What went wrong (RFC 9457).",
    "content": {problems.MEDIA_TYPE: {"schema": {"$ref": COMPONENTS + "Problem"}}},
}
