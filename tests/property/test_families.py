"""Any order of spawning, waiting, ending, losing and cancelling keeps families whole.

Hypothesis takes steps at random, with workers whose reports come late. No step sees what follows a commit, as if each
process died just then: upkeep's sweep alone has to bring every family to its end.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from jobs_app.authoring import Cancelled, Child, Discard, Retry
from jobs_app.core import claims, control, dispatch, families, gate, outcomes, queries, rescue, spawning
from jobs_app.core.turnstile import turnstile
from jobs_app.errors import Conflict
from jobs_app.lifecycle import FINAL, UNFINISHED, State, legal
from jobs_app.models import Event, Gate, Job, Turnstile
from jobs_app.models.guard import writing
from jobs_app.policies import NO_RETRY
from tests.support.ledger import submitted

LEASE = timedelta(seconds=5)
HARD_LIMIT = 3
BEGIN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PICK = st.integers(0, 1000)
KINDS = st.sampled_from(["family.parent", "family.patient", "family.detached"])
ENDS = st.sampled_from(["succeed", "succeed", "succeed", "fail", "retry", "cancel"])
MOST = 4
KEYS = st.lists(st.sampled_from("abcde"), unique=True, max_size=5)


class Families(RuleBasedStateMachine):
    """The steps."""

    @initialize()
    def begin(self) -> None:
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.now = BEGIN
        # All happens in one transaction that is rolled back: the gate is its alone, without the credits that processes
        # of other tests still seem to hold, and no credit outlives it.
        turnstile.forget()
        with writing():
            queries.delete_any(Turnstile.objects.all())
            queries.delete_any(Gate.objects.all())
            gate.hold("default", now=BEGIN)
        self.parents: list[UUID] = []
        self.held: list[Job] = []
        self.succeeded_with: dict[UUID, int] = {}

    def teardown(self) -> None:
        """Upkeep and one worker that lives are enough to bring every family to its end."""
        try:
            for _ in range(40):
                if not Job.objects.exclude(state__in=FINAL).exists():
                    break
                self.time_passes(seconds=1200)
                for row in self.claim_some(limit=100):
                    outcomes.succeed(row, None, 4, now=self.now)
            else:
                raise AssertionError(f"never ends: {list(Job.objects.exclude(state__in=FINAL).values())}")
            self.whole_after_a_sweep()
        finally:
            if hasattr(self, "transaction"):
                transaction.set_rollback(True)
                self.transaction.__exit__(None, None, None)

    @rule(kind=KINDS, keys=KEYS)
    def begin_a_parent(self, kind: str, keys: list[str]) -> None:
        """Submitted, claimed and spawning in one step, so that families are met often."""
        open_ = Job.objects.filter(id__in=self.parents, state__in=UNFINISHED).count()
        if open_ < MOST and Job.objects.filter(state=State.QUEUED).count() < HARD_LIMIT:
            parameters = {"count": 0} if kind == "family.detached" else {"count": 0, "failing": []}
            job = submitted(kind, parameters, now=self.now, max_attempts=3, overflow=True)
            self.parents.append(job.id)
            self.held += claims.claim([job.id], holder="worker@test/1/message", now=self.now)
            self.spawn_of(self.held[-1], keys)

    @rule(limit=st.integers(1, 4))
    def claim(self, limit: int) -> None:
        self.held += self.claim_some(limit=limit)

    @rule(pick=PICK, keys=KEYS)
    def spawn(self, pick: int, keys: list[str]) -> None:
        able = [row for row in self.held if row.kind.startswith("family.") and row.kind != "family.child"]
        if not able:
            return
        self.spawn_of(able[pick % len(able)], keys)

    def spawn_of(self, row: Job, keys: list[str]) -> None:
        before = set(Job.objects.filter(parent=row).values_list("child_key", flat=True))
        may = self.owns(row) and Job.objects.get(id=row.id).cancel_requested_at is None
        try:
            spawning.spawn(row, [Child("family.child", key=key) for key in keys], now=self.now)
        except Cancelled:
            assert not may
            keys = []
        else:
            assert may, "a worker that was given up, or is to stop, spawns nothing"
        after = list(Job.objects.filter(parent=row).values_list("child_key", flat=True))
        assert sorted(after) == sorted(before | set(keys)), "each key once"

    @rule(pick=PICK, end=ENDS, keep=st.booleans())
    def settle(self, pick: int, end: str, keep: bool) -> None:
        """A worker reports an end, whether it still owns the job or not, and perhaps once more."""
        if not self.held:
            return
        row = self.held[pick % len(self.held)]
        if not keep:
            self.held.remove(row)
        owned, failure = self.owns(row), outcomes.Failure("on purpose")
        match end:
            case "succeed":
                told = outcomes.succeed(row, None, 4, now=self.now)
            case "cancel":
                told = outcomes.cancel(row, now=self.now, reason="on request")
            case _:
                error = Discard("x") if end == "fail" else Retry(timedelta(0))
                told = outcomes.fail(row, failure, error, NO_RETRY, now=self.now)
        assert told == owned

    @rule(pick=PICK)
    def cancel(self, pick: int) -> None:
        rows = list(Job.objects.order_by("id").values_list("id", flat=True))
        if rows:
            try:
                control.cancel(rows[pick % len(rows)], actor=None, now=self.now)
            except Conflict:
                assert Job.objects.get(id=rows[pick % len(rows)]).final

    @rule(seconds=st.sampled_from([0, 1, 6]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        dispatch.promote(now=self.now)
        rescue.expired_leases(now=self.now)
        waiting = Job.objects.filter(queue="default", state=State.QUEUED).count()
        for _ in range(MOST):  # three generations need as many sweeps at most
            families.sweep(now=self.now)
        again = Job.objects.filter(queue="default", state=State.QUEUED, attempt=0, parent__isnull=False).count()
        assert again <= max(HARD_LIMIT, waiting)
        self.whole_after_a_sweep()

    # What must hold

    def whole_after_a_sweep(self) -> None:
        for parent in Job.objects.filter(id__in=self.parents):
            family, status = families.standing(parent.id), parent.status
            strict = parent.kind == "family.parent"
            if status is State.BLOCKED:
                assert family.unfinished, "or it would go on"
                assert not (strict and family.broken), "or it would have failed"
            if status is State.SUCCEEDED and strict:
                assert family.succeeded == family.total
            if status is State.SUCCEEDED and parent.kind == "family.patient":
                assert not family.unfinished
            if status in {State.FAILED, State.CANCELLED}:
                left = Job.objects.filter(parent=parent, state__in=UNFINISHED)
                assert all(each.state == "running" and each.cancel_requested_at for each in left)

    @invariant()
    def the_record_chains(self) -> None:
        at: dict[UUID, str] = dict.fromkeys(Job.objects.values_list("id", flat=True), "")
        for job_id, source, target in Event.objects.order_by("id").values_list("job_id", "source", "target"):
            assert source == at[job_id]
            assert source in {"", target} or legal(State(source), State(target))
            at[job_id] = target
        assert at == dict(Job.objects.values_list("id", "state"))

    def owns(self, row: Job) -> bool:
        return Job.objects.filter(id=row.id, state=State.RUNNING, attempt=row.attempt).exists()

    def claim_some(self, limit: int) -> list[Job]:
        ids = list(Job.objects.filter(state=State.QUEUED).order_by("id").values_list("id", flat=True)[:limit])
        return claims.claim(ids, holder="worker@test/1/message", now=self.now)


def test_every_family_is_brought_to_its_end(db: None, configured: Callable[..., None]) -> None:
    configured(queue_limit=2, queue_headroom=0.5, lease_seconds=LEASE.total_seconds(), max_kills=100)
    run_state_machine_as_test(
        Families,
        settings=settings(
            phases=[Phase.generate], max_examples=30, stateful_step_count=30, deadline=None, database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
