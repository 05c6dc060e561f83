"""A program that asks a web server for the same thing over and over, on connections that are kept, and counts.

``python -m benchmarks.callers PORT PATH TOKEN CONNECTIONS SECONDS``: each connection sends its next request as soon as
it has the answer. Prints JSON: the seconds it took, and for each status the milliseconds of every answer. One thread
and no library of HTTP, since the client shares the machine with what it measures.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import defaultdict

BODY = json.dumps({"kind": "probe.nothing", "parameters": {}}).encode()
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
END = b"\r\n\r\n"


class Caller(asyncio.Protocol):
    """One connection. ``until`` is on the clock of ``time.perf_counter``."""

    def __init__(self, request: bytes, until: float, found: defaultdict[int, list[float]]) -> None:
        self.over = asyncio.get_running_loop().create_future()
        self._request, self._until, self._found = request, until, found
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Note the answer when it is whole, and send the next request."""
        self._got += data
        head, end, body = self._got.partition(END)
        if not end:
            return
        length = LENGTH.search(head)
        if length is None:
            raise SystemExit(f"expected an answer with a length, got {head[:200]!r}")
        if len(body) < int(length[1]):
            return
        now = time.perf_counter()
        self._found[int(head[9:12])].append(round((now - self._asked) * 1000, 3))
        self._got = b""
        if now < self._until:
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """It is over; before its time if the server ended it."""
        if not self.over.done():
            self.over.set_result(time.perf_counter() >= self._until)

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        self._transport.write(self._request)


async def main(port: int, path: str, token: str, connections: int, seconds: float) -> None:
    """Ask for so many seconds."""
    request = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    ).encode() + BODY
    found: defaultdict[int, list[float]] = defaultdict(list)
    loop, began = asyncio.get_running_loop(), time.perf_counter()
    callers = [
        (await loop.create_connection(lambda: Caller(request, began + seconds, found), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    whole = await asyncio.gather(*(each.over for each in callers))
    if not all(whole):
        raise SystemExit(f"expected {connections} connections to be kept, {whole.count(False)} were not")
    json.dump({"seconds": time.perf_counter() - began, "answers": found}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5])))
