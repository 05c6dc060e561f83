"""Requests do not wait for ever for a database that no longer answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse

from jobs_app.core.patience import watch

STATEMENT_SECONDS = 10.0
"""As long as a worker waits by default. The requests after the first that was cut off find out when they connect."""

ALIVE = "/healthz"
"""Asks nothing of the database, so that no process is started anew because that is away."""


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Bound each statement of a request: a half-open connection is cut, and the request answers 503."""

    def respond(request: HttpRequest) -> HttpResponse:
        if request.path_info == ALIVE:
            return get_response(request)
        with watch.call(STATEMENT_SECONDS):
            # Django asks a kept connection whether it is well; it would do so later, out of reach of the wrapper.
            connection.close_if_health_check_failed()
        with connection.execute_wrapper(_bounded):
            return get_response(request)

    return respond


def _bounded(execute: Callable[..., Any], sql: str, parameters: Any, many: bool, context: dict[str, Any]) -> Any:
    with watch.call(STATEMENT_SECONDS):
        return execute(sql, parameters, many, context)
