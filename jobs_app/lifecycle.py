"""The states of a job and of an attempt, and the moves between them.

This is the one table of states. Model choices, CHECK constraints, SQL, API and pages derive from it; no other module
lists states by hand.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a job stands. ``meaning`` and ``leaves_by`` are the words shown to people."""

    meaning: str
    leaves_by: str

    def __new__(cls, value: str, meaning: str = "", leaves_by: str = "") -> State:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        member.leaves_by = leaves_by
        return member

    BLOCKED = "blocked", "waits for other jobs", "the last of them ending well; one failing, per its policy; cancel"
    SCHEDULED = "scheduled", "due later", "its time, when its queue has room; cancel"
    QUEUED = "queued", "due; waits for a worker", "claim; cancel"
    RUNNING = "running", "claimed by one attempt, its lease alive", "settle; lease lost"
    RETRYING = "retrying", "the last attempt failed, the next one is due later", "its time; cancel"
    SUCCEEDED = "succeeded", "ended well", "nothing: run again makes a new job"
    FAILED = "failed", "ended with an error", "nothing: run again makes a new job"
    CANCELLED = "cancelled", "stopped on request", "nothing: run again makes a new job"

    @property
    def final(self) -> bool:
        """Whether no move leads out of this state."""
        return self in FINAL


FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
UNFINISHED = frozenset(set(State) - FINAL)
WAITING = frozenset({State.BLOCKED, State.SCHEDULED, State.QUEUED, State.RETRYING})
INITIAL = frozenset({State.BLOCKED, State.SCHEDULED, State.QUEUED})

MOVES: dict[State, frozenset[State]] = {
    # blocked -> queued: a child has room now, or a parent is to go on; -> succeeded: its last child has.
    State.BLOCKED: frozenset({State.QUEUED, *FINAL}),
    State.SCHEDULED: frozenset({State.QUEUED, State.CANCELLED}),
    # queued -> failed: its expiry passed before a worker was free.
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED, State.FAILED}),
    # running -> queued: the lease was lost, or the worker gave the job back unstarted; -> blocked: it has children.
    State.RUNNING: frozenset({*FINAL, State.RETRYING, State.QUEUED, State.BLOCKED}),
    State.RETRYING: frozenset({State.QUEUED, State.CANCELLED}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}


class Outcome(StrEnum):
    """How one attempt stands or ended."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SNOOZED = "snoozed"
    LOST = "lost"


class EventName(StrEnum):
    """What an event records. Every transition is an event; some events are no transition."""

    SUBMITTED = "submitted"
    DUE = "due"
    ROOM_FOUND = "room found"
    CLAIMED = "claimed"
    CHILDREN_AWAITED = "children awaited"
    CHILDREN_ENDED = "children ended"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETRY_PLANNED = "retry planned"
    MADE_DUE = "made due"
    REPRIORITISED = "reprioritised"
    CANCEL_REQUESTED = "cancel requested"
    CANCELLED = "cancelled"
    RESCUED = "rescued"
    EXPIRED = "expired"
    LATE_WRITE_REFUSED = "late write refused"


class Via(StrEnum):
    """The way by which a job came in."""

    PYTHON = "python"
    API = "api"
    WEB = "web"
    ADMIN = "admin"
    CLI = "cli"
    SCHEDULE = "schedule"
    PARENT = "parent"


class Reason(StrEnum):
    """Why a submission was refused for lack of room."""

    FULL = "full"
    USER_SHARE = "user share"
    TOKEN_SHARE = "token share"  # noqa: S105 - no password
    RATE = "rate"
    SCHEDULED = "scheduled"
    UPLOADS = "uploads"


def legal(source: State, target: State) -> bool:
    """Whether the table of moves allows ``source`` to become ``target``."""
    return target in MOVES[source]


def choices(kind: type[StrEnum]) -> list[tuple[str, str]]:
    """``(value, label)`` pairs for a model field; the label is the value itself."""
    return [(member.value, member.value) for member in kind]
