"""The clients that listen: many of our own, each with one job to submit, all at once.

``python -m benchmarks.overload.crowd URL KIND RESULT`` takes one token a line on the standard input, the last one
followed by an empty line, says ``ready``, and begins at the next line. RESULT becomes JSON: for each client its
requests as (when it was sent, when it was answered, in seconds since 1970; status; Retry-After).
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from pathlib import Path

import httpx

from jobs_app.client import AsyncClient

Requests = list[tuple[float, float, int, str | None]]
TRUST = ssl.create_default_context()
"""Made once: it takes a while, and nothing here is encrypted."""


class Noted(httpx.AsyncHTTPTransport):
    """The network, and a note of every request that goes over it."""

    def __init__(self, requests: Requests) -> None:
        super().__init__(verify=TRUST)
        self._requests = requests

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one, and note it."""
        sent = time.time()
        response = await super().handle_async_request(request)
        self._requests.append((sent, time.time(), response.status_code, response.headers.get("Retry-After")))
        return response


async def come(url: str, kind: str, tokens: list[str]) -> list[Requests]:
    """Get ready, wait for the word, come all at once; returns what each one sent."""
    notes: list[Requests] = [[] for _ in tokens]
    clients = [AsyncClient(url, token, transport=Noted(mine)) for token, mine in zip(tokens, notes, strict=True)]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    await asyncio.gather(*(client.submit(kind, {}) for client in clients))
    for client in clients:
        await client.close()
    return notes


def main(url: str, kind: str, result: Path) -> None:
    """Read who they are, let them come, write."""
    tokens = [line.strip() for line in iter(sys.stdin.readline, "\n")]
    result.write_text(json.dumps(asyncio.run(come(url, kind, tokens))))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
