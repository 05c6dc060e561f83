"""Submitting: verdicts become ticks, and those that are to have a job get it, until something stands in the way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import F
from django_celery_beat.models import PeriodicTask

from jobs_app.core.schedules import standing, work
from jobs_app.core.schedules.verdicts import Verdict
from jobs_app.core.schedules.work import Work
from jobs_app.errors import InvalidParameters, InvalidRequest, Refused, UnknownKind, WeirError
from jobs_app.models import Tick
from jobs_app.models.guard import writing
from jobs_app.ticking import TickOutcome

SUBMISSIONS = 20
"""Jobs of one transaction; what a schedule has to make up for beyond is done in the next."""

LONGEST_PUT_OFF = timedelta(seconds=10)
"""A full queue is tried again after so long at the latest."""

BREAKING = (UnknownKind, InvalidParameters, InvalidRequest)
"""What is wrong with the schedule, and not with one tick."""


@dataclass
class Progress:
    """What came of the verdicts on one schedule. left: the first tick that is not decided; look_at: when to go on."""

    ticks: list[Tick] = field(default_factory=list)
    left: datetime | None = None
    look_at: datetime | None = None
    held_up: str = ""
    broken: str = ""

    @property
    def submitted(self) -> int:
        """How many ticks have their job."""
        return sum(each.outcome == TickOutcome.SUBMITTED for each in self.ticks)

    def stop(self, at: datetime, look_at: datetime) -> None:
        """Leave this tick and those after it undecided."""
        self.left, self.look_at = at, look_at


def carry_out(task: PeriodicTask, judged: Iterable[Verdict], *, now: datetime) -> Progress:
    """Make ticks of the verdicts, in the caller's transaction; they are not written yet."""
    made, given = Progress(), work.of(task)
    for verdict in judged:
        tick = Tick(schedule=task.weir_schedule, due_at=verdict.due_at, decided_at=now, reason=verdict.reason)
        tick.outcome = verdict.outcome
        if verdict.outcome is TickOutcome.SUBMITTED:
            if made.submitted == SUBMISSIONS:
                made.stop(verdict.due_at, now)
                break
            try:
                submit(tick, given, now=now)
            except Refused as full:
                made.stop(verdict.due_at, now + min(timedelta(seconds=full.retry_after), LONGEST_PUT_OFF))
                made.held_up = str(full)
                break
            except BREAKING as error:
                made.stop(verdict.due_at, now + standing.RECHECK)
                made.broken = str(error)
                break
        made.ticks.append(tick)
    return made


def submit(tick: Tick, given: Work, *, now: datetime) -> None:
    """Give a tick its job. Raises what concerns more than this tick: Refused, and what breaks the schedule."""
    try:
        accepted = work.submit(tick.schedule_id, given, due_at=tick.due_at, now=now)
    except (Refused, *BREAKING):
        raise
    except WeirError as error:
        tick.outcome, tick.reason = TickOutcome.REFUSED, str(error)
        return
    if accepted.replayed and accepted.job.idempotency_key != work.key(tick.schedule_id, tick.due_at):
        tick.outcome, tick.reason = TickOutcome.OVERLAPPED, f"job {accepted.job.id} is like it, and only one may be"
        return
    tick.outcome, tick.job, tick.job_open = TickOutcome.SUBMITTED, accepted.job, True


def keep(task: PeriodicTask, ticks: list[Tick], *, now: datetime) -> None:
    """Write new ticks, and note on the periodic task that it ran."""
    with writing():
        # None of them can be there: decided_until is past them. Should one be all the same, it is the truth.
        Tick.objects.bulk_create(ticks, ignore_conflicts=True)
    note_run(task, sum(each.outcome == TickOutcome.SUBMITTED for each in ticks), now=now)


def note_run(task: PeriodicTask, times: int, *, now: datetime) -> None:
    """Note on the periodic task that it ran; in these columns only, since people edit the others."""
    if times:
        PeriodicTask.objects.filter(pk=task.pk).update(last_run_at=now, total_run_count=F("total_run_count") + times)
