"""A client of Weir's HTTP API, sync and async. It needs httpx and tenacity, and neither Django nor the rest of Weir.

    with Client("https://weir.example.org", token) as weir:
        job = weir.submit("system.echo", {"text": "hello"})
        weir.wait(job)
        print(weir.result(job))

It sends a request again when that can help, no earlier than the server's ``Retry-After`` says; each submission has an
idempotency key, so that it makes one job however often it is sent.

errors, decisions (what is sent again, and when), shapes, calls (a request and its answer), plans (what each method
does), batches (many submissions), following (the live stream), files, patience (the loop), base, then the two clients.
"""

from __future__ import annotations

from jobs_app.client.asynchronous import AsyncClient
from jobs_app.client.errors import (
    ClientError,
    Conflict,
    Invalid,
    NotAllowed,
    NotFound,
    Refused,
    TimedOut,
    Unreachable,
)
from jobs_app.client.plans import Options
from jobs_app.client.shapes import Artifact, Event, Job, Verdict
from jobs_app.client.synchronous import Client

__all__ = [
    "Artifact",
    "AsyncClient",
    "Client",
    "ClientError",
    "Conflict",
    "Event",
    "Invalid",
    "Job",
    "NotAllowed",
    "NotFound",
    "Options",
    "Refused",
    "TimedOut",
    "Unreachable",
    "Verdict",
]
