"""What both clients share: whom they ask, as whom, and how patiently."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import httpx

from jobs_app.client.calls import BODY_LIMIT, Call, Reply, Setback
from jobs_app.client.decisions import Failure
from jobs_app.client.following import place_of
from jobs_app.client.patience import OnWait, Patience

PATIENCE_SECONDS = 300.0
TIMEOUT_SECONDS = 30.0


class Bearer(httpx.Auth):
    """The token, put on requests and shown nowhere."""

    def __init__(self, token: str) -> None:
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise ValueError("expected a token such as weir_…, without spaces and line breaks, got something else")
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Put it on a request."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request

    def hidden(self, body: bytes) -> bytes:
        """A body without the token, should a server repeat it."""
        return body.replace(self._token.encode(), b"***")

    def __repr__(self) -> str:
        return "Bearer(***)"


class Base:
    """The sync and the async client's common part.

    patience: seconds that a call may take in all, waits between its tries included. timeout: seconds that a single wait
    on the network may last. on_wait: hears the seconds of each wait, and why.
    """

    def __init__(self, url: str, token: str, *, patience: float, timeout: float, on_wait: OnWait | None) -> None:
        self._server = httpx.URL(url)
        if self._server.scheme not in ("http", "https") or not self._server.host or self._server.userinfo:
            raise ValueError(f"expected an address such as https://weir.example.org, got {place_of(self._server)!r}")
        if not (patience >= 0 and timeout > 0):
            raise ValueError(f"expected patience from 0 and a timeout above 0, got {patience:g} and {timeout:g}")
        self._bearer = Bearer(token)
        self._patience, self._timeout, self._on_wait = patience, timeout, on_wait

    def __repr__(self) -> str:
        return f"{type(self).__name__}({place_of(self._server)!r})"

    def _options(self) -> dict[str, Any]:
        """For httpx: no redirects, so that the token goes nowhere else."""
        return {"base_url": self._server, "auth": self._bearer, "follow_redirects": False}

    def _patience_for(self, call: Call | None = None) -> Patience:
        given = call.patience if call is not None else None
        return Patience(self._patience if given is None else given, self._on_wait)

    def _arguments(self, call: Call, patience: Patience) -> dict[str, Any]:
        return call.arguments(patience.begin_try(self._timeout + call.longer))

    def _reply(self, call: Call, answer: httpx.Response, body: bytes) -> Reply:
        return call.reply(answer, body if answer.is_success else self._bearer.hidden(body))


class Reading:
    """The body of one try, as it comes: bounded in bytes and in time."""

    def __init__(self, call: Call, patience: Patience) -> None:
        self._call, self._patience = call, patience
        self._blocks, self._size = list[bytes](), 0

    def take(self, block: bytes) -> None:
        """Some of it. Raises ClientError when it is too large, Setback when it is too slow."""
        self._size += len(block)
        self._blocks.append(block)
        if self._size > BODY_LIMIT:
            raise self._call.too_large(BODY_LIMIT)
        if self._patience.exhausted:
            words = f"expected the whole answer within {self._patience.seconds:g} s, got {self._size:,} bytes of it"
            raise Setback(Failure(self._call.asked, words, passing=self._call.repeatable))

    def body(self) -> bytes:
        """All of it."""
        return b"".join(self._blocks)
