"""What people do to schedules, and how the ledger follows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from django.contrib.auth.models import Group
from django.db import transaction
from django_celery_beat.models import PeriodicTask

from jobs_app import wire
from jobs_app.core import audit
from jobs_app.core.schedules import standing, timings, waiting
from jobs_app.core.timing import Fire
from jobs_app.core.turns import Turns
from jobs_app.errors import InvalidRequest, NotFound
from jobs_app.models import Schedule, Tick
from jobs_app.models.guard import writing
from jobs_app.ticking import Gap, Missed, Overlap, Repeat

if TYPE_CHECKING:
    from django.contrib.auth.models import User

TICKS = 1000
BATCH = 500
"""Schedules that one run makes or settles; the next goes on."""


@dataclass(frozen=True)
class Choices:
    """What a schedule's author chooses, beside what the periodic task holds. See ``models.Schedule``."""

    missed: Missed = Missed.LATEST
    missed_cap: int = 100
    overlap: Overlap = Overlap.ALLOW
    gap: Gap = Gap.AFTER
    repeat: Repeat = Repeat.USUAL
    value: str = ""
    readers: tuple[Group, ...] = ()


def reconcile(*, now: datetime, seconds: float = math.inf) -> int:
    """Follow periodic tasks that were made, edited, enabled or disabled, however that was written, and kinds that
    vanished. Returns how many schedules changed.

    seconds: none is begun after so long; the next run goes on.
    """
    waiting.close()
    turns = Turns(BATCH, seconds)
    changed = _add_rows(now)
    for key in _changed():
        if not turns.take():
            break
        changed += _settle(key, now)
    return changed


def row_of(task: PeriodicTask, *, now: datetime) -> Schedule:
    """The row beside a periodic task that submits jobs; made if nobody has yet."""
    with writing():
        return Schedule.objects.get_or_create(periodic_task=task, defaults={"decided_until": now})[0]


def choose(task: PeriodicTask, choices: Choices, *, now: datetime) -> Schedule:
    """Keep what a schedule's author chose, once the periodic task is saved, and settle it at once."""
    with transaction.atomic():
        row_of(task, now=now)
        held = standing.held(task.pk)
        if held is None:
            raise NotFound("expected a schedule, got one that is not there any more")
        schedule: Schedule = held.weir_schedule
        for name in ("missed", "missed_cap", "overlap", "gap", "repeat", "value"):
            setattr(schedule, name, getattr(choices, name))
        with writing():
            schedule.save(update_fields=["missed", "missed_cap", "overlap", "gap", "repeat", "value"])
        schedule.readers.set(choices.readers)
        standing.settle(held, now=now)
    schedule.refresh_from_db()
    return schedule


def delete(task: PeriodicTask) -> None:
    """Delete a schedule with its ticks, a batch at a time first: there may be millions. Their jobs stay."""
    ticks = Tick.objects.filter(schedule=task.pk).values_list("pk", flat=True)
    while ids := list(ticks[:TICKS]):
        with writing():
            Tick.objects.filter(pk__in=ids).delete()
    task.delete()


def pause(schedule: Schedule, *, actor: User | None, now: datetime) -> None:
    """Stop a schedule; a tick that waits is left out. Pausing twice is no error. Raises NotAllowed, NotFound."""
    _switch(schedule, actor, now, enabled=False)


def resume(schedule: Schedule, *, actor: User | None, now: datetime) -> None:
    """Let a schedule tick from now on; what was due before does not fire. Raises NotAllowed, NotFound."""
    _switch(schedule, actor, now, enabled=True)


def upcoming(schedule: Schedule, *, count: int, now: datetime) -> list[Fire]:
    """The next times after now, fewer if it ends; of a paused schedule, what they would be. None if it cannot tick."""
    task = PeriodicTask.objects.select_related("interval", "crontab", "clocked", "solar").get(pk=schedule.pk)
    try:
        timing = timings.of(task, schedule)
        return list(islice(timing.after(now), min(count, 1) if timing.once else count))
    except InvalidRequest:
        return []


def _switch(schedule: Schedule, actor: User | None, now: datetime, *, enabled: bool) -> None:
    action, subject = f"schedule.{'resume' if enabled else 'pause'}", f"schedule {schedule.name}"
    with audit.refusals(actor, action, subject, now=now), transaction.atomic():
        standing.allow(actor)
        task = standing.held(schedule.pk)
        if task is None:
            raise NotFound("expected a schedule, got one that is not there any more")
        if task.enabled != enabled:
            task.enabled = enabled
            audit.record(actor, action, subject, now=now, before={"enabled": not enabled}, after={"enabled": enabled})
            PeriodicTask.objects.filter(pk=task.pk).update(enabled=enabled, date_changed=now)
            standing.settle(task, now=now)


def _add_rows(now: datetime) -> int:
    """Rows for new periodic tasks; they are settled like edited ones, and count from now on."""
    keys = PeriodicTask.objects.filter(task=wire.SUBMIT, weir_schedule=None).values_list("pk", flat=True)[:BATCH]
    rows = [Schedule(periodic_task_id=key, decided_until=now) for key in keys]
    if rows:
        with writing():
            Schedule.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def _changed() -> Iterable[int]:
    """The keys of schedules whose digests do not fit any more."""
    known = ("pk", "weir_schedule__timing_digest", "weir_schedule__work_digest")
    rows = PeriodicTask.objects.filter(task=wire.SUBMIT, weir_schedule__isnull=False)
    cut = len(known) + len(standing.TIMING)
    for row in rows.values_list(*known, *standing.TIMING, *standing.WORK):
        if row[1:3] != standing.digest(row[3:cut], row[cut:]):
            yield row[0]


def _settle(key: int, now: datetime) -> int:
    with transaction.atomic():
        task = standing.held(key, skip_locked=True)
        if task is None or not standing.edited(task):
            return 0
        standing.settle(task, now=now)
    return 1
