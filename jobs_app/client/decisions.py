"""Whether a request that failed is sent again, and after how long: pure functions that both clients rest on.

An answer's ``Retry-After`` is obeyed: never earlier, and up to 5 % later. Without it the wait is drawn evenly between
nothing and a limit that doubles with each try ("full jitter"), so that clients refused together do not return together.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import httpx

from jobs_app.client.errors import ClientError, Conflict, Invalid, NotAllowed, NotFound, Refused, Unreachable

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 30.0
"""Limits of the first wait and of any wait, where the server does not say how long."""

LATER = 0.05
"""By which part a stated wait is made longer at most."""

FOREVER = 1e9
"""Seconds that stand for a wait too long to count."""

REFUSALS = frozenset({429, 503})
PASSING = frozenset({*REFUSALS, 502, 504})
"""Status codes that may be different next time."""

ERRORS: Mapping[int, type[ClientError]] = {
    400: Invalid, 401: NotAllowed, 403: NotAllowed, 404: NotFound, 409: Conflict, 410: NotFound, 411: Invalid,
    413: Invalid, 415: Invalid, 422: Invalid, 429: Refused, 502: Unreachable, 503: Refused, 504: Unreachable,
}  # fmt: skip

SPOKEN = 1000
"""Characters of the server's words that go into an error."""


@dataclass(frozen=True)
class Failure:
    """A request that did not bring what was asked for.

    asked: such as ``POST /api/jobs``. passing: whether it may go well next time. retry_after: seconds, as told.
    """

    asked: str
    words: str
    passing: bool
    status: int | None = None
    retry_after: float | None = None
    problem: Mapping[str, Any] = field(default_factory=dict)

    def error(self, more: str = "") -> ClientError:
        """As what is raised."""
        kind = Unreachable if self.status is None else ERRORS.get(self.status, ClientError)
        if self.problem.get("code") == "idempotency-conflict":
            kind = Conflict
        message = f"{self.asked}: {self.words}{more}"
        return kind(message, status=self.status, problem=self.problem, retry_after=self.retry_after)


def decide(failure: Failure, *, attempt: int, elapsed: float, budget: float, chance: float) -> float:
    """Seconds to wait before the next try. Raises a ClientError when there is to be none.

    attempt: tries so far, from 1. elapsed, budget: seconds since the call began, and those it may take in all.
    chance: evenly from 0 to 1.
    """
    if not failure.passing:
        raise failure.error()
    seconds = pause(failure, attempt=attempt, chance=chance)
    if elapsed + seconds > budget:
        tries = "1 try" if attempt == 1 else f"{attempt} tries"
        raise failure.error(
            f". Given up after {tries} in {elapsed:.1f} s: "
            f"the next one, in {seconds:.1f} s, would go past the {budget:g} s of patience"
        )
    return seconds


def pause(failure: Failure, *, attempt: int, chance: float) -> float:
    """Seconds to wait before try ``attempt`` + 1."""
    if failure.retry_after:
        return failure.retry_after * (1 + LATER * chance)
    return backoff(attempt, chance)


def backoff(attempt: int, chance: float) -> float:
    """Exponential, with full jitter."""
    # 2 ** 10 is far over the limit already, and a power without bounds is no float.
    return chance * min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(attempt - 1, 10))


def failure_of_answer(asked: str, status: int, headers: Mapping[str, str], body: Any, *, repeatable: bool) -> Failure:
    """What an answer that is no success means. body: its problem details as JSON, None for anything else.

    repeatable: sending the request twice is the same as sending it once.
    """
    problem = body if isinstance(body, dict) else {}
    told = ": ".join(str(problem[name]) for name in ("title", "detail") if problem.get(name))[:SPOKEN]
    if not told and 300 <= status < 400 and headers.get("location"):
        told = f"expected an answer, and was sent on to {headers['location'][:200]}; give that server's address"
    words = f"{told or _phrase(status)} ({status})"
    passing = status in (PASSING if repeatable else REFUSALS)
    return Failure(asked, words, passing, status, retry_after(headers) if passing else None, problem)


def failure_of_error(asked: str, error: httpx.HTTPError, *, repeatable: bool) -> Failure:
    """What it means that no answer came, or only half of one."""
    words = f"expected an answer, got {type(error).__name__}" + (f": {error}" if str(error) else "")
    if not repeatable and not isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)):
        # It may have arrived: to send it again could do it twice.
        return Failure(asked, f"{words}; it may have been carried out", passing=False)
    lasting = isinstance(error, (httpx.LocalProtocolError, httpx.UnsupportedProtocol)) or _is_untrusted(error)
    return Failure(asked, words, passing=isinstance(error, httpx.TransportError) and not lasting)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds until the time that ``Retry-After`` names; None if there is none, or none that can be read.

    A date is compared with the answer's own ``Date``: the two clocks need not agree.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) < 10 else FOREVER
    until = _moment(text)
    if until is None:
        return None
    now = _moment(headers.get("date", "")) or datetime.now(UTC)
    return max((until - now).total_seconds(), 0.0)


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "an unknown answer"


def _is_untrusted(error: BaseException) -> bool:
    """Whether a certificate was refused: that does not pass."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, ssl.SSLCertVerificationError):
            return True
        link = link.__cause__ or link.__context__
    return False
