"""Estimates in words: ranges as a person would say them, and what was promised beside what happened."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from jobs_app.lifecycle import State
from jobs_app.reads.expected import ExpectedView
from jobs_app.reads.queues import WaitView
from jobs_app.reads.views import EstimateView, JobView

UNITS = ((86_400, "days"), (3600, "h"), (60, "min"), (1, "s"))
FINE = 2
"""A unit is used from twice its size on, so that a range in it still tells something."""


@dataclass(frozen=True)
class Kept:
    """A promise and what came of it: ``start`` and ``end`` are sentences, empty while there is nothing to tell."""

    start: str
    end: str


def span(low: float, high: float) -> str:
    """A range of seconds from now: ``within 2 s``, ``in 20 to 40 s``, ``in about 3 min``."""
    size, unit = next((each for each in UNITS if high >= FINE * each[0]), UNITS[-1])
    first, last = math.floor(max(low, 0.0) / size), max(math.ceil(high / size), 1)
    if first == 0:
        return f"within {last} {unit}"
    return f"in about {last} {unit}" if first == last else f"in {first} to {last} {unit}"


def wait(expected: WaitView | None) -> str:
    """How long a new job would wait, as a queue's page tells it."""
    if expected is None:
        return "not known"
    return f"about {_length(expected.p50)}, at most {_length(expected.p95)}"


def before(told: ExpectedView) -> str:
    """What to expect of a job that is not submitted yet, in one sentence."""
    if told.full:
        return "The queue is full now: a job would be refused."
    if told.wait is None:
        return (
            f"When it would start is not known. {told.because}" if told.depth else "When it would start is not known."
        )
    starts = f"Starts {span(0, told.wait.p95)}" if told.wait.p50 < 1 else f"Waits {wait(told.wait)}"
    if told.takes is None:
        return f"{starts}; how long it takes is not known yet."
    return f"{starts}, then takes about {_length(told.takes.p50)}, rarely more than {_length(told.takes.p90)}."


def ahead(job: JobView, estimate: EstimateView | None, now: datetime) -> str:
    """What to expect of a job that waits or runs: ``starts in 20 to 40 s, done in 1 to 2 min``; empty if unknown."""
    if estimate is None:
        return ""
    parts = []
    if job.state is not State.RUNNING:
        parts.append(f"starts {_from(now, estimate.start_from, estimate.start_until)}")
    if estimate.finish_from is not None and estimate.finish_until is not None:
        parts.append(f"done {_from(now, estimate.finish_from, estimate.finish_until)}")
    return ", ".join(parts)


def kept(job: JobView) -> Kept | None:
    """What had been promised beside what happened, of a job that has started; None if nothing had been promised."""
    told = job.promised
    if told is None or job.started_at is None:
        return None
    start = _compared("start", "started", told.start_from, told.start_until, job.started_at)
    if job.finished_at is None or told.finish_from is None or told.finish_until is None or job.attempt != 1:
        return Kept(start, "")
    return Kept(start, _compared("end", "ended", told.finish_from, told.finish_until, job.finished_at))


def _compared(verb: str, did: str, low: datetime, high: datetime, came: datetime) -> str:
    judged = "as told" if low <= came <= high else "earlier than told" if came < low else "later than told"
    return f"It was to {verb} between {_clock(low)} and {_clock(high)}; it {did} at {_clock(came)}, {judged}."


def _from(now: datetime, low: datetime, high: datetime) -> str:
    return span((low - now).total_seconds(), (high - now).total_seconds())


def _clock(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%H:%M:%S}"


def _length(seconds: float) -> str:
    size, unit = next((each for each in UNITS if seconds >= FINE * each[0]), UNITS[-1])
    return f"{math.ceil(seconds / size)} {unit}"
