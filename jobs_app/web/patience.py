"""Requests do not wait for ever for a database that no longer answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse

from jobs_app.core.patience import watch

STATEMENT_SECONDS = 10.0
"""As long as a worker waits by default. The requests after the first that was cut off find out when they connect."""

ANSWERED_SECONDS = 1.0
"""A kept connection on which the database answered so lately is not asked first whether it is well."""

ALIVE = "/healthz"
"""Asks nothing of the database, so that no process is started anew because that is away."""


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Bound each statement of a request: a half-open connection is cut, and the request answers 503."""

    def respond(request: HttpRequest) -> HttpResponse:
        if request.path_info == ALIVE:
            return get_response(request)
        if _answered_lately():
            connection.health_check_done = True  # type: ignore[attr-defined]
        else:
            with watch.call(STATEMENT_SECONDS):
                # Django asks a kept connection whether it is well; it would do so later, out of reach of the wrapper.
                connection.close_if_health_check_failed()
        with connection.execute_wrapper(_bounded):
            return get_response(request)

    return respond


def _bounded(execute: Callable[..., Any], sql: str, parameters: Any, many: bool, context: dict[str, Any]) -> Any:
    with watch.call(STATEMENT_SECONDS):
        answer = execute(sql, parameters, many, context)
    context["connection"].weir_answered = (context["connection"].connection, time.monotonic())
    return answer


def _answered_lately() -> bool:
    """Whether the very connection that this thread keeps answered within the last second."""
    link, at = getattr(connection, "weir_answered", (None, 0.0))
    return link is not None and link is connection.connection and time.monotonic() - at < ANSWERED_SECONDS
