"""Every error Weir raises on purpose: one base, so that each surface maps it once.

The message says what was expected, what came and how to mend it. ``status`` is the status code of RFC 9110 that an
HTTP surface answers with, ``exit_code`` what the command line ends with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


class WeirError(Exception):
    """The base of Weir's errors. ``code`` is a stable slug, ``title`` a short sentence that never varies.

    accepted: of many jobs that were submitted in order, how many are in before the one that this is about.
    """

    accepted: int | None = None
    code: ClassVar[str] = "error"
    title: ClassVar[str] = "The request could not be carried out"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1


class BadDeclaration(WeirError):
    """A ``@job`` declaration that cannot work; raised while the program starts."""

    code = "bad-declaration"
    title = "A kind is declared wrongly"


class LedgerWriteRefused(WeirError):
    """A write to the ledger from outside ``core``: state moves only through ``core.transitions``."""

    code = "ledger-write-refused"
    title = "The ledger is written by its core alone"


class UnknownKind(WeirError):
    """No kind of that name is registered."""

    code = "unknown-kind"
    title = "There is no such kind of job"
    status = 422
    exit_code = 2


def in_words(fault: Mapping[str, Any]) -> str:
    """A fault that pydantic found, in Weir's words: what was expected. ``fault`` is one of ``error.errors()``."""
    if fault["type"] == "missing":
        return "expected a value, got none"
    if fault["type"] == "extra_forbidden":
        return "there is no such parameter"
    said = str(fault["msg"]).removeprefix("Value error, ").replace("Input should be", "expected")
    return re.sub(r"^(\w+) should (be|have|match)\b", lambda found: f"expected {found[1].lower()} to {found[2]}", said)


@dataclass(frozen=True)
class FieldProblem:
    """What is wrong with one parameter.

    ``location`` is the path to it, such as ``("sizes", 0)``; empty when the whole is meant.
    """

    location: tuple[str | int, ...]
    message: str

    @property
    def pointer(self) -> str:
        """The path as people read it: ``sizes.0``."""
        return ".".join(str(part) for part in self.location)


class InvalidParameters(WeirError):
    """Parameters that do not fit the kind; ``problems`` has one entry a fault."""

    code = "invalid-parameters"
    title = "The parameters do not fit this kind of job"
    status = 422
    exit_code = 2

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "; ".join(f"{each.pointer}: {each.message}" if each.location else each.message for each in problems)
        )


class InvalidRequest(WeirError):
    """A request that is malformed apart from its parameters (a filter, a cursor, a header)."""

    code = "invalid-request"
    title = "The request is not well-formed"
    status = 422
    exit_code = 2


class TooLarge(WeirError):
    """More bytes than the stated limit."""

    code = "too-large"
    title = "That is more than is accepted here"
    status = 413
    exit_code = 2


class NotFound(WeirError):
    """No such thing, or it belongs to someone else: the two are not told apart."""

    code = "not-found"
    title = "There is nothing here by that name, or it is not yours"
    status = 404
    exit_code = 3


class NotAllowed(WeirError):
    """The caller is known and may not do this."""

    code = "not-allowed"
    title = "You may not do this"
    status = 403
    exit_code = 4


class NotAuthenticated(WeirError):
    """No valid session or token came with the request."""

    code = "not-authenticated"
    title = "Log in, or send a valid token"
    status = 401
    exit_code = 4


class Conflict(WeirError):
    """The thing is no longer in the state that the action needs."""

    code = "conflict"
    title = "This is no longer possible"
    status = 409
    exit_code = 5


class IdempotencyConflict(WeirError):
    """The same idempotency key came with another kind or other parameters."""

    code = "idempotency-conflict"
    title = "This idempotency key was used for another request"
    status = 422
    exit_code = 5


class PreviewFailed(WeirError):
    """What a kind does while its job is submitted did not go well. Nothing was written."""

    code = "preview-failed"
    title = "This could not be submitted"
    status = 422
    exit_code = 2


class StorageFull(WeirError):
    """The disk, or the quota on it, has no room for the file."""

    code = "storage-full"
    title = "There is no room left to store this"
    status = 507
    exit_code = 6


class LedgerAway(WeirError):
    """The ledger's database cannot be reached."""

    code = "ledger-away"
    title = "The job ledger cannot be reached at the moment"
    status = 503
    exit_code = 6


class BrokerAway(WeirError):
    """The message broker cannot be reached. Jobs are accepted all the same."""

    code = "broker-away"
    title = "The message broker cannot be reached"
    status = 503
    exit_code = 6


class Refused(WeirError):
    """A submission for which there is no room now. Nothing was written, and no idempotency key was used up.

    retry_after: whole seconds after which to try again. facts: what led to it, ready for JSON.
    """

    code = "refused"
    title = "There is no room at the moment"
    status = 503
    exit_code = 8

    def __init__(self, message: str, *, retry_after: int, facts: Mapping[str, Any] | None = None) -> None:
        self.retry_after = retry_after
        self.facts = dict(facts or {})
        super().__init__(message)


class QueueFull(Refused):
    """The queue is at its limit. ``facts``: queue, depth, limit, drain_rate (jobs a second, or None), reason."""

    code = "queue-full"
    title = "The queue is full"
    status = 503


class ShareExceeded(Refused):
    """This user, or this token, holds its share: of a queue, of jobs due later, of uploads."""

    code = "share-exceeded"
    title = "You have your share already"
    status = 429


class RateExceeded(Refused):
    """This token submits faster than it may."""

    code = "rate-exceeded"
    title = "That is too fast"
    status = 429
