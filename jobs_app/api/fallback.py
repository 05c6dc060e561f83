"""The API's middleware: what Django itself answers under /api/ (a bad Host header, a wrong method) is a problem too."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from jobs_app.api import problems

PREFIX = "/api/"
DRAIN_BYTES = 1 << 20
BLOCK = 1 << 16
DETAILS = {
    400: "expected a well-formed request to one of this server's host names (ALLOWED_HOSTS)",
    404: "there is no such route; the routes are described at /api/docs",
    412: "expected the file to match the condition in the request's headers, and it does not",
}


def middleware(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Comes first of all middleware, so that nothing answers past it."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if not request.path_info.startswith(PREFIX):
            return response
        if response.status_code >= 400 and not response.headers.get("Content-Type", "").startswith(problems.MEDIA_TYPE):
            response = _as_problem(request, response)
        if response.status_code >= 400:
            _drain(request)
        # Answers are for one person: no cache keeps them, unless a route says otherwise.
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return answer


def _drain(request: HttpRequest) -> None:
    """Read what is left of a small body: a server closes the connection on a client whose body it did not take.

    Not for strangers: whoever sends slowly holds a thread. And a large body is left where it is: its client gets the
    answer, and then has to connect again.
    """
    if not hasattr(request, "auth"):
        return
    chunked = "Transfer-Encoding" in request.headers
    source = request.environ["wsgi.input"] if chunked and isinstance(request, WSGIRequest) else request
    left = DRAIN_BYTES
    with contextlib.suppress(OSError):
        while left > 0 and (block := source.read(min(left, BLOCK))):
            left -= len(block)


def _as_problem(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    status = response.status_code
    headers = {name: value for name, value in response.items() if not name.lower().startswith("content-")}
    if status == 405:
        allowed = ", ".join(sorted(headers.get("Allow", "").replace(" ", "").split(",")))
        headers["Allow"] = allowed
        detail = f"expected one of the methods {allowed} at this address, got {request.method}"
    else:
        detail = DETAILS.get(status, "the request was refused before it reached a route")
    problem = problems.unexpected(None) if status >= 500 else problems.of_status(status, detail)
    return problems.respond(problem, headers)
