"""Where a schedule stands: until when its ticks are decided, when it is due next, and why it may be broken.

Digests of what it was computed from are kept with it. Whoever finds that they no longer fit settles the schedule anew,
so an edit is noticed whichever way it was written, and no tick is decided by a timing that nobody has looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django_celery_beat.models import PeriodicTask

from jobs_app import registry, wire
from jobs_app.core import queries
from jobs_app.core.schedules import timings, work
from jobs_app.errors import NotAllowed, UnknownKind, WeirError
from jobs_app.models import Schedule, Tick
from jobs_app.models.guard import writing
from jobs_app.models.job import ACT_ON_ALL, SEE_ALL
from jobs_app.ticking import TickOutcome

if TYPE_CHECKING:
    from django.contrib.auth.models import User

CHANGE = "django_celery_beat.change_periodictask"
RECHECK = timedelta(minutes=1)
"""How often a broken schedule is looked at: its kind, or a file that it takes, may be there again."""

OVER = "expected a time that is yet to come, got a schedule whose last one is past"

TIMING = (
    "enabled", "task", "start_time", "expires", "one_off", "interval__every", "interval__period", "crontab__minute",
    "crontab__hour", "crontab__day_of_week", "crontab__day_of_month", "crontab__month_of_year", "crontab__timezone",
    "clocked__clocked_time", "solar_id", "weir_schedule__gap", "weir_schedule__repeat",
)  # fmt: skip
"""The columns, from the periodic task's row, that say when a schedule is due."""

WORK = ("kwargs", "queue", "expire_seconds")


def allow(actor: User | None) -> None:
    """Raise NotAllowed for who may not act on schedules: their jobs are the system's, which may read every file."""
    if actor is not None and not actor.has_perms([CHANGE, SEE_ALL, ACT_ON_ALL]):
        raise NotAllowed("expected the permissions to change schedules and to see and act on all jobs")


def held(key: int, *, skip_locked: bool = False) -> PeriodicTask | None:
    """A periodic task with its schedule, locked until the transaction ends; None if it has none, or another has it."""
    rows = PeriodicTask.objects.select_related("interval", "crontab", "clocked", "solar").filter(pk=key)
    task = queries.locked(rows, skip_locked=skip_locked).first()
    schedule = Schedule.objects.filter(pk=key).first()
    if task is None or schedule is None:
        return None
    # Read after the lock was taken: what it says, holds.
    task.weir_schedule = schedule
    schedule.periodic_task = task
    return task


def write(schedule: Schedule, **changes: Any) -> bool:
    """Write columns, if nobody has decided ticks meanwhile. Returns whether that was so."""
    with writing():
        rows = Schedule.objects.filter(pk=schedule.pk, decided_until=schedule.decided_until)
        return bool(rows.update(**changes))


def settle(task: PeriodicTask, *, now: datetime) -> None:
    """Compute and write anew where a held schedule stands.

    What has another timing, or was enabled, or was mended by an edit, counts from now on: none of it fires by surprise.
    What was broken for another reason (its kind had vanished) goes on where it stopped, by its policy for missed ticks.
    """
    schedule: Schedule = task.weir_schedule
    timed, worked = digest_of(task)
    mended = bool(schedule.broken) and worked[:-1] != schedule.work_digest[:-1]
    anew = mended or timed != schedule.timing_digest
    until = max(now, schedule.decided_until) if anew else schedule.decided_until
    active = task.enabled and task.task == wire.SUBMIT
    following, broken = _next(task, until)
    if active:
        broken = broken or ("" if following else OVER)
    else:
        following = None
        _drop_waiting(schedule)
    look_at = now + RECHECK if active and broken else following
    write(
        schedule, timing_digest=timed, work_digest=worked, decided_until=until, broken=broken, held_up="",
        next_due_at=following, look_at=look_at,
    )  # fmt: skip


def stale(task: PeriodicTask) -> bool:
    """Whether a held schedule has to be settled before it ticks."""
    return bool(task.weir_schedule.broken) or edited(task)


def edited(task: PeriodicTask) -> bool:
    """Whether a held schedule is another than when it was settled last."""
    schedule: Schedule = task.weir_schedule
    return digest_of(task) != (schedule.timing_digest, schedule.work_digest)


def digest_of(task: PeriodicTask) -> tuple[str, str]:
    """The digests of timing and work, from the row with all that belongs to it."""
    return digest(_read(task, TIMING), _read(task, WORK))


def digest(timing: Iterable[Any], given: Iterable[Any]) -> tuple[str, str]:
    """The digests of timing and work, from the values of their columns.

    That of work ends in a sign of whether its kind is there, which is no edit.
    """
    kwargs, *others = given
    name = work.read_object(kwargs).get("kind")
    return _hash(timing), _hash((kwargs, *others)) + ("+" if _known(name) else "-")


def _hash(values: Iterable[Any]) -> str:
    plain = [each.astimezone(UTC).isoformat() if isinstance(each, datetime) else str(each) for each in values]
    return hashlib.blake2b(repr(plain).encode(), digest_size=16).hexdigest()


def _known(kind: object) -> bool:
    try:
        return isinstance(kind, str) and registry.get(kind).schedulable
    except UnknownKind:
        return False


def _read(task: PeriodicTask, columns: Iterable[str]) -> list[Any]:
    """The values of the columns, as a query of them would give."""
    found = []
    for path in columns:
        value: Any = task
        for name in path.split("__"):
            value = None if value is None else getattr(value, name)
        found.append(value)
    return found


def _next(task: PeriodicTask, until: datetime) -> tuple[datetime | None, str]:
    """When it is due next after ``until``, and why it cannot tick: empty if it can."""
    try:
        following = timings.first(timings.of(task, task.weir_schedule), until)
        work.check(work.of(task))
    except WeirError as error:
        return None, str(error)
    return following, ""


def _drop_waiting(schedule: Schedule) -> None:
    waiting = Tick.objects.filter(schedule=schedule, outcome=TickOutcome.WAITING)
    if waiting.exists():
        with writing():
            waiting.update(outcome=TickOutcome.MISSED, reason="waited when the schedule was paused")
