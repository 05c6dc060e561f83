"""The OpenAPI document and its page."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs_app import registry

pytestmark = pytest.mark.django_db


@pytest.fixture
def document(api: Client) -> dict[str, Any]:
    found: dict[str, Any] = api.get("/api/openapi.json").json()
    return found


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(each) for each in value.values()))
    return set().union(*(references(each) for each in value)) if isinstance(value, list) else set()


def test_each_kind_has_its_own_form_of_a_submission(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    body = document["paths"]["/api/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/Submission"}
    names = {kind.name for kind in registry.all_kinds()}
    assert set(schemas["Submission"]["discriminator"]["mapping"]) == names
    echo = schemas["Submission.system.echo"]
    assert echo["properties"]["kind"]["const"] == "system.echo"
    assert "priority" in echo["properties"]
    assert schemas["system.echo.parameters"]["properties"]["text"]["maxLength"] == 10_000


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = references(document)
    assert found
    for reference in found:
        assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"], reference


def test_every_operation_tells_its_problems_and_its_keys(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"]["Token"] == {"type": "http", "scheme": "bearer"}
    for operations in document["paths"].values():
        for operation in operations.values():
            assert operation["security"]
            assert "application/problem+json" in operation["responses"]["default"]["content"]
    names = [each["name"] for each in document["paths"]["/api/jobs"]["post"]["parameters"]]
    assert names == ["Idempotency-Key", "Prefer"]


def test_operations_have_names_of_their_own(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for operations in document["paths"].values() for operation in operations.values()]
    assert len(names) == len(set(names))


def test_the_page_needs_nothing_from_elsewhere(api: Client) -> None:
    page = api.get("/api/docs").content.decode()
    assert "/static/ninja/swagger-ui-bundle.js" in page
    assert '"validatorUrl": null' in page
    assert not re.search(r"https?://|//[a-z]", page)


def test_a_browser_is_sent_to_log_in(client: Client, alice: User, settings: Any) -> None:
    settings.LOGIN_URL = "/login/"
    response = client.get("/api/docs", headers={"Accept": "text/html"})
    assert response.status_code == 302
    assert response.headers["Location"] == "/login/?next=/api/docs"
    client.force_login(alice)
    assert client.get("/api/docs", headers={"Accept": "text/html"}).status_code == 200
