"""Exit codes that scripts can rely on, and the sentences that go with them."""

from __future__ import annotations

from enum import IntEnum

from django.core.management.base import CommandError
from django.db import DatabaseError, InterfaceError, OperationalError, ProgrammingError

from jobs_app.errors import LedgerAway, WeirError
from jobs_app.lifecycle import State


class Exit(IntEnum):
    """What the command ended with. Errors bear theirs as ``WeirError.exit_code``."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Exit:
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    OK = 0, "done; of a followed job: it succeeded"
    FAILED = 1, "the followed job failed, or something unexpected happened"
    USAGE = 2, "wrong usage, or parameters that do not fit"
    NOT_FOUND = 3, "no such job, file or user, or not yours"
    NOT_ALLOWED = 4, "the user may not do this"
    CONFLICT = 5, "no longer possible, or the idempotency key was used for something else"
    AWAY = 6, "the ledger cannot be reached, or there is no room to store a file"
    CANCELLED = 7, "the followed job was cancelled"
    REFUSED = 8, "there is no room for the job now: the queue is full, or you hold your share; try again as told"
    UNHEALTHY = 9, "`jobs health` found something that failed"
    TIMED_OUT = 124, "--timeout was up before the followed job ended; it goes on"
    INTERRUPTED = 130, "interrupted by Ctrl-C; a job that was submitted goes on"
    READER_GONE = 141, "whatever read the output went away"


OF_STATE = {State.SUCCEEDED: Exit.OK, State.FAILED: Exit.FAILED, State.CANCELLED: Exit.CANCELLED}
"""What following a job ends with, by its final state."""


def table() -> str:
    """The exit codes as text for ``--help``."""
    return "exit codes:\n" + "\n".join(f"  {code.value:>3}  {code.meaning}" for code in Exit)


def from_database(error: DatabaseError | InterfaceError) -> WeirError:
    """A failure of the database as an error of ours: away, not set up, or refusing what was sent."""
    lines = str(error).strip().splitlines()
    words = lines[0][:300] if lines else type(error).__name__
    if "no such table" in words or (isinstance(error, ProgrammingError) and "does not exist" in words):
        return LedgerAway(f"expected its tables, got: {words}; run `manage.py migrate` first")
    if isinstance(error, (OperationalError, InterfaceError)):
        return LedgerAway(f"{words}; check DATABASE_URL and that the database runs")
    return WeirError(f"the job ledger refused it: {words}")


def sentence(error: WeirError) -> str:
    """An error as it is told: what it means, and what was expected."""
    return f"{error.title}: {error}"


class Stopped(CommandError):
    """The end of a call with a code that is not 0; an empty message means that all was said already."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message, returncode=int(code))
