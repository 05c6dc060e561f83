"""Statistics of the ledger, kept when the rows they were made of are gone."""

from __future__ import annotations

from django.db import models

from jobs_app import lifecycle
from jobs_app.models.guard import Guarded, GuardedQuerySet
from jobs_app.steps import Step


class Counted(Guarded):
    """What is counted of jobs. Histograms are objects: number of the bin (``jobs_app.histograms``), count."""

    submitted = models.BigIntegerField(default=0)
    started = models.BigIntegerField(default=0, help_text="Attempts.")
    succeeded = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0, help_text="For good, expired ones among them.")
    retried = models.BigIntegerField(default=0, help_text="Attempts after which another was planned.")
    cancelled = models.BigIntegerField(default=0)
    rescued = models.BigIntegerField(default=0, help_text="Attempts that were lost and queued again.")
    refused = models.JSONField(default=dict, help_text="Refused submissions by reason.")

    wait = models.JSONField(default=dict, help_text="Time in the queue before each start.")
    wait_micros = models.BigIntegerField(default=0, help_text="Its sum.")
    run = models.JSONField(default=dict, help_text="Time of each attempt that ended by itself.")
    run_micros = models.BigIntegerField(default=0, help_text="Its sum.")

    class Meta:
        abstract = True


class Rollup(Counted):
    """What happened in one minute, hour or day to the jobs of one queue, kind and owner.

    Refusals have no kind; theirs is empty. ``owner`` is no foreign key: statistics outlive users.
    """

    gone = models.BooleanField(
        default=False,
        help_text="The part of it whose rows were pruned since: kept to compare the rest with the ledger.",
    )
    step = models.CharField(max_length=6, choices=lifecycle.choices(Step))
    at = models.DateTimeField(help_text="Its beginning.")
    queue = models.CharField(max_length=100)
    kind = models.CharField(max_length=100, blank=True)
    owner = models.BigIntegerField(default=0, help_text="Id of the user; 0 is the system, -1 all owners together.")

    objects = GuardedQuerySet["Rollup"].as_manager()

    class Meta:
        constraints = [
            # Also how every read finds its rows. ``gone`` comes last: SQLite uses no index for ``NOT gone``.
            models.UniqueConstraint(name="rollup_once", fields=["step", "at", "queue", "kind", "owner", "gone"]),
        ]

    def __str__(self) -> str:
        return f"{self.step} {self.at:%Y-%m-%d %H:%M} of {self.kind or 'refusals'} in {self.queue}"


class Total(Counted):
    """What has happened to the jobs of one queue and kind since this table is there. It only grows, whatever is pruned.

    Refusals have no kind; theirs is empty.
    """

    queue = models.CharField(max_length=100)
    kind = models.CharField(max_length=100, blank=True)

    objects = GuardedQuerySet["Total"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(name="total_once", fields=["queue", "kind"])]

    def __str__(self) -> str:
        return f"total of {self.kind or 'refusals'} in {self.queue}"


class QueueLevel(Guarded):
    """How deep one queue was in one minute, hour or day: what upkeep saw each time it looked."""

    step = models.CharField(max_length=6, choices=lifecycle.choices(Step))
    at = models.DateTimeField(help_text="Its beginning.")
    queue = models.CharField(max_length=100)
    samples = models.BigIntegerField()
    depth_sum = models.BigIntegerField()
    depth_max = models.BigIntegerField()
    depth_last = models.BigIntegerField()
    oldest_max = models.FloatField(help_text="Seconds that the job which waited longest had been due, at most.")

    objects = GuardedQuerySet["QueueLevel"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(name="queue_level_once", fields=["step", "at", "queue"])]

    def __str__(self) -> str:
        return f"{self.step} {self.at:%Y-%m-%d %H:%M} of {self.queue}"


class RollupCursor(Guarded):
    """How far the ledger is rolled up: one row. Whoever writes a rollup raises ``version`` in the same transaction."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    version = models.BigIntegerField(default=0)
    events_through = models.BigIntegerField(default=0, help_text="The last event that was counted.")
    refusals_through = models.BigIntegerField(default=0, help_text="The last refusal that was counted.")
    gaps = models.JSONField(default=list, help_text="Ids below those whose transactions had not ended.")
    caught_up_at = models.DateTimeField(null=True, blank=True, help_text="What happened before is counted.")
    together_version = models.BigIntegerField(
        default=0, db_default=0, help_text="The version up to which sums of all owners were kept."
    )
    together_from = models.DateTimeField(
        null=True, blank=True, help_text="There are sums of all owners of what began since; empty: of everything."
    )
    held_by = models.CharField(max_length=100, blank=True, help_text="Who has asked the aggregators to wait,")
    held_until = models.DateTimeField(null=True, blank=True, help_text="and no longer than until then.")
    minutes_from = models.DateTimeField(null=True, blank=True, help_text="Minutes before were pruned.")
    hours_from = models.DateTimeField(null=True, blank=True, help_text="Hours before were pruned.")
    days_from = models.DateTimeField(null=True, blank=True, help_text="Days before were pruned.")

    objects = GuardedQuerySet["RollupCursor"].as_manager()

    class Meta:
        constraints = [models.CheckConstraint(name="rollup_cursor_is_one", condition=models.Q(id=1))]

    def __str__(self) -> str:
        return f"rolled up through event {self.events_through}"
