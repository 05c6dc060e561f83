"""What each method of the clients does, without doing it: generators that yield requests and pauses.

A client sends each Call and gives its Reply back, or lets a number of seconds pass. So the two clients, which wait
in different ways, do the same.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict, TypeVar
from uuid import UUID, uuid4

from jobs_app.client.calls import JSON, Call, Reply, path
from jobs_app.client.errors import Invalid, TimedOut
from jobs_app.client.shapes import Artifact, Job, id_of

T = TypeVar("T")
Plan = Generator[Call | float, Reply, T]

QUICKEST_LOOK = 0.2
SLOWEST_LOOK = 5.0
"""Seconds between two looks at a job that is waited for: at first, and after a while."""


class Options(TypedDict, total=False):
    """How a job is submitted; what is left out is the kind's or the server's choice.

    queue; priority from -100 to 100, higher first; due_at and expires_at, with a time zone; max_attempts.
    idempotency_key: the same key with the same request gives the same job; made for each call if left out.
    tags: at most 10 words, to find the job by.
    wait: seconds for which the server may hold its answer back until the job has ended.
    overflow: into a full queue too, up to its hard limit; needs a permission.
    """

    queue: str | None
    priority: int | None
    due_at: datetime | None
    expires_at: datetime | None
    max_attempts: int | None
    idempotency_key: str | None
    wait: float | None
    overflow: bool
    tags: Sequence[str]


def submit(kind: str, parameters: Mapping[str, Any] | None, options: Options) -> Plan[Job]:
    """Submit a job."""
    unknown = sorted(set(options) - set(Options.__annotations__))
    if unknown:
        raise TypeError(f"expected the options {', '.join(Options.__annotations__)}, got {', '.join(unknown)}")
    body: dict[str, Any] = {"kind": kind, "parameters": dict(parameters or {})}
    for name in ("queue", "priority", "max_attempts"):
        body[name] = options.get(name)
    for name, moment in (("due_at", options.get("due_at")), ("expires_at", options.get("expires_at"))):
        body[name] = None if moment is None else _with_zone(moment, name).isoformat()
    if options.get("overflow"):
        body["overflow"] = True
    if options.get("tags"):
        body["tags"] = list(options["tags"])
    body = {name: value for name, value in body.items() if value is not None}
    key, wait = options.get("idempotency_key"), options.get("wait")
    # Made before the first try, so that all tries are one request.
    headers = {"Content-Type": JSON, "Idempotency-Key": str(uuid4()) if key is None else _header(key)}
    if wait is not None:
        headers["Prefer"] = f"wait={max(math.ceil(wait), 0)}"
    reply = yield Call("POST", path("jobs"), headers=headers, content=encoded(body), longer=wait or 0.0)
    return Job.of(reply.json(), replayed=reply.headers.get("idempotency-replayed", "").lower() == "true")


def get(job: Job | UUID | str) -> Plan[Job]:
    """A job as it stands."""
    reply = yield Call("GET", path("jobs", id_of(job)))
    return Job.of(reply.json())


def cancel(job: Job | UUID | str) -> Plan[Job]:
    """Cancel a job."""
    reply = yield Call("POST", path("jobs", id_of(job), "cancel"))
    return Job.of(reply.json())


def result(job: Job | UUID | str) -> Plan[Any]:
    """What the handler returned."""
    reply = yield Call("GET", path("jobs", id_of(job), "result"))
    return reply.json()


def wait(
    job: Job | UUID | str, timeout: float | None, *, patience: float, clock: Callable[[], float] = time.monotonic
) -> Plan[Job]:
    """Look at a job, at first often and then seldom, until it has ended. Raises TimedOut."""
    began, pause, job_id = clock(), QUICKEST_LOOK, id_of(job)
    while True:
        left = float("inf") if timeout is None else timeout - (clock() - began)
        reply = yield Call("GET", path("jobs", job_id), patience=min(patience, max(left, 0.0)))
        found = Job.of(reply.json())
        if found.final:
            return found
        left = float("inf") if timeout is None else timeout - (clock() - began)
        if left <= 0:
            raise TimedOut(f"expected job {job_id} to end within {timeout:g} s; it is {found.state} and goes on")
        yield min(pause, left)
        pause = min(pause * 1.5, SLOWEST_LOOK)


def artifacts(job: Job | UUID | str) -> Plan[list[Artifact]]:
    """The files that a job made."""
    reply = yield Call("GET", path("jobs", id_of(job), "artifacts"))
    body = reply.json()
    return [Artifact.of(each) for each in (body.get("artifacts", ()) if isinstance(body, dict) else ())]


def upload(file: Path, checked: Callable[[], str]) -> Plan[Artifact]:
    """Upload a file; ``checked`` tells the SHA-256 of what was sent. Raises OSError if it cannot be read."""
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(file.stat().st_size)}
    reply = yield Call(
        "POST", path("artifacts"), headers=headers, query={"name": file.name}, file=file, repeatable=False
    )
    made = Artifact.of(reply.json())
    if made.sha256 != checked():
        raise Invalid(f"{file}: expected the server to have it as it is here, got another SHA-256; was it changed?")
    return made


def queues() -> Plan[list[dict[str, Any]]]:
    """Every queue."""
    reply = yield Call("GET", path("queues"))
    body = reply.json()
    return list(body["queues"] if isinstance(body, dict) else body)


def queue(name: str) -> Plan[dict[str, Any]]:
    """One queue."""
    reply = yield Call("GET", path("queues", name))
    return dict(reply.json())


def encoded(body: Mapping[str, Any]) -> bytes:
    """A body as JSON. Raises Invalid for what JSON cannot hold."""
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise Invalid(f"expected parameters that JSON can hold: {error}") from None


def _with_zone(moment: datetime, name: str) -> datetime:
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise Invalid(f"expected {name} to be a datetime with a time zone, got {moment!r}")
    return moment


def _header(key: str) -> str:
    if not key or not (key.isascii() and key.isprintable()) or key != key.strip():
        raise Invalid(f"expected an idempotency key of printable ASCII characters, got {key[:80]!r}")
    return key
