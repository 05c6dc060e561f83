"""Following a job: server-sent events where the live stream is to be had, else looks at the job now and then."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from jobs_app.client.calls import BODY_LIMIT, Call, path
from jobs_app.client.decisions import backoff
from jobs_app.client.errors import ClientError, TimedOut
from jobs_app.client.plans import Plan
from jobs_app.client.shapes import Event, Job, id_of

PAGE = 500
"""Log lines that one look asks for at a time."""

SILENCE_SECONDS = 45.0
"""A stream that says nothing for so long is dead: the server says something every 15 s."""

LAST_SECONDS = 20.0
"""With less than this left, looks take over: they can stop in time, and a silent stream cannot."""

STREAM_TRIES = 3
"""After so many streams in a row that brought nothing, looks take over for good."""

SLOWEST_LOOK = 5.0

LINKED = ("links", "estimate")
"""What a job has when it is asked for, and not in the stream; an estimate differs at every look."""


class NoStream(Exception):
    """Within the client only: the stream's address did not answer with a stream."""


class Following:
    """What is known of a job that is followed, however it came to be known. Nothing is told twice."""

    def __init__(
        self, job: Job | UUID | str, timeout: float | None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.job_id = id_of(job)
        self.ended = False
        self._after = 0
        self._seen: Any = None
        self._streams = self._looks = 0
        self._timeout, self._clock, self._began = timeout, clock, clock()
        self._buffer, self._fields = b"", dict[str, str]()

    @property
    def left(self) -> float:
        """Seconds until the time is up."""
        return float("inf") if self._timeout is None else self._timeout - (self._clock() - self._began)

    @property
    def late(self) -> bool:
        """Whether it is too late for a stream, which may say nothing for a while."""
        return self.left <= LAST_SECONDS

    @property
    def streams(self) -> bool:
        """Whether to open the stream now."""
        return self._streams < STREAM_TRIES and not self.late

    def address(self) -> Plan[str]:
        """Where the stream is now."""
        query = {"after": str(self._after)} if self._after else {}
        reply = yield Call("GET", path("jobs", self.job_id, "events"), query=query, success=range(307, 308))
        return str(reply.headers.get("location", ""))

    def request(self, address: str, server: httpx.URL) -> dict[str, Any]:
        """For httpx: the stream has a ticket in its address, and must never be sent the token. Raises NoStream."""
        self._buffer, self._fields = b"", {}
        self._streams += 1  # until it brings something
        try:
            url = server.join(address)
        except httpx.InvalidURL:
            raise NoStream from None
        if url.scheme not in ("http", "https"):
            raise NoStream
        silence = min(SILENCE_SECONDS, self.left)
        return {
            "method": "GET", "url": url, "headers": {"Accept": "text/event-stream"}, "auth": None,
            "timeout": httpx.Timeout(silence, connect=min(silence, 10.0)),
        }  # fmt: skip

    def check(self, answer: httpx.Response) -> None:
        """Raises NoStream for anything but a stream."""
        if answer.status_code != 200 or not answer.headers.get("content-type", "").startswith("text/event-stream"):
            raise NoStream

    def take(self, block: bytes) -> Iterator[Event]:
        """Bytes of the stream as events. Its lines end with LF or CR LF, as the server writes them."""
        self._buffer += block
        if len(self._buffer) > BODY_LIMIT:
            raise ClientError(f"job {self.job_id}: expected events of at most {BODY_LIMIT:,} bytes, got more")
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            yield from self._line(line.removesuffix(b"\r").decode("utf-8", "replace"))

    def look(self) -> Plan[list[Event]]:
        """What is new of the job, by asking for it."""
        # The job first: what it logged before it ended is known to the server before it is final.
        reply = yield Call("GET", path("jobs", self.job_id))
        body, events, full = reply.json(), list[Event](), True
        job = Job.of(body)
        while full:
            query = {"after": str(self._after), "limit": str(PAGE)}
            page = (yield Call("GET", path("jobs", self.job_id, "logs"), query=query)).json()
            events += [Event("log", line) for line in page["lines"]]
            self._after, full = int(page["next_after"]), len(page["lines"]) == PAGE
        events += self._news(body)
        self.ended = job.final
        if job.final:
            events.append(Event("end", {"state": job.state}))
        return events

    def pause(self) -> float:
        """Seconds until the next look, or the next try of the stream. Raises TimedOut."""
        if self.left <= 0:
            raise TimedOut(f"expected job {self.job_id} to end within {self._timeout:g} s; it goes on")
        self._looks += 1
        longest = min(0.5 * 1.3 ** min(self._looks, 20), SLOWEST_LOOK)
        seconds = backoff(self._streams, random.random()) + 0.1 if self.streams else longest  # noqa: S311 - no secret
        return min(seconds, self.left)

    def _line(self, line: str) -> Iterator[Event]:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data" and "data" in self._fields:
            self._fields["data"] += "\n" + value
        elif name in ("data", "event", "id"):
            self._fields[name] = value
        elif not line:
            fields, self._fields = self._fields, {}
            if "data" in fields:
                yield from self._event(fields.get("event", "message"), fields["data"], fields.get("id", ""))

    def _event(self, name: str, data: str, mark: str) -> Iterator[Event]:
        try:
            told = json.loads(data)
        except (ValueError, RecursionError):
            raise ClientError(f"job {self.job_id}: expected JSON in the stream, got {data[:100]!r}") from None
        self._streams = self._looks = 0
        number = mark.partition(".")[0]
        if number.isascii() and number.isdigit():
            self._after = max(self._after, int(number))
        if name == "job":
            yield from self._news(told)
        elif name in ("log", "end"):
            self.ended = name == "end"
            yield Event(name, told)

    def _news(self, job: Any) -> Iterator[Event]:
        plain = {name: value for name, value in job.items() if name not in LINKED}
        if plain != self._seen:
            self._seen = plain
            yield Event("job", plain)


def place_of(url: httpx.URL) -> str:
    """A server as it may be shown: without user, password, path and query."""
    return f"{url.scheme}://{urlsplit(str(url)).netloc.rpartition('@')[2]}"
