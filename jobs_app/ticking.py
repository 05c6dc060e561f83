"""What a schedule may choose, and what becomes of a tick. Pure vocabulary: models, forms and pages derive from it."""

from __future__ import annotations

from enum import StrEnum


class Missed(StrEnum):
    """What becomes of ticks that could not be decided in time: beat or the database was away, or the queue was full."""

    SKIP = "skip"
    """They are left out."""
    LATEST = "latest"
    """The last of them is made up for, unless one that is on time follows."""
    ALL = "all"
    """All of them, oldest first; at most ``missed_cap``, the latest."""


class Overlap(StrEnum):
    """What becomes of a tick while a job of the same schedule has not ended."""

    ALLOW = "allow"
    """It submits its job all the same."""
    SKIP = "skip"
    """It is left out."""
    QUEUE_ONE = "queue_one"
    """One tick waits until that job has ended; further ones are left out."""


class Gap(StrEnum):
    """What becomes of a local time that does not exist, in the night when clocks are put forward."""

    AFTER = "after"
    """It is due as soon as the clocks have changed; once, however many of them were skipped."""
    SKIP = "skip"
    """It is left out."""


class Repeat(StrEnum):
    """What becomes of a local time that exists twice, in the night when clocks are put back."""

    USUAL = "usual"
    """A crontab of all hours is due both times, since it is meant to come each hour; any other once, the first time."""
    FIRST = "first"
    BOTH = "both"


class TickOutcome(StrEnum):
    """What was decided about one tick."""

    SUBMITTED = "submitted"
    """It has its job."""
    MISSED = "missed"
    """Left out for being late, by ``Missed``."""
    OVERLAPPED = "overlapped"
    """Left out because a job of before had not ended, by ``Overlap``."""
    WAITING = "waiting"
    """It gets its job when that of before has ended (``Overlap.QUEUE_ONE``)."""
    REFUSED = "refused"
    """Its job could not be submitted, now or later; the reason says why. (A full queue only puts a tick off.)"""
