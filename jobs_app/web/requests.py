"""Each request has an id: the caller's, if it is a sane one, or a new one. It is in the log lines and in the answer.

A request that may change something is also traced, if traces are made: a caller's ``traceparent`` is gone on with.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import uuid4

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from jobs_app import logs, tracing

HEADER = "X-Request-ID"
METHODS = {"POST", "PUT", "PATCH", "DELETE"}
SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")


def middleware(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """First of all middleware, so that every line and every answer has it."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get(HEADER, "")
        number = given if SANE.fullmatch(given) else uuid4().hex
        with logs.marked(request=number):
            response = _traced(request, get_response) if tracing.on() else get_response(request)
        response[HEADER] = number
        return response

    return respond


def _traced(request: HttpRequest, get_response: Callable[[HttpRequest], HttpResponseBase]) -> HttpResponseBase:
    method = str(request.method)
    if method not in METHODS:
        return get_response(request)
    caller = request.headers.get("traceparent")
    with tracing.span(method, "SERVER", parent=caller, http__request__method=method):
        response = get_response(request)
        if request.resolver_match is not None:
            route = f"/{request.resolver_match.route}"
            tracing.rename(f"{method} {route}")
            tracing.note(http__route=route)
        tracing.note(http__response__status_code=response.status_code)
    return response
