"""The capacity planner: what so many worker slots lead to, from figures that were measured or typed in."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import Field

from jobs_app import queueing
from jobs_app.errors import InvalidRequest
from jobs_app.models import Flow
from jobs_app.queueing import Load
from jobs_app.reads import doubts, queues
from jobs_app.reads.views import View

BELOW, ABOVE = 2, 8
"""The table goes from so many slots fewer to so many more."""

LOOKED_BACK = timedelta(minutes=10)
QUEUES = 200
SOURCES = (
    "A. K. Erlang, Solution of some problems in the theory of probabilities of significance in automatic telephone "
    "exchanges, Elektroteknikeren 13, 1917",
    "L. Kleinrock, Queueing Systems, volume 1: Theory, Wiley 1975, chapter 3",
    "J. D. C. Little, A proof for the queuing formula L = λW, Operations Research 9 (3), 1961",
    "A. M. Lee and P. A. Longton, Queueing processes associated with airline passenger check-in, Operational Research "
    "Quarterly 10, 1959; A. O. Allen, Probability, Statistics, and Queueing Theory, Academic Press 1990, chapter 5",
)


class Source(StrEnum):
    """Where a figure came from."""

    TYPED = "typed"
    MEASURED = "measured"
    ASSUMED = "assumed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Question:
    """What was typed in; None, or an empty name, for what was not. Rates are in jobs a second, times in seconds."""

    queue: str = ""
    arrival_rate: float | None = None
    service_seconds: float | None = None
    service_deviation: float | None = None
    slots: int | None = None
    target_seconds: float | None = None
    backlog: int | None = None


class PlannerInput(View):
    """One figure and where it came from."""

    value: int | float | None
    source: Source


class PlannerInputs(View):
    """The figures a plan rests on. Rates are in jobs a second, times in seconds."""

    arrival_rate: PlannerInput
    service_seconds: PlannerInput = Field(description="The mean time that an attempt takes.")
    service_deviation: PlannerInput = Field(description="Its standard deviation; unknown: exponential times are taken.")
    slots: PlannerInput = Field(description="Jobs that run at once.")
    target_seconds: PlannerInput = Field(description="What 95 of 100 jobs are to wait at most.")
    backlog: PlannerInput = Field(description="Jobs that wait now.")

    @property
    def missing(self) -> list[str]:
        """The names of figures without which nothing can be told."""
        return [name for name in ("arrival_rate", "service_seconds", "slots") if getattr(self, name).value is None]


class SlotsView(View):
    """What a number of slots gives. Waits in seconds, from due to started; null: it grows without bound."""

    slots: int
    keeps_up: bool = Field(description="Whether jobs are done as fast as they come.")
    utilisation: float = Field(description="The part of its time that a slot is busy; above 1, jobs in excess of them.")
    waiting_probability: float
    wait_mean: float | None
    wait_p50: float | None
    wait_p95: float | None
    queue_length: float | None = Field(description="Jobs that wait, in mean.")
    drain_seconds: float | None = Field(description="Until the backlog is gone while jobs go on arriving; null: never.")


class PlanView(View):
    """A plan: what the slots give, how many a target takes, and what speaks against believing it."""

    queue: str | None
    inputs: PlannerInputs
    forecast: SlotsView
    slots_to_keep_up: int | None = Field(
        description="The fewest with which the queue does not grow; null: over 100,000."
    )
    slots_for_target: int | None = Field(
        description="The fewest that meet the target; null: no target, or over 100,000."
    )
    table: list[SlotsView] = Field(description="What two slots fewer to eight more give.")
    warnings: list[str] = Field(description="Where the assumptions of the formulas do not hold.")
    sources: list[str]


@dataclass(frozen=True)
class Known:
    """The figures for a plan, and what only measuring tells of them."""

    queue: str
    inputs: PlannerInputs
    samples: int | None
    dispersion: float | None


def queue_names() -> list[str]:
    """The queues that can be asked about, at most 200."""
    return queues.names()[:QUEUES]


def gather(question: Question, *, now: datetime) -> Known:
    """What was typed, and for the rest what was measured of the queue. Raises InvalidRequest for an unknown queue."""
    if question.queue and question.queue not in (names := queue_names()):
        raise InvalidRequest(f"expected a queue ({', '.join(names)[:500]}), got {question.queue[:100]!r}")
    measured = _measured(question.queue, now=now) if question.queue else {}
    given: dict[str, PlannerInput] = {}
    for name in (each.name for each in fields(Question) if each.name != "queue"):
        typed, found = getattr(question, name), measured.get(name)
        if name == "service_deviation" and question.service_seconds is not None:
            found = None  # it belongs to the measured mean
        source = Source.TYPED if typed is not None else Source.MEASURED if found is not None else Source.UNKNOWN
        given[name] = PlannerInput(value=found if typed is None else typed, source=source)
    if given["backlog"].value is None:
        given["backlog"] = PlannerInput(value=0, source=Source.ASSUMED)
    inputs = PlannerInputs(**given)
    rests = Source.MEASURED in (inputs.arrival_rate.source, inputs.service_seconds.source)
    bursts = _dispersion(question.queue, now=now) if inputs.arrival_rate.source is Source.MEASURED else None
    return Known(question.queue, inputs, measured.get("samples") if rests else None, bursts)


def plan(known: Known) -> PlanView:
    """The plan. Raises InvalidRequest for figures that are missing or out of bounds."""
    inputs = known.inputs
    if inputs.missing:
        where = f"none was measured of {known.queue!r}" if known.queue else "no queue was named to take measures of"
        raise InvalidRequest(f"expected {', '.join(inputs.missing)}, got none, and {where}; give {inputs.missing[0]}=…")
    rate, service, slots = inputs.arrival_rate.value, inputs.service_seconds.value, inputs.slots.value
    assert rate is not None and service is not None and slots is not None  # noqa: PT018 - for the types
    load = Load(rate, service, int(slots), inputs.service_deviation.value)
    target, backlog = inputs.target_seconds.value, int(inputs.backlog.value or 0)
    least, most = max(load.slots - BELOW, 1), min(load.slots + ABOVE, queueing.SLOTS)
    table = [_view(each, load, backlog) for each in queueing.forecasts(load, least, most)]
    enough = math.floor(load.offered) + 1
    return PlanView(
        queue=known.queue or None,
        inputs=inputs,
        forecast=table[load.slots - least],
        slots_to_keep_up=enough if enough <= queueing.SLOTS else None,
        slots_for_target=None if target is None else queueing.slots_for(load, target),
        table=table,
        warnings=doubts.warnings(load, dispersion=known.dispersion, samples=known.samples),
        sources=list(SOURCES),
    )


def _view(told: queueing.Forecast, load: Load, backlog: int) -> SlotsView:
    with_these = Load(load.arrival_rate, load.service_seconds, told.slots)
    drained = queueing.drain_seconds(with_these, backlog)
    return SlotsView(keeps_up=told.wait_mean is not None, drain_seconds=drained, **vars(told))


def _measured(queue: str, *, now: datetime) -> dict[str, Any]:
    """What was measured, by the names of ``Question``; nothing measured is None or left out."""
    found = queues.measured(queue, now=now)
    service = None if found.service_seconds is None else max(found.service_seconds, queueing.SECONDS_LEAST)
    return {**vars(found), "service_seconds": service, "slots": found.slots or None}


def _dispersion(queue: str, *, now: datetime) -> float | None:
    rows = Flow.objects.filter(queue=queue, ended_at__gt=now - LOOKED_BACK, ended_at__lte=now)
    told = rows.values_list("started_at", "ended_at", "arrived")
    return doubts.dispersion([((ended - started).total_seconds(), arrived) for started, ended, arrived in told])
