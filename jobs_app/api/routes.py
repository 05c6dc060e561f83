"""The API put together: ``api.urls`` is mounted at /api/."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import NinjaAPI, Router, Swagger
from ninja.openapi.schema import OpenAPISchema

from jobs_app.api import (
    artifacts,
    audit,
    bulk,
    bulk_submission,
    deploys,
    description,
    failures,
    jobs,
    kinds,
    planner,
    problems,
    queues,
    reports,
    schedules,
    security,
    statistics,
    tokens,
    webhooks,
    workers,
)
from jobs_app.api.bodies import JsonParser, JsonRenderer
from jobs_app.errors import NotFound
from jobs_app.scopes import Scope

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class Api(NinjaAPI):
    """Ninja's API with our errors, and the kinds in its description."""

    def set_default_exception_handlers(self) -> None:
        """Every error goes through ``problems``."""
        self.add_exception_handler(Exception, problems.answer)

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """The description, with each kind's parameters, and the scope that each route asks of a token."""
        document = description.complete(super().get_openapi_schema(**options))
        return description.scoped(document, security.scopes_of(self))


unknown = Router(auth=security.EITHER)


@unknown.api_operation(METHODS, "/{path:rest}", include_in_schema=False)
def no_such_route(request: HttpRequest, rest: str) -> None:
    """Whatever no other route took: closed to strangers too, so that it tells them nothing."""
    raise NotFound(f"expected a route of the API, got {rest[:100]!r}; see /api/docs")


api = Api(
    title="Weir",
    version="1.0.0",
    description="Submit slow work, watch it, fetch what it made. Errors are problem details (RFC 9457).",
    urls_namespace="api",
    # A route that says nothing of scopes is closed to tokens.
    auth=security.Session(),
    renderer=JsonRenderer(),
    parser=JsonParser(),
    # Without this the page would show the description to a validator on the internet.
    docs=Swagger(settings={"validatorUrl": None}),
    docs_decorator=security.members_only,
)
api.add_router("/kinds", kinds.router)
api.add_router("/jobs", jobs.router)
api.add_router("/jobs", bulk.router)
api.add_router("/jobs", bulk_submission.router)
api.add_router("/artifacts", artifacts.router)
api.add_router("/tokens", tokens.router)
api.add_router("/audit", audit.router)
api.add_router("/webhooks", webhooks.router)
api.add_router("/planner", planner.router)
api.add_router("/queues", queues.router)
api.add_router("/failures", failures.router)
api.add_router("/workers", workers.router)
api.add_router("/schedules", schedules.router)
api.add_router("/reports", reports.router)
api.add_router("/statistics", statistics.router)
api.add_router("/deploys", deploys.router)
for _prefix, _router in getattr(settings, "KIND_ROUTERS", {}).items():
    api.add_router(_prefix, _router, auth=security.needs(Scope.READ, writing=Scope.SUBMIT))
api.add_router("", unknown)
