"""What can go wrong for a client. Each message says what was asked, what came, and what the server said of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """The base.

    status: the answer's status code, None if no answer came. problem: its problem details (RFC 9457), as JSON; empty
    if it had none. retry_after: after how many seconds the server said to come back; None if it did not say.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        problem: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.status = status
        self.problem = dict(problem or {})
        self.retry_after = retry_after
        super().__init__(message)

    @property
    def code(self) -> str:
        """The problem's stable slug, such as ``queue-full``; empty if there is none."""
        return str(self.problem.get("code", ""))


class Refused(ClientError):
    """429 or 503: no room now, and no room when the patience was used up. ``problem`` has the facts."""


class Unreachable(ClientError):
    """No usable answer: no connection, a time limit, a connection that broke off, 502 or 504."""


class Invalid(ClientError):
    """The request does not fit, and will not fit when it is sent again; ``problem["errors"]`` may name the places."""


class NotAllowed(ClientError):
    """401 or 403: the token is missing, wrong, out of date, or may not do this."""


class NotFound(ClientError):
    """Not there, or not yours."""


class Conflict(ClientError):
    """No longer possible, not yet possible, or the idempotency key was used for another request."""


class TimedOut(ClientError):
    """The time given for waiting is up. The job goes on."""
