"""Failures: how an attempt that ended badly is told, and how the policy judges it."""

from __future__ import annotations

import traceback
from pathlib import Path

from django.db import InterfaceError, InternalError, OperationalError, connection

from jobs_app.context import TimedOut
from jobs_app.core.attempt_context import AttemptContext
from jobs_app.core.outcomes import Failure
from jobs_app.core.secrecy import scrub
from jobs_app.errors import BrokerAway, LedgerAway, StorageFull, WeirError
from jobs_app.fingerprints import Fault
from jobs_app.policies import Discard, Verdict

TRACEBACK_LENGTH = 20_000
PART_LENGTH = 4_000
"""Of one frame, or of the error's own words: a long message is not to push out where it was raised."""

ERROR_LENGTH = 2_000
TYPE_LENGTH = 200
PASSING = (StorageFull, LedgerAway, BrokerAway)
OUR_FRAMES = str(Path(__file__).with_name("execution.py"))
LEDGER_ERRORS = (OperationalError, InterfaceError, InternalError)
"""What a ledger that is away raises; InternalError when it ended a transaction in which nothing came (see queries)."""


def ledger_lost(error: BaseException) -> bool:
    """Whether an attempt ended because the ledger went away under it, through no fault of its handler."""
    if not isinstance(error, LEDGER_ERRORS):
        return False
    return "database is locked" in str(error) or not connection.is_usable()


def as_cause(error: BaseException) -> BaseException:
    """What the retry policy judges: our own errors are for good (a kind that is gone), but for what may pass."""
    if isinstance(error, WeirError) and not isinstance(error, PASSING):
        return Discard(str(error))
    return error


def describe(error: BaseException, context: AttemptContext) -> Failure:
    words = str(error).strip()
    if isinstance(error, MemoryError):
        words = "it ran out of memory" + (f": {words}" if words else "")
    elif isinstance(error, SystemExit):
        words = f"it called sys.exit({error.code!r}); a handler returns or raises instead"
    elif isinstance(error, TimedOut):
        words = f"its time was up: it may take {context.timeout_seconds:g} s"
    name = scrub(type(error).__name__, context.secrets)[:TYPE_LENGTH]
    parts = [] if isinstance(error, WeirError) else _handler_traceback(error)
    lines = "".join(_cut(scrub(part, context.secrets)) for part in parts)
    if isinstance(error, Verdict) and not Fault("", name, words, lines).place:
        lines = ""  # a verdict is told in its own words; where in the handler it was given makes it alike to others
    return Failure(scrub(words or name, context.secrets)[:ERROR_LENGTH], name, lines[-TRACEBACK_LENGTH:])


def _cut(part: str) -> str:
    return part if len(part) <= PART_LENGTH else f"{part[:PART_LENGTH]}…\n"


def _handler_traceback(error: BaseException) -> list[str]:
    """The traceback, in parts, from the handler on: our own frames above it say nothing to its author."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == OUR_FRAMES:
        frames = frames.tb_next
    try:
        return traceback.format_exception(type(error), error, frames or error.__traceback__)
    except MemoryError:
        return []
