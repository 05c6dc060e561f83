"""The shapes of what needs attention: what was read of the site, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

SILENCE = 15.0
"""Upkeep measures an idle queue every ten seconds; longer, and it is not there."""


class Severity(IntEnum):
    """How soon somebody should look, in order."""

    URGENT = 0
    WARNING = 1
    NOTE = 2

    @property
    def word(self) -> str:
        """As people read it."""
        return {Severity.URGENT: "now", Severity.WARNING: "soon", Severity.NOTE: "note"}[self]


class Rule(StrEnum):
    """What was found."""

    BROKER = "broker"
    BEAT = "beat"
    UPKEEP = "upkeep"
    NO_WORKER = "no-worker"
    STALLED = "stalled"
    FULL = "full"
    NEARLY_FULL = "nearly-full"
    OLD = "old"
    PAUSED = "paused"
    REFUSED = "refused"
    FAILURES = "failures"
    BROKEN_SCHEDULES = "broken-schedules"
    PUT_OFF = "put-off"
    STALE_REPORTS = "stale-reports"
    BEHIND = "behind"
    OWN_FAILED = "own-failed"
    OWN_REFUSED = "own-refused"


@dataclass(frozen=True)
class Notice:
    """One thing. about: the queue, schedule, report or group of failures that it is about; empty for several."""

    rule: Rule
    severity: Severity
    sentence: str
    about: str = ""

    @property
    def key(self) -> str:
        """The same thing has the same key the next time, whatever its numbers are then."""
        return f"{self.rule}-{self.about}"


@dataclass(frozen=True)
class Lane:
    """A queue. Ages in seconds, rates in jobs a second; None: none, or not known. heard: since the last worker spoke.

    refused: submissions of the last ten minutes, of everyone. mine: waiting jobs of who asks, of their latest few.
    """

    name: str
    limit: int
    low_water: int
    depth: int = 0
    oldest: float | None = None
    paused: float | None = None
    closed: float | None = None
    heard: float | None = None
    slots: int = 0
    running: int = 0
    stalled: bool = False
    refused: int = 0
    arrival_rate: float | None = None
    drain_rate: float | None = None
    mine: int = 0


@dataclass(frozen=True)
class Burst:
    """Failures that are alike and come far more often than usual. times, usual: in ten minutes. id: their group."""

    id: str
    kind: str
    error: str
    times: int
    usual: float


@dataclass(frozen=True)
class Named:
    """One of several: what it is called, and what is wrong with it, in a sentence."""

    id: str
    name: str
    why: str = ""


@dataclass(frozen=True)
class Engine:
    """What moves everything. measured, counted: seconds since upkeep did; None: never. failing: the broker, here.

    overdue: the schedule that is overdue for longest, and seconds; late: how many are.
    """

    failing: bool = False
    measured: float | None = None
    counted: float | None = None
    late: int = 0
    overdue: float = 0.0

    @property
    def silent(self) -> bool:
        """Whether upkeep does not work."""
        return self.measured is None or self.measured > SILENCE


@dataclass(frozen=True)
class Own:
    """Of who asks: jobs that failed in the last day, refusals of the last ten minutes by queue and reason."""

    failed: int = 0
    refused: Sequence[tuple[str, str, int]] = ()


@dataclass(frozen=True)
class Facts:
    """Everything that was read. sees_all: for somebody who looks after the whole site; else only their own is told.

    broken, put_off, stale: the first few, and their number.
    """

    sees_all: bool
    lanes: Sequence[Lane] = ()
    engine: Engine = field(default_factory=Engine)
    schedules: int = 0
    broken: tuple[Sequence[Named], int] = ((), 0)
    put_off: tuple[Sequence[Named], int] = ((), 0)
    reports: int = 0
    stale: tuple[Sequence[Named], int] = ((), 0)
    bursts: Sequence[Burst] = ()
    own: Own = field(default_factory=Own)
