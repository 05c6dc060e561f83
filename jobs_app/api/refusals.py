"""Requests that HTTP itself rules out, as errors of Weir's."""

from __future__ import annotations

from collections.abc import Mapping

from jobs_app.errors import WeirError


class HttpRefusal(WeirError):
    """A request that HTTP itself rules out; ``headers`` go with the answer."""

    code = "bad-request"
    title = "The request is not well-formed"
    status = 400
    exit_code = 2

    def __init__(self, message: str, headers: Mapping[str, str] | None = None) -> None:
        self.headers = dict(headers or {})
        super().__init__(message)


class BadJson(HttpRefusal):
    """A body that is no JSON, or JSON that is nested too deeply."""

    code = "bad-json"
    title = "The body is not usable JSON"


class LengthRequired(HttpRefusal):
    """A body without Content-Length."""

    code = "length-required"
    title = "The length of the body must be said first"
    status = 411


class WrongMediaType(HttpRefusal):
    """A body of a type that the route does not take."""

    code = "wrong-media-type"
    title = "The body has a type that is not accepted here"
    status = 415


class RangeNotSatisfiable(HttpRefusal):
    """A range that lies outside the file."""

    code = "range-not-satisfiable"
    title = "The file has no such range"
    status = 416


class WrongMethod(HttpRefusal):
    """Another method than GET."""

    code = "method-not-allowed"
    title = "This address does not take that method"
    status = 405


class TooManyStreams(HttpRefusal):
    """As many streams are open as this process serves."""

    code = "too-many-streams"
    title = "Too many live streams are open"
    status = 503
