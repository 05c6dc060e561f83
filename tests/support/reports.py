"""Schedules, and ticks that were decided: rows as beat would have left them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from jobs_app import wire
from jobs_app.core import claims, outcomes, submission
from jobs_app.core.schedules import changes
from jobs_app.lifecycle import State, Via
from jobs_app.models import Job, Schedule, Tick
from jobs_app.models.guard import writing
from jobs_app.policies import NO_RETRY
from jobs_app.ticking import TickOutcome

HOUR = timedelta(hours=1)
ECHO = ("system.echo", {"text": "hello"})


def scheduled(
    name: str = "hourly",
    kind: str = ECHO[0],
    parameters: dict[str, Any] | None = None,
    *,
    now: datetime,
    crontab: dict[str, str] | None = None,
    readers: Iterable[Group] = (),
    enabled: bool = True,
    description: str = "",
    **choices: Any,
) -> Schedule:
    """A schedule, by the hour or by a crontab, as beat has seen it at ``now``."""
    timing: dict[str, Any] = {"interval": IntervalSchedule.objects.get_or_create(every=1, period="hours")[0]}
    if crontab is not None:
        timing = {"crontab": CrontabSchedule.objects.get_or_create(**crontab)[0]}
    given = {"schedule": name, "kind": kind, "parameters": dict(ECHO[1]) if parameters is None else parameters}
    task = PeriodicTask.objects.create(
        name=name, task=wire.SUBMIT, kwargs=json.dumps(given), enabled=enabled, description=description,
        start_time=now - 100 * HOUR if crontab is None else None, **timing,
    )  # fmt: skip
    PeriodicTask.objects.filter(pk=task.pk).update(date_changed=now - 100 * HOUR)
    changes.choose(task, changes.Choices(readers=tuple(readers), **choices), now=now)
    return row(name)


def row(name: str) -> Schedule:
    """The row as it is now."""
    return Schedule.objects.select_related("periodic_task").get(periodic_task__name=name)


def altered(schedule: Schedule, **columns: Any) -> Schedule:
    """The schedule with columns written as given, as if that had happened."""
    with writing():
        assert Schedule.objects.filter(pk=schedule.pk).update(**columns) == 1
    return row(schedule.name)


def ticked(
    schedule: Schedule,
    due_at: datetime,
    result: Any = None,
    *,
    state: State | None = State.SUCCEEDED,
    outcome: TickOutcome = TickOutcome.SUBMITTED,
    lasted: timedelta = timedelta(seconds=2),
    **columns: Any,
) -> Tick:
    """A tick and its job in that state, begun half a second late and ended ``lasted`` after; no job without a state."""
    job = _job(schedule, due_at, result, state, lasted) if state is not None else None
    with writing():
        return Tick.objects.create(
            schedule=schedule, due_at=due_at, decided_at=due_at, outcome=outcome, job=job, **columns
        )


def _job(schedule: Schedule, due_at: datetime, result: Any, state: State, lasted: timedelta) -> Job:
    options = submission.Options(via=Via.SCHEDULE)
    job = submission.accept(*ECHO, owner=None, options=options, now=due_at).job
    if state is State.QUEUED:
        return job
    (job,) = claims.claim([job.id], holder="worker@test/1/message", now=due_at + timedelta(seconds=0.5))
    if state is State.SUCCEEDED:
        assert outcomes.succeed(job, result, len(json.dumps(result)), now=due_at + lasted)
    elif state is State.FAILED:
        failure = outcomes.Failure("bob's secret reason", "ValueError", "")
        assert outcomes.fail(job, failure, ValueError("broken"), NO_RETRY, now=due_at + lasted)
    else:
        assert state is State.RUNNING
    return Job.objects.get(id=job.id)


def operator(user: User) -> User:
    """The user, with what it takes to change schedules."""
    names = ("see_all_jobs", "act_on_all_jobs", "change_periodictask")
    user.user_permissions.add(*Permission.objects.filter(codename__in=names))
    return User.objects.get(pk=user.pk)


def member(user: User, name: str = "readers") -> Group:
    """A group in which the user is."""
    group, _ = Group.objects.get_or_create(name=name)
    user.groups.add(group)
    return group
