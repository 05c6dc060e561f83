"""JSON bodies and query strings, read within bounds: what no database could hold is refused before it gets near one."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable
from typing import Any, NoReturn

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.datastructures import MultiValueDict
from ninja.errors import ValidationError
from ninja.parser import Parser
from ninja.renderers import BaseRenderer
from pydantic_core import to_json

from jobs_app import conf
from jobs_app.api import problems, refusals
from jobs_app.errors import TooLarge
from jobs_app.forms.lines import ALLOWANCE

DEPTH = 64

View = Callable[..., HttpResponseBase]


class JsonRenderer(BaseRenderer):
    """JSON by pydantic, as the live stream writes it: times to the microsecond; no NaN, which JSON has not."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        """The body of an answer."""
        return to_json(data, inf_nan_mode="null")


class JsonParser(Parser):
    """Strict JSON, and texts without NUL."""

    def parse_body(self, request: HttpRequest) -> Any:
        """The body as JSON. Raises BadJson, and ValidationError for texts that no database holds."""
        return load(request.body)

    def parse_querydict(
        self, data: MultiValueDict[str, Any], list_fields: list[str], request: HttpRequest
    ) -> dict[str, Any]:
        """The query string. Raises ValidationError for texts that no database holds."""
        for name, values in data.lists():
            if any(isinstance(value, str) and not _storable(value) for value in values):
                _refuse(("query", name))
        return super().parse_querydict(data, list_fields, request)


def bounded(view: View) -> View:
    """Decorate a route that takes JSON: its length and type are checked before a byte is read."""

    @functools.wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            _check(request)
        except (TooLarge, refusals.HttpRefusal) as error:
            return problems.answer(request, error)
        return view(request, *args, **kwargs)

    return checked


def load(text: bytes) -> Any:
    """JSON as RFC 8259 has it, at most 64 levels deep. Raises BadJson, and ValidationError for unstorable texts."""
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise refusals.BadJson(f"expected JSON of at most {DEPTH} levels") from None
    except ValueError as error:
        raise refusals.BadJson(f"expected JSON: {error}") from None
    _inspect(value)
    return value


def content_length(request: HttpRequest) -> int:
    """The stated length of the body; 0 for a request without one. Raises LengthRequired for a chunked body."""
    if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
        raise refusals.LengthRequired("expected a Content-Length header, got a body in chunks of unknown number")
    stated = request.headers.get("Content-Length") or "0"
    if not stated.isascii() or not stated.isdigit():
        raise refusals.HttpRefusal(f"expected Content-Length to be a number, got {stated[:40]!r}")
    return int(stated)


def _check(request: HttpRequest) -> None:
    length, limit = content_length(request), conf.current().parameters_bytes + ALLOWANCE
    if length > limit:
        raise TooLarge(
            f"expected a body of at most {limit:,} bytes, got {length:,}; "
            "upload large data as an artifact and pass its id"
        )
    kind = (request.content_type or "").lower()
    if length and kind != "application/json" and not kind.endswith("+json"):
        raise refusals.WrongMediaType(
            f"expected Content-Type: application/json, got {kind[:80] or 'none'}", {"Accept-Post": "application/json"}
        )


def _inspect(value: Any) -> None:
    """Walk without recursion, so that depth is a count and not an accident of the interpreter.

    Texts in the parameters are left to the core, which names the parameter.
    """
    waiting: list[tuple[Any, tuple[str | int, ...]]] = [(value, ())]
    while waiting:
        item, path = waiting.pop()
        if len(path) > DEPTH:
            raise refusals.BadJson(f"expected JSON of at most {DEPTH} levels")
        if isinstance(item, str) and path[:1] != ("parameters",) and not _storable(item):
            _refuse(("body", "", *path))
        elif isinstance(item, dict):
            waiting.extend((inner, (*path, name)) for name, inner in item.items())
        elif isinstance(item, list):
            waiting.extend((inner, (*path, place)) for place, inner in enumerate(item))


def _storable(text: str) -> bool:
    """PostgreSQL holds no NUL, and half a surrogate pair has no UTF-8."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _refuse(location: tuple[str | int, ...]) -> NoReturn:
    message = "expected text without NUL characters and halves of surrogate pairs"
    raise ValidationError([{"type": "text", "loc": location, "msg": message}])


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return number
