"""What a process knows of a job that it has claimed."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from jobs_app import conf
from jobs_app.context import Cancelled, TimedOut
from jobs_app.core.stopping import sign

LINES_WAITING = 1000
"""Log lines kept in memory until the next flush; a handler that logs faster loses the oldest, and is told."""

LINES_PER_ATTEMPT = 10_000
LINE_LENGTH = 10_000


@dataclass
class Held:
    """One claimed job, as its process knows it. Times are of ``time.monotonic``."""

    job_id: UUID
    attempt: int
    soft_at: float
    hard_at: float
    on_overdue: Callable[[Held, str], None]
    """Called from the thread when the job must be ended by force: with ``timeout``, ``cancel`` or ``stop``."""
    interrupt: Callable[[], None]
    """Called from the thread to raise in the handler's thread, if it has one that can be reached."""
    queue: str = ""
    cancelled_at: float | None = None
    lost: bool = False
    interrupted: bool = False
    forced: bool = False
    started: bool = False
    started_at: float = 0.0
    done: bool = False
    """Its handler has returned; it is settled with others, in a moment."""
    returned: bool = False
    """It is not started here: it is given back, or was."""
    given_back: bool = False
    progress: tuple[float, str] | None = None
    lines: deque[tuple[datetime, str, str]] = field(default_factory=lambda: deque(maxlen=LINES_WAITING))
    lines_written: int = 0
    lines_dropped: int = 0
    flushing: threading.Lock = field(default_factory=threading.Lock)
    """The thread and the handler's own may flush at once."""

    @property
    def has_reports(self) -> bool:
        """Whether something waits to be written, or is being written by another thread just now."""
        return self.progress is not None or bool(self.lines) or self.flushing.locked()

    @property
    def should_stop(self) -> bool:
        """Whether the handler should end."""
        return self.lost or self.cancelled_at is not None or self.timed_out or self.stopped_at is not None

    @property
    def stopped_at(self) -> float | None:
        """When the worker's grace for running jobs was over, if it is."""
        if sign.raised_at is None:
            return None
        over = sign.raised_at + conf.current().stop_grace_seconds
        return over if time.monotonic() >= over else None

    @property
    def timed_out(self) -> bool:
        """Whether the soft timeout is up."""
        return self.started and time.monotonic() >= self.soft_at

    def check(self) -> None:
        """Raise what the handler is to be told, if anything."""
        if self.lost:
            raise Cancelled("the job was taken over by another worker")
        if self.cancelled_at is not None:
            raise Cancelled("cancelled on request")
        if self.timed_out:
            raise TimedOut("its time was up")
        if self.stopped_at is not None:
            raise Cancelled("its worker was told to stop")

    def log(self, text: str, level: str, now: datetime) -> None:
        """Queue a log line, within bounds."""
        kept = self.lines_written + len(self.lines)
        if kept < LINES_PER_ATTEMPT:
            self.lines_dropped += len(self.lines) == LINES_WAITING
            self.lines.append((now, level, text[:LINE_LENGTH]))
        elif kept == LINES_PER_ATTEMPT:
            last = f"(an attempt may log {LINES_PER_ATTEMPT:,} lines; the rest is not kept)"
            self.lines.append((now, "warning", last))
