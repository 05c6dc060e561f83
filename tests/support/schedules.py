"""Schedules, made as the admin makes them, and what became of their ticks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask

from jobs_app import wire
from jobs_app.core.schedules import changes, ticks
from jobs_app.core.schedules.changes import Choices
from jobs_app.models import Schedule, Tick

CHOICES = frozenset(Choices.__dataclass_fields__)


def scheduled(
    name: str = "greeting", *, now: datetime, every: int = 0, crontab: str = "", zone: str = "UTC",
    at: datetime | None = None, kind: str = "probe.nothing", parameters: Mapping[str, Any] | None = None,
    **options: Any,
) -> Schedule:  # fmt: skip
    """A schedule that counts from ``now`` on. every: in seconds. crontab: minute, hour, day of month, month, week day.

    Other options are columns of the periodic task, or ``Choices``.
    """
    chosen = {key: options.pop(key) for key in CHOICES & options.keys()}
    task = PeriodicTask.objects.create(
        name=name, task=wire.SUBMIT, **_timing(every, crontab, zone, at),
        kwargs=json.dumps({"schedule": name, "kind": kind, "parameters": parameters or {}}), **options,
    )  # fmt: skip
    return changes.choose(task, Choices(**chosen), now=now)


def _timing(every: int, crontab: str, zone: str, at: datetime | None) -> dict[str, Any]:
    if every:
        return {"interval": IntervalSchedule.objects.get_or_create(every=every, period="seconds")[0]}
    if at:
        return {"clocked": ClockedSchedule.objects.create(clocked_time=at), "one_off": True}
    minute, hour, day, month, week = crontab.split()
    made = CrontabSchedule.objects.create(
        minute=minute, hour=hour, day_of_month=day, month_of_year=month, day_of_week=week, timezone=zone
    )
    return {"crontab": made}


def run(now: datetime) -> int:
    """Decide all that is due, in as many turns as it takes; returns how many."""
    for number in range(200):
        if not ticks.run_due(now=now):
            return number
    raise AssertionError("expected an end of what is due at one moment, got none")


def became(schedule: Schedule) -> list[tuple[str, str]]:
    """The ticks in order: when each was due, in UTC, and what became of it."""
    rows = Tick.objects.filter(schedule=schedule).order_by("due_at")
    return [(f"{row.due_at:%H:%M:%S}", row.outcome) for row in rows]


def submitted(schedule: Schedule) -> list[str]:
    """When the ticks were due that have a job."""
    return [due for due, outcome in became(schedule) if outcome == "submitted"]
