"""Schedules under fire: what is scheduled while processes are killed, and whether what came of it is what was promised.

What was due is counted here by arithmetic of its own, from the times of the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from jobs_app import wire
from jobs_app.core.schedules import changes
from jobs_app.core.schedules.verdicts import ON_TIME
from jobs_app.models import Job, Schedule, Tick
from jobs_app.ticking import Missed, Overlap
from tests.support.schedules import scheduled

SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Plan:
    """One schedule of the run; ``every`` is in seconds, and a crontab of each minute for 60."""

    name: str
    every: int
    missed: Missed = Missed.ALL
    overlap: Overlap = Overlap.ALLOW
    kind: str = "probe.nothing"
    parameters: dict[str, Any] = field(default_factory=dict)


LASTING = {"kind": "probe.slow", "parameters": {"seconds": 2.5, "steps": 5}}
PLANS = (
    Plan("each second, all", 1),
    Plan("each second, latest", 1, Missed.LATEST),
    Plan("each second, skip", 1, Missed.SKIP),
    Plan("each third second, all", 3),
    Plan("each minute, all", 60),
    Plan("each second, one at a time", 1, overlap=Overlap.SKIP, **LASTING),
    Plan("each second, one waits", 1, overlap=Overlap.QUEUE_ONE, **LASTING),
)


def make(now: datetime) -> dict[int, Plan]:
    """Make the schedules; they tick from ``now`` on. Returns their plans by key."""
    made = {}
    for plan in PLANS:
        timing: dict[str, Any] = {"crontab": "* * * * *"} if plan.every == 60 else {"every": plan.every}
        row = scheduled(
            plan.name, now=now, missed=plan.missed, missed_cap=1000, overlap=plan.overlap, kind=plan.kind,
            parameters=plan.parameters, **timing,
        )  # fmt: skip
        made[row.pk] = plan
    return made


def crowd(count: int, begin: datetime) -> None:
    """So many schedules of each day, of every hour and zone, past all of Weir's functions; none is due before."""
    zones = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
    crontabs = [
        CrontabSchedule.objects.create(minute=str(begin.minute), hour=str(hour), timezone=zone)
        for hour in range(24)
        for zone in zones
    ]
    daily = IntervalSchedule.objects.create(every=1, period="days")
    rows = []
    for number in range(count):
        timing = {"interval": daily} if number % 5 == 0 else {"crontab": crontabs[number % len(crontabs)]}
        kwargs = '{"kind": "probe.nothing", "parameters": {}}'
        rows.append(PeriodicTask(name=f"number {number}", task=wire.SUBMIT, kwargs=kwargs, start_time=begin, **timing))
    PeriodicTask.objects.bulk_create(rows, batch_size=500)


def postpone(key: int, begin: datetime) -> None:
    """An edit that sends no signal."""
    PeriodicTask.objects.filter(pk=key).update(start_time=begin)


def end(now: datetime) -> None:
    """Have nothing tick any more."""
    for row in Schedule.objects.select_related("periodic_task"):
        changes.pause(row, actor=None, now=now)


def faults(plans: dict[int, Plan], begun: datetime, until: datetime) -> Iterator[str]:
    """What is not as it was promised, in words; to be asked once every job has ended.

    until: when they still ticked, and everything that was due by then had been decided.
    """
    jobs = list(Job.objects.filter(via="schedule").order_by("id"))
    keys = Counter(job.idempotency_key for job in jobs)
    yield from (f"{key} has {number} jobs" for key, number in keys.items() if number > 1)
    noted = Tick.objects.exclude(job=None).values_list("job_id", flat=True)
    if sorted(noted) != sorted(job.id for job in jobs):
        yield f"{len(jobs)} jobs, and {len(noted)} ticks that have one"
    yield from (f"job {job.id} has {job.state}" for job in jobs if job.state != "succeeded")
    for key, plan in plans.items():
        for words in _faults_of(Schedule.objects.get(pk=key), plan, begun, until):
            yield f"{plan.name}: {words}"


def _faults_of(schedule: Schedule, plan: Plan, begun: datetime, until: datetime) -> Iterator[str]:
    ticks = list(Tick.objects.filter(schedule=schedule).order_by("due_at").select_related("job"))
    expected = _due(plan.every, begun, max([until, *(tick.due_at for tick in ticks)]))
    found = [tick.due_at for tick in ticks]
    if found != expected:
        gone, strange = sorted({*expected} - {*found}), sorted({*found} - {*expected})
        yield f"of {len(expected)} due times {len(gone)} have no tick, {len(strange)} ticks were not due: {gone[:3]}"
    early = [tick for tick in ticks if tick.job and tick.job.created_at < tick.due_at]
    yield from (f"the job of {tick.due_at} was made before it was due" for tick in early)
    outcomes = Counter(tick.outcome for tick in ticks)
    if plan.overlap is Overlap.ALLOW:
        allowed = {"submitted"} if plan.missed is Missed.ALL else {"submitted", "missed"}
    else:
        allowed = {"submitted", "overlapped"}
        # One may have waited when the schedule was paused in the end.
        outcomes["missed"] -= any(tick.reason.startswith("waited when") for tick in ticks)
        yield from _overlaps(ticks)
    if (+outcomes).keys() - allowed:
        yield f"expected ticks to be {sorted(allowed)}, got {dict(outcomes)}"
    if expected and not outcomes["submitted"]:
        yield "nothing was submitted"
    yield from _wrongly_missed(ticks, plan)
    if PeriodicTask.objects.get(pk=schedule.pk).total_run_count != outcomes["submitted"]:
        yield "the count of its runs is wrong"


def _due(every: int, begun: datetime, last: datetime) -> list[datetime]:
    """Every multiple of so many seconds since 1970 after ``begun``, up to ``last``."""
    first = int(begun.timestamp()) // every + 1
    return [datetime.fromtimestamp(each * every, UTC) for each in range(first, int(last.timestamp()) // every + 1)]


def _overlaps(ticks: list[Tick]) -> Iterator[str]:
    """Jobs that were made before the one before had ended. A job's id holds the moment at which it was made."""
    jobs = sorted((tick.job for tick in ticks if tick.job), key=lambda job: job.id)
    for before, after in pairwise(jobs):
        made = datetime.fromtimestamp((after.id.int >> 80) / 1000, UTC)
        if before.finished_at is None or before.finished_at > made + timedelta(milliseconds=1):
            yield f"job {after.id} was made while {before.id} ran"


def _wrongly_missed(ticks: list[Tick], plan: Plan) -> Iterator[str]:
    if plan.overlap is not Overlap.ALLOW:
        return
    newest = {tick.decided_at: tick.due_at for tick in ticks}
    for tick in ticks:
        late = tick.lateness > ON_TIME
        if tick.outcome == "missed" and not late:
            yield f"the tick of {tick.due_at} was left out, only {tick.lateness} late"
        if tick.outcome == "submitted" and late and plan.missed is Missed.SKIP:
            yield f"the tick of {tick.due_at} was made up for, {tick.lateness} late"
        latest = newest[tick.decided_at] == tick.due_at
        if tick.outcome == "submitted" and late and plan.missed is Missed.LATEST and not latest:
            yield f"the tick of {tick.due_at} was made up for, and it was not the latest"
