"""Many submissions: lines go to the server some thousand a request, and those it had no room for go again.

Each line has an idempotency key, so a request that broke off is sent again as it was, and no line makes two jobs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

from jobs_app.client.calls import Call, path
from jobs_app.client.decisions import LATER, backoff
from jobs_app.client.errors import ClientError, Refused
from jobs_app.client.plans import Plan, encoded
from jobs_app.client.shapes import Verdict

NDJSON = "application/x-ndjson"
LINES = 2000
BYTES = 4 << 20
"""Lines of a request, and bytes of its body, at most: an answer fits in memory, and a request takes a second or two."""

Line = tuple[int, bytes]
"""Its number, from 1, and its JSON."""


class Bulk:
    """One call of ``submit_many``. key: of the whole. patience: seconds to go on while nothing is accepted."""

    def __init__(self, key: str | None, patience: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._key = str(uuid4()) if key is None else key
        self._patience, self._clock = patience, clock
        self._got_on_at = clock()
        self._found: dict[int, Verdict] = {}

    def parts(self, submissions: Iterable[Mapping[str, Any]]) -> Iterator[list[Line]]:
        """Lines with their numbers, as many as go into one request. Raises Invalid for what is no JSON."""
        part: list[Line] = []
        size = 0
        for number, each in enumerate(submissions, 1):
            line = encoded({"idempotency_key": f"{self._key}#{number}", **each})
            if part and (len(part) == LINES or size + len(line) > BYTES):
                yield part
                part, size = [], 0
            part.append((number, line))
            size += len(line) + 1
        if part:
            yield part

    def plan(self, part: Sequence[Line]) -> Plan[list[Verdict]]:
        """Send a part, and again those of it that there was no room for, as long as there is patience."""
        self._found = {}
        attempt = 0
        while True:
            waiting = [(number, line) for number, line in part if self._is_open(number)]
            content = b"\n".join(line for _, line in waiting)
            left = max(self._patience - (self._clock() - self._got_on_at), 0.0)
            call = Call("POST", path("jobs", "bulk"), headers={"Content-Type": NDJSON}, content=content, patience=left)
            reply = yield call
            told = _verdicts(reply.body, [number for number, _ in waiting], call.asked)
            self._found.update((each.line, each) for each in told)
            crowded = [each for each in told if each.crowded]
            if len(crowded) < len(waiting):
                self._got_on_at, attempt = self._clock(), 0
            attempt += 1
            seconds = max((each.retry_after for each in crowded), default=0.0) * (1 + LATER) or backoff(attempt, 1.0)
            if not crowded or self._clock() + seconds - self._got_on_at > self._patience:
                return [self._found[number] for number, _ in part]
            yield seconds

    def given_up(self, part: Sequence[Line], refused: Refused) -> Iterator[Verdict]:
        """What is known of a part when even the request had no room any more."""
        for number, _ in part:
            yield self._found.get(number) or Verdict(number, None, "refused", refused.problem)

    def _is_open(self, number: int) -> bool:
        return number not in self._found or self._found[number].crowded


def _verdicts(body: bytes, numbers: Sequence[int], asked: str) -> list[Verdict]:
    """The verdicts of an answer, on all lines that were sent. Raises ClientError for another answer."""
    lines = body.splitlines()
    if len(lines) != len(numbers) + 1:
        raise ClientError(
            f"{asked}: expected a verdict on each of {len(numbers):,} lines, got {max(len(lines) - 1, 0):,}"
        )
    return [Verdict.of(line, number) for number, line in zip(numbers, lines, strict=False)]
