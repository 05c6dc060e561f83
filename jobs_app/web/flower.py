"""Flower through this site: its pages for staff, behind Django's log in, so that no second port has to be open.

Flower stays on loopback with a password of its own, which only this process knows and sends. What passes is bounded and
looks only: GET, no cookie and no authorization either way, a few headers, no address outside of Flower.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import threading
import time
from collections.abc import Iterator
from functools import cache
from typing import ClassVar
from urllib.parse import quote, urlencode, urlsplit

import httpx
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from jobs_app import conf
from jobs_app.errors import NotFound, WeirError
from jobs_app.web import flower_links
from jobs_app.web.pages import page, user_of

logger = logging.getLogger(__name__)

MOST_BYTES = 20_000_000
MOST_SECONDS = 30.0
"""A whole answer takes at most so long."""

READ_SECONDS = 15.0
PATIENCE = httpx.Timeout(READ_SECONDS, connect=2.0)
AT_ONCE = 4
"""Answers of Flower that one process passes on at once; each takes up one of its threads."""

WAIT_SECONDS = 5.0
QUERY_BYTES = 20_000
TABLE = "tasks/datatable"
"""Flower's table asks by POST, only since its question is long. It is passed on as GET, and has a route of its own."""

ASKED = ("Accept", "Accept-Encoding", "Accept-Language", "If-None-Match", "If-Modified-Since")
ANSWERED = ("Content-Type", "Content-Encoding", "Content-Length", "ETag", "Last-Modified", "Vary")
MOVED = {301, 302, 303, 307, 308}

# Flower's one script within a page, by its text: nothing else that stands in a page may run.
INLINE = [f"\nvar autorefresh = {flag};\n" for flag in (0, 1)]


class FlowerAway(WeirError):
    """Flower does not answer."""

    code: ClassVar[str] = "flower-away"
    title: ClassVar[str] = "Flower does not answer"
    status: ClassVar[int] = 503


class FlowerFailed(WeirError):
    """Flower answers, and not as it should."""

    code: ClassVar[str] = "flower-failed"
    title: ClassVar[str] = "Flower gave no usable answer"
    status: ClassVar[int] = 502


class Passage:
    """The bytes of an answer as they come; cut off where they are too many or take too long. Holds one place."""

    def __init__(self, answer: httpx.Response) -> None:
        self._answer = answer
        self._deadline = time.monotonic() + MOST_SECONDS
        self._open = True

    def __iter__(self) -> Iterator[bytes]:
        count = 0
        for piece in self._answer.iter_raw():
            count += len(piece)
            if count > MOST_BYTES or time.monotonic() > self._deadline:
                raise OSError("Flower's answer was cut off: it was too long, or took too long")
            yield piece

    def close(self) -> None:
        """End it, and give its place to the next; Django calls this also for an answer that nobody read."""
        if self._open:
            self._open = False
            self._answer.close()
            _places.release()


def flower(request: HttpRequest, path: str = "") -> HttpResponseBase:
    """One page, or one file, of Flower."""
    response: HttpResponseBase = _flower(request, path)
    if path.startswith("static/") and response.status_code in {200, 304}:
        response["Cache-Control"] = "private, max-age=3600"
        del response["Expires"]
    return response


@csrf_exempt  # it changes nothing, and Flower's own script knows nothing of Django's token
def table(request: HttpRequest) -> HttpResponseBase:
    """The rows of Flower's table."""
    response: HttpResponseBase = _flower(request, TABLE)
    return response


def policy() -> str:
    """The Content-Security-Policy of Flower's pages."""
    hashes = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in INLINE)
    scripts = " ".join(f"'sha256-{each}'" for each in hashes)
    return (
        f"default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


@page
def _flower(request: HttpRequest, path: str) -> HttpResponse:
    if not flower_links.may_look(user_of(request)):
        raise NotFound("expected the address of a page, got one where there is none")
    allowed = ["GET", "HEAD", *(["POST"] if path == TABLE else [])]
    if request.method not in allowed:
        return HttpResponseNotAllowed(allowed)
    address = _address(path, _query(request))
    if not _places.acquire(timeout=WAIT_SECONDS):
        raise FlowerAway("expected an answer in a moment, but others wait for it already; try again")
    try:
        answer = _ask(request, address)
    except BaseException:
        _places.release()
        raise
    return _passed_on(request, answer)  # type: ignore[return-value]  # a stream is a response too


def _query(request: HttpRequest) -> str:
    if request.method != "POST":
        return str(request.META.get("QUERY_STRING", ""))[:QUERY_BYTES]
    return urlencode([(name, value) for name, values in request.POST.lists() for value in values])[:QUERY_BYTES]


def _address(path: str, query: str) -> str:
    """The address to ask. Raises NotFound for a path that could lead out of Flower."""
    parts = path.split("/")
    bad = any(each in {".", ".."} for each in parts) or "" in parts[:-1] or "\\" in path or not path.isprintable()
    if bad:
        raise NotFound("expected the address of a page of Flower, got something else")
    where = f"{conf.current().flower_url.rstrip('/')}/{quote(path, safe='/@:+,=')}"
    return f"{where}?{quote(query, safe='=&%+[]')}" if query else where


def _ask(request: HttpRequest, address: str) -> httpx.Response:
    """Flower's answer, its body not yet read. Raises FlowerAway, FlowerFailed."""
    headers = {name: request.headers[name] for name in ASKED if name in request.headers}
    password = base64.b64encode(conf.current().flower_basic_auth.encode()).decode()
    headers["Authorization"] = f"Basic {password}"
    question = httpx.Request("GET", address, headers=headers, extensions={"timeout": PATIENCE.as_dict()})
    try:
        answer = _line().handle_request(question)
    except httpx.TimeoutException:
        raise FlowerAway(f"expected an answer within {READ_SECONDS:.0f} s, got none") from None
    except httpx.HTTPError as error:
        raise FlowerAway(
            "expected it to listen where FLOWER_URL says, and nothing does; it is started by the Procfile, or left out"
        ) from error
    if (fault := _fault(answer)) is not None:
        answer.close()
        logger.warning("Flower answered %s to %s: %s", answer.status_code, urlsplit(address).path, fault)
        raise FlowerFailed(fault)
    return answer


def _fault(answer: httpx.Response) -> str | None:
    if answer.status_code == 401:
        return "expected it to take the password of FLOWER_BASIC_AUTH, and it does not: both must be given the same"
    if answer.status_code == 403:
        return "expected a page, and it refuses this one to everybody"
    if answer.status_code >= 500:
        return f"expected a page, got an error of Flower's own ({answer.status_code}); its log says more"
    length = answer.headers.get("Content-Length", "")
    if length.isdigit() and int(length) > MOST_BYTES:
        return f"expected at most {MOST_BYTES:,} bytes, got more"
    return None


def _passed_on(request: HttpRequest, answer: httpx.Response) -> HttpResponseBase:
    passage = Passage(answer)
    if request.method == "HEAD" or answer.status_code in MOVED:
        passage.close()
        response: HttpResponseBase = HttpResponse(status=answer.status_code)
    else:
        response = StreamingHttpResponse(passage, status=answer.status_code)
    for name in ANSWERED:
        if name in answer.headers:
            response[name] = answer.headers[name]
    if answer.status_code in MOVED:
        response["Location"] = _within(request, answer.headers.get("Location", ""))
        response["Content-Length"] = "0"
    response["Content-Security-Policy"] = policy()
    return response


def _within(request: HttpRequest, location: str) -> str:
    """Where Flower sends the browser, if that is in Flower; else its first page."""
    parts = urlsplit(location)
    home = request.path[: request.path.index("/flower/") + len("/flower/")]
    safe = not parts.netloc and not parts.scheme and location.startswith(home) and "\\" not in location
    return location if safe else home


_places = threading.BoundedSemaphore(AT_ONCE)


@cache
def _line() -> httpx.HTTPTransport:
    """One for the process, made at the first question: after the web server has forked.

    The transport alone: a client would keep Flower's cookies for the next user, and follow its redirects.
    """
    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    return httpx.HTTPTransport(limits=limits, trust_env=False)
