"""Ticks: what is due is decided, one schedule and one short transaction at a time.

A tick whose queue is full is left undecided, and tried again after a few seconds. When there is room at last, the
policy for missed ticks says what becomes of those that came due meanwhile. The same for a schedule that was broken.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import DatabaseError, InterfaceError, connection, transaction
from django_celery_beat.models import PeriodicTask

from jobs_app.core import access, audit
from jobs_app.core.schedules import standing, submitting, timings, verdicts, waiting, work
from jobs_app.core.schedules.submitting import Progress
from jobs_app.core.schedules.timings import MOMENT
from jobs_app.core.schedules.verdicts import Policy
from jobs_app.core.turns import Turns
from jobs_app.errors import NotFound
from jobs_app.models import Schedule, Tick
from jobs_app.models.guard import writing
from jobs_app.ticking import Missed, Overlap, TickOutcome

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

MOST = 500
"""Schedules that one run looks at."""

AGAIN = timedelta(seconds=1)
UNEXPECTED = "it failed in an unexpected way, and is tried again; beat's log tells more"


class Overtaken(Exception):
    """Another beat has decided the ticks at hand."""


def run_due(*, now: datetime, seconds: float = math.inf) -> Counter[str]:
    """Decide what is due. Returns how many ticks came to which outcome (``TickOutcome``).

    seconds: no schedule is begun after so long; the next run goes on there.
    Raises what a database raises that is away. Anything else that goes wrong with a schedule puts off that one alone.
    """
    turns, done = Turns(MOST, seconds), Counter[str]()
    due = Schedule.objects.filter(look_at__lte=now).order_by("look_at").values_list("pk", flat=True)
    for act, keys in ((waiting.let_go, waiting.ready()), (_decide, list(due[:MOST]))):
        for key in keys:
            if not turns.take():
                return done
            done.update(_alone(act, key, now))
    return done


def run_now(schedule: Schedule, *, actor: User | None, now: datetime) -> Tick:
    """One tick out of turn, whatever the policies say, also of a schedule that is paused; its job is ``tick.job``.

    Raises NotAllowed, NotFound, and what ``submission.accept`` raises.
    """
    subject = f"schedule {schedule.name}"
    with audit.refusals(actor, "schedule.run", subject, now=now), transaction.atomic():
        standing.allow(actor)
        task = standing.held(schedule.pk)
        if task is None:
            raise NotFound("expected a schedule, got one that is not there any more")
        # The job is the system's, but it is this user who has it made.
        access.check_submit(actor, work.of(task).kind, now=now)
        # Times of timings are whole seconds; this one is never taken for a tick that is due.
        due_at = now if now.microsecond else now + MOMENT
        while Tick.objects.filter(schedule=schedule, due_at=due_at).exists():
            due_at += MOMENT
        reason = f"asked for by {actor.get_username()}" if actor else "asked for"
        tick = Tick(schedule=task.weir_schedule, due_at=due_at, decided_at=now, reason=reason, out_of_turn=True)
        tick.job = work.submit(schedule.pk, work.of(task), due_at=due_at, now=now).job
        tick.outcome, tick.job_open = TickOutcome.SUBMITTED, True
        submitting.note_run(task, 1, now=now)
        with writing():
            tick.save(force_insert=True)
        audit.record(actor, "schedule.run", subject, now=now, after={"job": tick.job.id})
    return tick


def _alone(act: Callable[[int, datetime], Counter[str]], key: int, now: datetime) -> Counter[str]:
    """Deal with one schedule so that its failure is not that of others."""
    try:
        return act(key, now)
    except Overtaken:
        return Counter()
    except (DatabaseError, InterfaceError) as error:
        if not connection.is_usable():
            raise
        logger.warning("Schedule %s was not looked at, and will be: %s", key, error)
        put_off = AGAIN
    except Exception:
        logger.exception("Schedule %s: %s", key, UNEXPECTED)
        put_off = standing.RECHECK
    with writing():
        Schedule.objects.filter(pk=key).update(look_at=now + put_off, held_up=UNEXPECTED)
    return Counter()


def _decide(key: int, now: datetime) -> Counter[str]:
    """Decide the ticks of one schedule that are due, in one transaction."""
    with transaction.atomic():
        task = standing.held(key, skip_locked=True)
        if task is None or task.weir_schedule.look_at is None or task.weir_schedule.look_at > now:
            return Counter()
        schedule: Schedule = task.weir_schedule
        if standing.stale(task):
            standing.settle(task, now=now)
            return Counter()
        policy = Policy(Missed(schedule.missed), schedule.missed_cap, Overlap(schedule.overlap), task.one_off)
        span = timings.of(task, schedule).span(schedule.decided_until, now, most=policy.most)
        scene = waiting.scene(schedule, policy)
        judged = verdicts.judge(span.fires, earlier=span.earlier, policy=policy, scene=scene, now=now)
        made = submitting.carry_out(task, judged, now=now)
        submitting.keep(task, made.ticks, now=now)
        _move_on(task, made, span.following, now)
    return Counter(str(each.outcome) for each in made.ticks)


def _move_on(task: PeriodicTask, made: Progress, following: datetime | None, now: datetime) -> None:
    """Write how far the schedule is decided. Raises Overtaken."""
    schedule: Schedule = task.weir_schedule
    until = now
    if made.left is not None:
        until, following = max(schedule.decided_until, made.left - MOMENT), made.left
    elif following is None or (task.one_off and made.submitted):
        PeriodicTask.objects.filter(pk=task.pk).update(enabled=False)
        following = None
    if not standing.write(
        schedule, decided_until=until, next_due_at=following, look_at=made.look_at or following,
        held_up=made.held_up, broken=made.broken,
    ):  # fmt: skip
        raise Overtaken
