"""P8: the sums agree. Random histories, with aggregators and pruning in between: rollups equal a count by hand.

Jobs are submitted, started, settled, wait for children, are retried, cancelled, lost, reported late; refusals come in;
what is old is pruned; rows are written late, below ids that are counted already (PostgreSQL); aggregators run, end in
the middle, and meet each other. After every step what is counted is a part of what happened; at the end, and whenever
an aggregator has come to the end, it is all of it.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from jobs_app.authoring import Child
from jobs_app.core import claims, control, dispatch, outcomes, rescue, spawning
from jobs_app.core.retention import pruning
from jobs_app.core.rollups import cursor, proof, rolling, store
from jobs_app.errors import Conflict
from jobs_app.histograms import ERROR, LEAST, quantile
from jobs_app.lifecycle import Reason, State
from jobs_app.models import Event, Job, Refusal, Rollup
from jobs_app.models.guard import writing
from jobs_app.policies import NO_RETRY, Retry
from jobs_app.steps import Step
from tests.support.ledger import claimed, submitted
from tests.support.rollups import Diary, counted, nearest_rank, of_all_owners, pooled

BEGIN = datetime(2026, 3, 4, 23, 58, 30, tzinfo=UTC)
SECONDS = st.sampled_from([0, 0.0004, 0.7, 3, 61, 4000])
PICK = st.integers(0, 1000)
PARENT = {"count": 0, "failing": []}
DAY = timedelta(days=1)


class Killed(Exception):
    """The aggregator ends here."""


class Ledger(RuleBasedStateMachine):
    """The steps."""

    owner: User

    @initialize()
    def begin(self) -> None:
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.now = BEGIN
        self.diary = Diary()
        self.held: list[Job] = []
        self.reserved: list[int] = []

    def teardown(self) -> None:
        if not hasattr(self, "transaction"):
            return
        try:
            self.agree()
        finally:
            transaction.set_rollback(True)
            self.transaction.__exit__(None, None, None)

    # What happens to jobs

    @rule(seconds=SECONDS, mine=st.booleans(), kind=st.sampled_from(["probe.nothing", "system.echo"]))
    def submit(self, seconds: float, mine: bool, kind: str) -> None:
        self.now += timedelta(seconds=seconds)
        parameters = {"text": "x"} if kind == "system.echo" else {}
        submitted(kind, parameters, now=self.now, owner=self.owner if mine else None, max_attempts=2)

    @rule(seconds=SECONDS)
    def start(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        waiting = Job.objects.filter(state=State.QUEUED).values_list("id", flat=True)
        self.held += claims.claim(list(waiting[:3]), holder="one/1/message", now=self.now)

    @rule(seconds=SECONDS, count=st.integers(1, 3))
    def spawn(self, seconds: float, count: int) -> None:
        """A handler makes children and ends; its job waits for them."""
        parent = claimed(submitted("family.parent", PARENT, now=self.now), now=self.now)
        spawning.spawn(parent, [Child("family.child", key=str(each)) for each in range(count)], now=self.now)
        self.now += timedelta(seconds=seconds)
        outcomes.succeed(parent, None, 4, now=self.now)

    @precondition(lambda self: self.held)
    @rule(pick=PICK, seconds=SECONDS, end=st.sampled_from(["succeed", "fail", "retry", "cancel", "give_back"]))
    def settle(self, pick: int, seconds: float, end: str) -> None:
        """A worker reports, whether the job is still its own or not, and perhaps twice."""
        self.now += timedelta(seconds=seconds)
        row = self.held[pick % len(self.held)]
        if pick % 3:
            self.held.remove(row)
        if not Job.objects.filter(id=row.id).exists():
            return  # pruned since
        match end:
            case "succeed":
                outcomes.succeed(row, None, 4, now=self.now)
            case "cancel":
                outcomes.cancel(row, now=self.now, reason="on request")
            case "give_back":
                claims.give_back(row, now=self.now, reason="not started")
            case _:
                error = Retry(timedelta(0)) if end == "retry" else ValueError("x")
                outcomes.fail(row, outcomes.Failure("x"), error, NO_RETRY, now=self.now)

    @rule(pick=PICK)
    def cancel(self, pick: int) -> None:
        ids = list(Job.objects.order_by("id").values_list("id", flat=True))
        if ids:
            try:
                control.cancel(ids[pick % len(ids)], actor=None, now=self.now)
            except Conflict:
                return

    @rule()
    def lose(self) -> None:
        self.now += timedelta(minutes=2)
        rescue.expired_leases(now=self.now)
        dispatch.promote(now=self.now)

    @rule(count=st.integers(1, 5), reason=st.sampled_from(Reason), mine=st.booleans())
    def refuse(self, count: int, reason: Reason, mine: bool) -> None:
        with writing():
            Refusal.objects.create(
                queue="default", owner=self.owner if mine else None, at=self.now, reason=reason, count=count
            )

    # What commits late: its id is given out now, and its row appears later

    @precondition(lambda self: connection.vendor == "postgresql")
    @rule()
    def reserve(self) -> None:
        with connection.cursor() as database:
            database.execute("SELECT nextval(pg_get_serial_sequence('jobs_app_event', 'id'))")
            self.reserved.append(database.fetchone()[0])

    @precondition(lambda self: self.reserved)
    @rule(pick=PICK)
    def appear(self, pick: int) -> None:
        number = self.reserved.pop(pick % len(self.reserved))
        job = submitted(now=self.now)
        with writing():
            Event.objects.filter(job=job).update(id=number)

    # Upkeep

    @rule()
    def roll(self) -> None:
        rolling.roll(now=self.now, batches=1)

    @rule(after=st.integers(0, 4))
    def killed(self, after: int) -> None:
        """An aggregator ends in the middle of its transaction, after so many writes."""
        self.diary.look()
        with pytest.MonkeyPatch.context() as patch:
            left, write = [after], store.write

            def end(*arguments: Any, **named: Any) -> None:
                if not left[0]:
                    raise Killed
                left[0] -= 1
                write(*arguments, **named)

            patch.setattr(store, "write", end)
            try:
                with transaction.atomic():
                    rolling.roll(now=self.now, batches=3)
            except Killed:
                return

    @rule()
    def two_at_once(self) -> None:
        place = cursor.read()
        second = rolling._harvest(place, self.now, 6)
        rolling.roll(now=self.now, batches=1)
        assert rolling._write(place, second, self.now) is False

    @rule(days=st.sampled_from([0, 1, 3, 20]))
    def prune(self, days: int) -> None:
        self.now += days * DAY
        self.diary.look()
        before = Event.objects.count()
        done = pruning.run(now=self.now)
        assert (Event.objects.count() < before) == bool(done["jobs"])

    @rule()
    def rebuild(self) -> None:
        self.diary.look()
        for _, wrong in proof.rebuild(BEGIN, self.now + DAY, clock=lambda: self.now):
            assert wrong == 0, "there is nothing to mend"

    # What the promise is about, each as one step, so that it is met often

    @precondition(lambda self: connection.vendor == "postgresql")
    @rule()
    def commit_late(self) -> None:
        """A row appears below what is counted, and someone looks before the aggregator does."""
        self.reserve()
        submitted(now=self.now)
        while rolling.roll(now=self.now):
            pass
        self.appear(pick=len(self.reserved) - 1)
        self.rebuild()

    @rule(mine=st.booleans())
    def grow_old_uncounted(self, mine: bool) -> None:
        job = submitted(now=self.now, owner=self.owner if mine else None)
        control.cancel(job.id, actor=None, now=self.now)
        self.diary.look()
        self.now += DAY
        pruning.run(now=self.now)
        assert Job.objects.filter(id=job.id).exists(), "its events are not counted"

    # What must hold

    @invariant()
    def nothing_is_counted_that_did_not_happen(self) -> None:
        if not hasattr(self, "diary"):
            return
        expected = self.kept(self.diary.look().counts())
        for key, counts in self.kept(counted()).items():
            assert counts <= expected.get(key, Counter())

    @rule()
    def agree(self) -> None:
        """Aggregators come to the end: now everything is counted, and each quantile is within the error."""
        self.diary.look()
        while rolling.roll(now=self.now):
            pass
        assert self.kept(counted()) == self.kept(self.diary.counts())
        assert self.kept(counted(together=True)) == self.kept(of_all_owners(self.diary.counts()))
        found = proof.verify(BEGIN, self.now + DAY, clock=lambda: self.now)
        assert [str(each) for _, wrong in found for each in wrong] == []
        self.quantiles_are_near("wait", self.diary.durations("queued"))
        self.quantiles_are_near("run", self.diary.durations("running"))

    def quantiles_are_near(self, column: str, durations: dict[Any, list[float]]) -> None:
        days = {key: values for key, values in durations.items() if key[0] == Step.DAY}
        rows = Rollup.objects.filter(step=Step.DAY, gone=False, owner__gte=0)
        bins: Counter[int] = sum((getattr(each, column) for each in store.of(rows).values()), Counter())
        values = pooled(days.values())
        assert bins.total() == len(values)
        for part in (0.5, 0.95, 0.99) if values else ():
            true, told = nearest_rank(values, part), quantile(bins, part)
            assert told is not None
            assert abs(told - true) <= max(ERROR * true * (1 + 1e-9), LEAST / 2e6)
        if values:
            sums = sum(getattr(row, f"{column}_micros") for row in rows)
            assert sums == round(sum(values) * 1e6)

    def kept(self, found: dict[Any, Counter[str]]) -> dict[Any, Counter[str]]:
        """Without the buckets of steps that were pruned."""
        place = cursor.read()
        return {key: counts for key, counts in found.items() if place.keeps(Step(key[0]), key[1]) and +counts}


def test_every_history_is_counted_exactly(
    db: None, configured: Any, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(
        keep_succeeded_days=1, keep_failed_days=2, keep_cancelled_days=0.5, keep_refusals_days=1,
        keep_minute_rollups_days=3, keep_hour_rollups_days=10, token_rate=0,
    )  # fmt: skip
    monkeypatch.setattr(rolling, "BATCH", 6)
    Ledger.owner = alice
    run_state_machine_as_test(
        Ledger,
        settings=settings(
            phases=[Phase.generate], max_examples=30, stateful_step_count=40, deadline=None, database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
