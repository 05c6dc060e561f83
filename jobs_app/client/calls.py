"""One request to the API and its answer, apart from how they travel."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from jobs_app.client.decisions import Failure, failure_of_answer, failure_of_error
from jobs_app.client.errors import ClientError

BODY_LIMIT = 64 << 20
"""Bytes of an answer that is held in memory."""

JSON = "application/json"


class Setback(Exception):
    """Within the client only: a try that failed, and how."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.words)


@dataclass(frozen=True)
class Call:
    """A request. It may be sent again and again until it is answered.

    repeatable: to carry it out twice is the same as once. longer: seconds by which its answer may come later than
    others' do. patience: seconds for all tries; None for the client's. file: its body.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    file: Path | None = None
    repeatable: bool = True
    longer: float = 0.0
    patience: float | None = None
    success: range = range(200, 300)

    @property
    def asked(self) -> str:
        """As errors name it."""
        return f"{self.method} {self.path}"

    def arguments(self, timeout: float) -> dict[str, Any]:
        """For httpx; timeout: seconds that a single wait on the network may last."""
        limits = httpx.Timeout(timeout, connect=min(timeout, 10.0))
        return {
            "method": self.method, "url": self.path, "headers": dict(self.headers), "params": dict(self.query) or None,
            "content": self.content, "timeout": limits,
        }  # fmt: skip

    def setback(self, error: httpx.HTTPError) -> Setback:
        """A failure on the way."""
        return Setback(failure_of_error(self.asked, error, repeatable=self.repeatable))

    def reply(self, answer: httpx.Response, body: bytes) -> Reply:
        """The answer, once it is whole. Raises Setback if it is no success."""
        if answer.status_code in self.success:
            return Reply(self.asked, answer.status_code, answer.headers, body)
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        problem = _problem(body) if kind.endswith("json") else None
        raise Setback(
            failure_of_answer(self.asked, answer.status_code, answer.headers, problem, repeatable=self.repeatable)
        )

    def too_large(self, limit: int) -> ClientError:
        """An answer that is longer than expected."""
        return ClientError(f"{self.asked}: expected an answer of at most {limit:,} bytes, got more")


@dataclass(frozen=True)
class Reply:
    """A successful answer, whole."""

    asked: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Its JSON. Raises ClientError."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            start = self.body[:100].decode("utf-8", "replace")
            raise ClientError(f"{self.asked}: expected JSON, got {start!r}", status=self.status) from None


def path(*parts: str) -> str:
    """An address of the API, each part quoted."""
    return "/".join(["/api", *(quote(part, safe="") for part in parts)])


def _problem(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
