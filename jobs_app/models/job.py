"""A job: one row, the truth about it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from jobs_app import lifecycle
from jobs_app.lifecycle import FINAL, State, Via
from jobs_app.models.guard import Guarded, GuardedQuerySet, Lean
from jobs_app.models.identity import new_id

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

SEE_ALL = "jobs_app.see_all_jobs"
ACT_ON_ALL = "jobs_app.act_on_all_jobs"


class JobQuerySet(GuardedQuerySet["Job"]):
    """Filters over jobs."""

    def visible_to(self, user: User | AnonymousUser | None) -> JobQuerySet:
        """The jobs this user may see: their own, or all with the permission. None is the system, which sees all."""
        return self._allowed(user, SEE_ALL)

    def actionable_by(self, user: User | AnonymousUser | None) -> JobQuerySet:
        """The jobs this user may cancel or run again."""
        return self._allowed(user, ACT_ON_ALL)

    def telling_rights(self, user: User | AnonymousUser | None) -> JobQuerySet:
        """With ``may_act``: whether this user may act on the job. Nothing is looked up for it, job by job."""
        mine: Any = models.Value(True) if user is None or user.has_perm(ACT_ON_ALL) else Q(owner_id=user.pk)
        return self.annotate(may_act=models.ExpressionWrapper(mine, output_field=models.BooleanField()))

    def prunable(self) -> JobQuerySet:
        """The ended jobs whose rows nobody needs any more: no children are left, and no parent goes on.

        A child outlives its parent's end: else a parent that is run again would spawn it once more.
        """
        children = Job.objects.filter(parent=models.OuterRef("id"))
        alone = Q(parent=None) | Q(parent__state__in=sorted(FINAL))
        return self.filter(alone, ~models.Exists(children), state__in=sorted(FINAL))

    def _allowed(self, user: User | AnonymousUser | None, permission: str) -> JobQuerySet:
        if user is None or user.has_perm(permission):
            return self.whole()
        return self.whole().filter(owner=user) if user.is_authenticated else self.none()


_Jobs = models.Manager.from_queryset(JobQuerySet)


class JobManager(Lean, _Jobs["Job"]):
    """Rows of jobs, without what this release has added."""

    later = (
        "token", "start_from", "start_until", "finish_from", "finish_until", "child_key", "preview", "tags",
        "fingerprint", "webhook", "trace",
    )  # fmt: skip


class Job(Guarded):
    """What a user submitted. Durations are in seconds; times are the database's."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=100)
    queue = models.CharField(max_length=100)
    state = models.CharField(max_length=12, choices=lifecycle.choices(State))
    priority = models.SmallIntegerField(default=0, help_text="Higher runs first; -100 to 100.")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="jobs", db_index=False
    )
    token = models.ForeignKey(
        "Token", null=True, blank=True, on_delete=models.PROTECT, related_name="jobs", db_index=False,
        help_text="The API token it was submitted with.",
    )  # fmt: skip
    via = models.CharField(max_length=10, choices=lifecycle.choices(Via))

    parameters = models.JSONField(help_text="As validated, secrets starred.")
    sealed = models.BinaryField(null=True, help_text="The parameters with secrets in clear, encrypted.")
    request_digest = models.CharField(max_length=64, help_text="SHA-256 of kind and parameters, to tell replays.")
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)
    # Its index is job_reruns: of those that are runs again, and not of all.
    rerun_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="reruns", db_index=False
    )
    # Protected: retention takes families in order, see prunable(). Its index is job_family.
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="children", db_index=False
    )
    child_key = models.CharField(
        max_length=100, null=True, blank=True, help_text="Its name among its parent's children."
    )

    trace = models.CharField(
        max_length=55, null=True, blank=True, editable=False,
        help_text="The trace it was submitted in, as W3C's traceparent.",
    )  # fmt: skip

    attempt = models.PositiveIntegerField(default=0, help_text="Number of the latest claim; 0 before the first.")
    failures = models.PositiveIntegerField(default=0, help_text="Attempts used up.")
    kills = models.PositiveIntegerField(default=0, help_text="Attempts that ended with their worker.")
    max_attempts = models.PositiveIntegerField(default=1)
    timeout = models.DurationField(default=timedelta(minutes=10))
    hard_timeout = models.DurationField(default=timedelta(minutes=10, seconds=30))

    tags = models.JSONField(null=True, blank=True, help_text="Words of its owner's, to find it by; none: empty.")

    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Not started by then, it fails.")
    dispatched_at = models.DateTimeField(null=True, blank=True, help_text="When its message was last published.")
    started_at = models.DateTimeField(null=True, blank=True, help_text="First claim.")
    finished_at = models.DateTimeField(null=True, blank=True)

    start_from = models.DateTimeField(null=True, blank=True, help_text="Estimated when it was accepted: first start,")
    start_until = models.DateTimeField(null=True, blank=True, help_text="not later than;")
    finish_from = models.DateTimeField(null=True, blank=True, help_text="end,")
    finish_until = models.DateTimeField(null=True, blank=True, help_text="not later than.")

    holder = models.CharField(max_length=200, blank=True, help_text="The worker process that claimed it.")
    lease_until = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField(null=True, blank=True, help_text="When the hard timeout of this attempt is up.")
    cancel_requested_at = models.DateTimeField(null=True, blank=True)

    progress = models.FloatField(default=0.0, help_text="From 0 to 1.")
    progress_message = models.CharField(max_length=200, blank=True)
    webhook = models.BigIntegerField(
        null=True, blank=True, help_text="The endpoint that its submission named, by its number."
    )
    preview = models.JSONField(null=True, blank=True, help_text="What is shown until there is a result.")
    result = models.JSONField(null=True, blank=True, help_text="What the handler returned, if small.")
    result_bytes = models.PositiveBigIntegerField(default=0)
    error = models.TextField(blank=True, help_text="Why it failed, in words.")
    error_type = models.CharField(max_length=200, blank=True)
    fingerprint = models.CharField(
        max_length=16, blank=True, default="", db_default="", help_text="The same for errors of one cause."
    )

    objects = JobManager()

    class Meta:
        permissions = [
            ("see_all_jobs", "Can see the jobs of every user"),
            ("act_on_all_jobs", "Can cancel and run again the jobs of every user"),
        ]
        constraints = [
            models.CheckConstraint(name="job_state_known", condition=Q(state__in=list(State))),
            models.CheckConstraint(
                name="job_final_iff_finished",
                condition=Q(state__in=sorted(FINAL), finished_at__isnull=False)
                | Q(~Q(state__in=sorted(FINAL)), finished_at__isnull=True),
            ),
            models.CheckConstraint(
                name="job_running_iff_leased",
                condition=Q(state=State.RUNNING, lease_until__isnull=False, attempt__gte=1)
                | Q(~Q(state=State.RUNNING), lease_until__isnull=True),
            ),
            models.CheckConstraint(
                name="job_untouched_before_claim",
                condition=~Q(state=State.SCHEDULED) | Q(attempt=0, dispatched_at__isnull=True),
            ),
            # A blocked job has run if it is a parent, and has not if it is a child that waits for room.
            models.CheckConstraint(
                name="job_blocked_off_broker", condition=~Q(state=State.BLOCKED) | Q(dispatched_at__isnull=True)
            ),
            models.CheckConstraint(
                name="job_child_has_key",
                condition=Q(child_key__isnull=True) | Q(parent__isnull=False),
            ),
            # spawning.spawn: a parent that is run again spawns no child twice.
            models.UniqueConstraint(
                name="job_child_once", fields=["parent", "child_key"], condition=Q(parent__isnull=False)
            ),
            models.CheckConstraint(name="job_priority_range", condition=Q(priority__range=(-100, 100))),
            models.CheckConstraint(name="job_progress_range", condition=Q(progress__range=(0.0, 1.0))),
            models.CheckConstraint(name="job_attempts_allowed", condition=Q(max_attempts__gte=1)),
            # A key names one job of its owner; the system's own keys (no owner) have a constraint of their own,
            # since NULLs are distinct in a unique index.
            models.UniqueConstraint(
                name="job_idempotency_key",
                fields=["owner", "idempotency_key"],
                condition=Q(idempotency_key__isnull=False, owner__isnull=False),
            ),
            models.UniqueConstraint(
                name="job_idempotency_key_system",
                fields=["idempotency_key"],
                condition=Q(idempotency_key__isnull=False, owner__isnull=True),
            ),
        ]
        # Each of a job's moves writes an entry into every index here whose condition holds after it: docs/depth.md
        # tells what each is for. What a heartbeat or a report of progress changes is in none: those stay on their page.
        indexes = [
            # dispatch.refill: the next due jobs of a queue that have no message yet, in order.
            models.Index(
                F("queue"), F("priority").desc(), F("due_at"), F("id"),
                name="job_to_dispatch", condition=Q(state=State.QUEUED, dispatched_at__isnull=True),
            ),
            # dispatch.refill and dispatch.find_lost: how many of a queue are on the broker, the oldest first.
            models.Index(
                fields=["queue", "dispatched_at"], name="job_on_broker",
                condition=Q(state=State.QUEUED, dispatched_at__isnull=False),
            ),
            # dispatch.promote: scheduled and retrying jobs whose time has come. Two, since SQLite uses an index with a
            # condition for what says the same, and not for what follows from it.
            models.Index(fields=["due_at"], name="job_retrying_due", condition=Q(state=State.RETRYING)),
            models.Index(fields=["due_at"], name="job_scheduled_due", condition=Q(state=State.SCHEDULED)),
            # side_door and pulses: those of one queue.
            models.Index(fields=["queue", "due_at"], name="job_scheduled_queue", condition=Q(state=State.SCHEDULED)),
            # admission: how many of a queue wait, in all, of a user and of a token.
            models.Index(fields=["queue", "owner", "token"], name="job_waiting", condition=Q(state=State.QUEUED)),
            # admission: how many jobs of a user are due later.
            models.Index(fields=["owner"], name="job_scheduled_of_owner", condition=Q(state=State.SCHEDULED)),
            # rescue.expire_waiting.
            models.Index(
                fields=["expires_at"], name="job_expiring", condition=Q(state=State.QUEUED, expires_at__isnull=False)
            ),
            # retention: the jobs of a kind that ended in that state, the oldest first.
            models.Index(
                fields=["state", "kind", "finished_at"], name="job_settled", condition=Q(finished_at__isnull=False)
            ),
            # retention and reads.relatives: what was made by running a job again.
            models.Index(fields=["rerun_of"], name="job_reruns", condition=Q(rerun_of__isnull=False)),
            # families: the children of a parent, counted by state.
            models.Index(fields=["parent", "state"], name="job_family", condition=Q(parent__isnull=False)),
            # families.release: children that wait for room, oldest first; families.sweep: parents that wait.
            models.Index(fields=["queue", "id"], name="job_blocked", condition=Q(state=State.BLOCKED)),
            # reads.job_page: one owner's jobs, newest first (the id is in order of time).
            models.Index(F("owner"), F("id").desc(), name="job_by_owner"),
            # How many run of a queue, and which kinds; rescue.expired_leases.
            models.Index(fields=["queue"], name="job_running", condition=Q(state=State.RUNNING)),
            # Lists filtered by one of these, newest first. Most jobs have succeeded, and are met soon without an index.
            models.Index(F("kind"), F("id").desc(), name="job_by_kind"),
            models.Index(F("queue"), F("id").desc(), name="job_by_queue"),
            models.Index(
                F("state"), F("id").desc(), name="job_by_state",
                condition=Q(state__in=sorted(set(State) - {State.SUCCEEDED})),
            ),
            # The same for SQLite, of the states that stay.
            models.Index(F("id").desc(), name="job_failed", condition=Q(state=State.FAILED)),
            models.Index(F("id").desc(), name="job_cancelled", condition=Q(state=State.CANCELLED)),
            models.Index(
                F("fingerprint"), F("id").desc(), name="job_by_fingerprint", condition=~Q(fingerprint="")
            ),
            # reads.failures: one owner's jobs of a group, newest first.
            models.Index(
                F("owner"), F("fingerprint"), F("id").desc(), name="job_of_owner_failed", condition=~Q(fingerprint="")
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    @property
    def status(self) -> State:
        """The state as the enum, with its meaning."""
        return State(self.state)

    @property
    def final(self) -> bool:
        """Whether the job has ended."""
        return self.status.final
