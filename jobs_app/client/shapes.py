"""What the client gives back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from jobs_app.client.errors import ClientError, Invalid

NO_ROOM = frozenset({429, 503})
FINAL = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True)
class Job:
    """A job as it stood when the server answered.

    estimate: when it is likely to start and to finish, if the server said. replayed: the idempotency key had made it
    before. body: all that the server said.
    """

    id: str
    kind: str
    queue: str
    state: str
    final: bool
    estimate: Any = field(default=None, hash=False)
    replayed: bool = False
    body: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)

    @classmethod
    def of(cls, body: Any, *, replayed: bool = False) -> Job:
        """From an answer's JSON. Raises ClientError if that is no job."""
        try:
            return cls(
                id=str(UUID(body["id"])), kind=str(body["kind"]), queue=str(body["queue"]), state=str(body["state"]),
                final=bool(body.get("final", body["state"] in FINAL)), estimate=body.get("estimate"),
                replayed=replayed, body=body,
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ClientError(f"expected a job, got {str(body)[:200]!r}; is there a Weir at this address?") from None


@dataclass(frozen=True)
class Verdict:
    """What became of one of many submissions. line: which, from 1. id: its job's, None if it was refused. status:
    ``accepted``, ``replayed`` (its idempotency key had made the job before) or ``refused``, and then ``problem`` says
    why, as the API's errors do."""

    line: int
    id: str | None
    status: str
    problem: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def crowded(self) -> bool:
        """Whether it was refused for lack of room: later there may be some."""
        return self.problem.get("status") in NO_ROOM

    @property
    def retry_after(self) -> float:
        """Seconds after which the server said to come back; 0 if it did not say."""
        return float(self.problem.get("retry_after") or 0.0)

    @classmethod
    def of(cls, text: bytes, line: int) -> Verdict:
        """From a line of an answer. Raises ClientError if that is no verdict."""
        try:
            body = json.loads(text)
            made = str(UUID(body["id"])) if body["status"] != "refused" else None
            return cls(line, made, str(body["status"]), dict(body.get("problem") or {}))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ClientError(f"expected a verdict, got {text[:200]!r}") from None


@dataclass(frozen=True)
class Artifact:
    """A file: uploaded, or made by a job. ``id`` is what parameters take, ``size`` in bytes, ``sha256`` in hex."""

    id: str
    name: str
    size: int
    sha256: str

    @classmethod
    def of(cls, body: Any) -> Artifact:
        """From an answer's JSON. Raises ClientError if that is no file."""
        try:
            return cls(str(UUID(body["id"])), str(body["name"]), int(body["size"]), str(body["sha256"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ClientError(f"expected a file, got {str(body)[:200]!r}") from None


@dataclass(frozen=True)
class Event:
    """What the live stream tells: ``job`` (the job changed), ``log`` (a log line) or ``end``; ``data`` is its JSON."""

    name: str
    data: Any


def id_of(job: Job | UUID | str) -> str:
    """The id of a job, fit for an address. Raises Invalid."""
    if isinstance(job, Job):
        return job.id
    try:
        return str(UUID(str(job)))
    except ValueError:
        raise Invalid(f"expected a job or its id, got {str(job)[:80]!r}") from None
