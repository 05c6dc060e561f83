"""What a schedule's policies, fires and ticks mean, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from jobs_app.reads.schedule_views import FireView, PolicyView, ScheduleView, TickView
from jobs_app.ticking import Gap, Missed, Overlap, Repeat, TickOutcome
from jobs_app.web import words

MISSED = {
    Missed.SKIP: "are left out",
    Missed.LATEST: "the last of them is made up for",
    Missed.ALL: "all of them are made up for, at most {}",
}
OVERLAP = {
    Overlap.ALLOW: "it submits its job all the same",
    Overlap.SKIP: "the tick is left out",
    Overlap.QUEUE_ONE: "one tick waits, further ones are left out",
}
GAP = {Gap.AFTER: "due when the clocks have changed", Gap.SKIP: "left out"}
REPEAT = {
    Repeat.USUAL: "due both times if it comes every hour, else the first time",
    Repeat.FIRST: "due the first time",
    Repeat.BOTH: "due both times",
}

OUTCOMES = {
    TickOutcome.SUBMITTED: "submitted",
    TickOutcome.MISSED: "missed",
    TickOutcome.OVERLAPPED: "left out",
    TickOutcome.WAITING: "waits",
    TickOutcome.REFUSED: "refused",
}

PROMPT = 1.0
"""Seconds; a shorter lateness is none."""


@dataclass(frozen=True)
class Fire:
    """A fire as a row: its local time, beside the one that its crontab names."""

    at: datetime
    named: str
    day: str
    time: str
    zone: str
    odd: str
    left_out: bool


@dataclass(frozen=True)
class Tick:
    """A tick as a row. ``late``: of its start, or else of its decision."""

    tick: TickView
    outcome: str
    late: str


def policy(of: PolicyView, *, local: bool) -> list[tuple[str, str]]:
    """The policies, each with its heading; those for odd nights only of times that are ``local``."""
    told = [
        ("Ticks that were missed", MISSED[of.missed].format(f"{of.missed_cap:,}")),
        ("While the job before has not ended", OVERLAP[of.overlap]),
    ]
    if local:
        told += [("A time that clocks skip", GAP[of.gap]), ("A time that comes twice", REPEAT[of.repeat])]
    return told


def fire(of: FireView) -> Fire:
    """With the weekday: it tells at a glance whether a crontab is right."""
    local = of.local
    return Fire(
        at=of.at,
        named=of.named,
        day=f"{local:%a} {local.day} {local:%b %Y}",
        time=f"{local:%H:%M:%S}".removesuffix(":00"),
        zone=local.tzname() or "",
        odd=of.odd,
        left_out=of.left_out,
    )


def tick(of: TickView) -> Tick:
    """``late`` is empty for what was in time."""
    if of.started_late is not None:
        late = f"started {words.length(of.started_late)} late" if of.started_late >= PROMPT else "in time"
    else:
        late = f"decided {words.length(of.decided_late)} late" if of.decided_late >= PROMPT else ""
    return Tick(of, OUTCOMES[of.outcome], "" if of.out_of_turn and of.started_late is None else late)


def looks(of: ScheduleView) -> str:
    """Colours a schedule that needs somebody: broken, put off, paused, or as it should be."""
    return "broken" if of.broken else "held" if of.held_up else "paused" if of.paused else "ticking"
