"""Waiting: ticks that wait until a job of before has ended (``Overlap.QUEUE_ONE``), and what is known of these jobs."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef

from jobs_app.core import queries
from jobs_app.core.schedules import standing, submitting, verdicts, work
from jobs_app.core.schedules.verdicts import Policy, Scene
from jobs_app.errors import Refused, WeirError
from jobs_app.lifecycle import UNFINISHED
from jobs_app.models import Schedule, Tick
from jobs_app.models.guard import writing
from jobs_app.ticking import Overlap, TickOutcome

MOST = 50
"""Ticks that one run lets go."""

CLOSED = 1000
"""Ticks that one run notes the end of."""


def scene(schedule: Schedule, policy: Policy) -> Scene:
    """How things stand for the next tick of a schedule."""
    if policy.overlap is Overlap.ALLOW or policy.once:
        return Scene()
    waits = Tick.objects.filter(schedule=schedule, outcome=TickOutcome.WAITING).exists()
    return Scene(busy=waits or busy(schedule), waiting=waits)


def busy(schedule: Schedule) -> bool:
    """Whether a job of a schedule has not ended."""
    return Tick.objects.filter(schedule=schedule, job_open=True, job__state__in=UNFINISHED).exists()


def ready() -> list[int]:
    """The keys of schedules of which a tick need wait no longer."""
    unended = Tick.objects.filter(schedule=OuterRef("schedule"), job_open=True, job__state__in=UNFINISHED)
    waiting = Tick.objects.filter(
        ~Exists(unended), outcome=TickOutcome.WAITING, schedule__periodic_task__enabled=True, schedule__broken=""
    )
    return list(waiting.values_list("schedule_id", flat=True)[:MOST])


def let_go(key: int, now: datetime) -> Counter[str]:
    """Submit the job of a schedule's tick that waited. A full queue makes it wait on."""
    with transaction.atomic():
        task = standing.held(key, skip_locked=True)
        tick = Tick.objects.filter(schedule=key, outcome=TickOutcome.WAITING).first()
        if task is None or tick is None or standing.stale(task) or busy(task.weir_schedule):
            return Counter()
        try:
            submitting.submit(tick, work.of(task), now=now)
        except Refused:
            return Counter()
        except WeirError as error:
            tick.outcome, tick.reason = TickOutcome.REFUSED, str(error)
        if tick.outcome == TickOutcome.SUBMITTED:
            tick.reason = f"waited {verdicts.in_words(now - tick.decided_at)} for a job of before"
            submitting.note_run(task, 1, now=now)
        with writing():
            tick.save(force_update=True)
    return Counter([str(tick.outcome)])


def close() -> int:
    """Note of ticks whose job has ended since somebody looked that it has. Returns of how many."""
    ended = Tick.objects.filter(job_open=True).exclude(job__state__in=UNFINISHED).only("pk")
    if not ended.exists():
        return 0
    with transaction.atomic():
        ids = [each.pk for each in queries.locked(ended, skip_locked=True)[:CLOSED]]
        if ids:
            with writing():
                Tick.objects.filter(pk__in=ids).update(job_open=False)
    return len(ids)
