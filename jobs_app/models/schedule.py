"""Schedules as the ledger keeps them, and their ticks: what was due when, and what became of it."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q
from django_celery_beat.models import PeriodicTask

from jobs_app import lifecycle
from jobs_app.models.guard import Guarded, GuardedQuerySet
from jobs_app.models.job import Job
from jobs_app.ticking import Gap, Missed, Overlap, Repeat, TickOutcome

CAP_MOST = 1000
"""Ticks of one outage that a schedule may make up for, at most."""


class Schedule(Guarded):
    """What django-celery-beat's periodic task has no columns for: policies, and how far its ticks are decided.

    One row beside each periodic task that submits jobs (``wire.SUBMIT``). Name, timing, kind, parameters, queue and
    whether it is enabled are the periodic task's own.
    """

    # ``PeriodicTask.schedule`` is the package's own: when it is due, as Celery sees it.
    periodic_task = models.OneToOneField(
        PeriodicTask, primary_key=True, on_delete=models.CASCADE, related_name="weir_schedule"
    )
    missed = models.CharField(max_length=10, choices=lifecycle.choices(Missed), default=Missed.LATEST)
    missed_cap = models.PositiveIntegerField(default=100, help_text="Ticks made up for at most, where all are.")
    overlap = models.CharField(max_length=10, choices=lifecycle.choices(Overlap), default=Overlap.ALLOW)
    gap = models.CharField(max_length=10, choices=lifecycle.choices(Gap), default=Gap.AFTER)
    repeat = models.CharField(max_length=10, choices=lifecycle.choices(Repeat), default=Repeat.USUAL)
    value = models.CharField(
        max_length=200, blank=True, default="", help_text="JSON pointer into the result: what its report draws."
    )
    readers = models.ManyToManyField(
        Group, blank=True, related_name="readable_schedules", help_text="Whose members may read its report."
    )

    decided_until = models.DateTimeField(help_text="Every tick that was due by then has been decided.")
    next_due_at = models.DateTimeField(null=True, blank=True, help_text="The first tick that is not decided yet.")
    look_at = models.DateTimeField(null=True, blank=True, help_text="When beat is to look at it; never, if empty.")
    timing_digest = models.CharField(max_length=64, blank=True, help_text="Of the timing that these times follow.")
    work_digest = models.CharField(
        max_length=64, blank=True, help_text="Of the job that was found fit to be submitted."
    )
    broken = models.TextField(blank=True, help_text="Why it cannot tick; empty if it can.")
    held_up = models.TextField(blank=True, help_text="Why a tick that is due is put off; empty if none is.")

    objects = GuardedQuerySet["Schedule"].as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(name="schedule_cap_range", condition=Q(missed_cap__range=(1, CAP_MOST))),
            models.CheckConstraint(name="schedule_missed_known", condition=Q(missed__in=list(Missed))),
            models.CheckConstraint(name="schedule_overlap_known", condition=Q(overlap__in=list(Overlap))),
        ]
        indexes = [
            # ticks.run_due: what beat is to look at now.
            models.Index(fields=["look_at"], name="schedule_to_look_at", condition=Q(look_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """Its unique name."""
        return str(self.periodic_task.name)


class Tick(Guarded):
    """One tick of a schedule and what was decided about it; never a second row for the same due time."""

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="ticks", db_index=False)
    due_at = models.DateTimeField()
    decided_at = models.DateTimeField()
    outcome = models.CharField(max_length=10, choices=lifecycle.choices(TickOutcome))
    job = models.ForeignKey(
        Job, null=True, blank=True, on_delete=models.SET_NULL, related_name="ticks",
        help_text="Empty too when the job was pruned.",
    )  # fmt: skip
    job_open = models.BooleanField(default=False, help_text="Its job had not ended when somebody looked last.")
    reason = models.TextField(blank=True, help_text="Why it was decided so, in words.")
    out_of_turn = models.BooleanField(default=False, help_text="Somebody asked for it: run now.")

    objects = GuardedQuerySet["Tick"].as_manager()

    class Meta:
        constraints = [
            # Also how the ticks of a schedule are read, and pruned, in order.
            models.UniqueConstraint(name="tick_once", fields=["schedule", "due_at"]),
            models.CheckConstraint(name="tick_outcome_known", condition=Q(outcome__in=list(TickOutcome))),
            models.CheckConstraint(
                name="tick_job_iff_submitted", condition=Q(job__isnull=True) | Q(outcome=TickOutcome.SUBMITTED)
            ),
        ]
        indexes = [
            # ticks.run_due: ticks that wait for a job of before; at most one a schedule.
            models.Index(fields=["schedule"], name="tick_waiting", condition=Q(outcome=TickOutcome.WAITING)),
            # ticks.run_due: whether a job of the schedule has not ended.
            models.Index(fields=["schedule"], name="tick_open", condition=Q(job_open=True)),
        ]

    def __str__(self) -> str:
        return f"{self.schedule_id} at {self.due_at:%Y-%m-%d %H:%M:%S}: {self.outcome}"

    @property
    def lateness(self) -> timedelta:
        """How long after its time it was decided."""
        return self.decided_at - self.due_at
