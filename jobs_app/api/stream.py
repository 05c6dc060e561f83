"""The live stream of jobs as server-sent events: a small ASGI application, run as a process of its own.

It is not Django's ASGI handler, which gives every open stream a thread; a thousand streams here cost a handful.
A ticket from the API says which job may be watched, so that neither cookies nor tokens are needed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from jobs_app.api import problems, tickets
from jobs_app.api.list_watching import ListPoller, ListWatcher
from jobs_app.api.refusals import WrongMethod
from jobs_app.api.watching import ENDED, MAX_STREAMS, Poller, Watcher
from jobs_app.errors import NotFound

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = dict[str, str]

LIST = "/stream/jobs"
ADDRESS = re.compile(r"/stream/jobs/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
KEEPALIVE_SECONDS = 15.0
STREAM_SECONDS = 3600.0
"""A stream is closed after this long; its reader comes back by the API, which asks anew who may see the job."""

RETRY = b"retry: 2000\n\n"
KEEPALIVE = b": keepalive\n\n"
EVENTS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}
LAST_ID = re.compile(r"(\d{1,18})(\.end)?")


class Application:
    """``limit``: streams that may be open at once; above it, 503 with Retry-After.

    ``keepalive_seconds``: when a stream has said nothing for so long, it sends a comment, so that no proxy closes it.
    """

    def __init__(self, limit: int = MAX_STREAMS, keepalive_seconds: float = KEEPALIVE_SECONDS) -> None:
        self._limit = limit
        self._keepalive_seconds = keepalive_seconds
        self._poller: Poller | None = None
        self._lists: ListPoller | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection, as ASGI 3 has it."""
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "lifespan":
                await self._lifespan(receive, send)
            case _:
                await send({"type": "websocket.close", "code": 1008})

    @property
    def poller(self) -> Poller:
        """Made when first needed: it belongs to the event loop of the server."""
        if self._poller is None:
            self._poller = Poller(self._limit)
        return self._poller

    @property
    def lists(self) -> ListPoller:
        """The poller of those who watch the list."""
        if self._lists is None:
            self._lists = ListPoller(self._limit)
        return self._lists

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        shared = allowed_origin(given.get("origin", ""))
        if scope["path"] == "/healthz":
            await _answer(send, 200, {"Content-Type": "text/plain"}, b"ok")
            return
        if scope["method"] == "OPTIONS":
            await _answer(send, 204, {**shared, **_preflight(given)})
            return
        try:
            watcher = self._admit(scope, given)
        except Exception as error:  # noqa: BLE001 - a traceback is no answer
            problem = problems.problem_of(error)
            headers = {**problems.headers_of(error, problem.status), **shared, "Content-Type": problems.MEDIA_TYPE}
            await _answer(send, problem.status, headers, problem.text)
            return
        if watcher is None:
            await _answer(send, 204, shared)
            return
        try:
            await _begin(send, 200, {**EVENTS, **shared})
            await self._follow(watcher, receive, send)
        finally:
            if isinstance(watcher, ListWatcher):
                self.lists.leave(watcher)
            else:
                self.poller.leave(watcher)

    def _admit(self, scope: Scope, given: Headers) -> Watcher | ListWatcher | None:
        """A watcher for the job, or the list, that the ticket is for; None for a reader who has seen a job's end."""
        address = ADDRESS.fullmatch(scope["path"])
        if address is None and scope["path"] != LIST:
            raise NotFound("expected /stream/jobs/{id}?ticket=…, as /api/jobs/{id}/events gives it")
        if scope["method"] != "GET":
            raise WrongMethod(f"expected the method GET, got {scope['method']}", {"Allow": "GET, OPTIONS"})
        query = parse_qs(scope["query_string"].decode("latin-1"))
        ticket = query.get("ticket", [""])[0]
        if address is None:
            return self.lists.watch(tickets.check_list(ticket))
        job_id = UUID(address[1])
        whole = tickets.check(ticket, job_id)
        last = LAST_ID.fullmatch(given.get("last-event-id", "")) or LAST_ID.fullmatch(query.get("after", ["0"])[0])
        if last is not None and last[2] == f".{ENDED}":
            return None
        return self.poller.watch(job_id, int(last[1]) if last is not None else 0, whole=whole)

    async def _follow(self, watcher: Watcher | ListWatcher, receive: Receive, send: Send) -> None:
        """Send what the watcher is given until the job has ended or the reader is gone."""
        gone = asyncio.create_task(_until_gone(receive))
        gone.add_done_callback(lambda _: watcher.wake.set())
        loop = asyncio.get_running_loop()
        close_at = loop.time() + STREAM_SECONDS
        try:
            await _send(send, RETRY)
            while not gone.done() and loop.time() < close_at:
                try:
                    await asyncio.wait_for(watcher.wake.wait(), self._keepalive_seconds)
                except TimeoutError:
                    await _send(send, KEEPALIVE)
                    continue
                if frames := watcher.take():
                    await _send(send, frames)
                if watcher.ended:
                    break
            if not gone.done():
                await _send(send, b"", more=False)
        finally:
            gone.cancel()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                for poller in (self._poller, self._lists):
                    if poller is not None:
                        await poller.close()
                await send({"type": "lifespan.shutdown.complete"})
                return
            await send({"type": "lifespan.startup.complete"})


def allowed_origin(origin: str) -> Headers:
    """The CORS headers for a page of this site: the stream answers on another port, so it is another origin."""
    scheme, _, place = origin.partition("://")
    ours = scheme in {"http", "https"} and validate_host(split_domain_port(place)[0], settings.ALLOWED_HOSTS)
    headers = {"Vary": "Origin"}
    if ours or origin in settings.CSRF_TRUSTED_ORIGINS:
        headers["Access-Control-Allow-Origin"] = origin
    return headers


def _preflight(given: Headers) -> Headers:
    """Which headers a page's script may send: any, since only the ticket counts."""
    return {
        "Access-Control-Allow-Methods": "GET",
        "Access-Control-Allow-Headers": given.get("access-control-request-headers", "last-event-id"),
        "Access-Control-Max-Age": "600",
    }


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer(send: Send, status: int, headers: Headers, body: bytes = b"") -> None:
    await _begin(send, status, {**headers, "Content-Length": str(len(body))} if status != 204 else headers)
    await _send(send, body, more=False)


async def _begin(send: Send, status: int, headers: Headers) -> None:
    encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})


async def _send(send: Send, body: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})
