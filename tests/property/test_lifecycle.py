"""Any order of submitting, dispatching, claiming, beating, settling, losing and cancelling keeps the promises P1 to P5.

Hypothesis takes steps at random with two workers, some of whose reports come late, and a clock that it moves itself.
A small model says what each step must do; after each the ledger is compared with it, and the record with the ledger.
Jobs of an atomic kind succeed by the worker's own code: what they wrote is there once if they did, and else not at all.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
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

from jobs_app.core import attempts, claims, control, dispatch, liveness, outcomes, rescue, settlement, transport
from jobs_app.core.held import Held
from jobs_app.core.tray import tray
from jobs_app.errors import Conflict
from jobs_app.lifecycle import FINAL, WAITING, State, legal
from jobs_app.models import Attempt, Event, Job
from jobs_app.policies import NO_RETRY, Discard, Retry, Snooze
from tests.support import conveyor
from tests.support.ledger import submitted

LANE = "property"
WINDOW = 2
LEASE = timedelta(seconds=5)
MAX_KILLS = 3
BEGIN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
WORKERS = st.sampled_from(["one", "two"])
PICK = st.integers(0, 1000)
SECONDS = st.sampled_from([0, 1, 3, 6, 60])
ERRORS = st.sampled_from([ValueError("x"), Discard("x"), Retry(timedelta(0)), Retry(LEASE), Snooze(LEASE)])
ATOMIC = "probe.atomic_effect"
KINDS = st.sampled_from(["probe.nothing", ATOMIC])
TICKS = ["promote", "refill", "refill", "rescue", "expire", "flush", "find_lost"]
MOST_JOBS = 3
"""Few jobs, so that the steps meet."""


@dataclass
class Expected:
    """What the model says of a job."""

    state: State
    max_attempts: int
    due_at: datetime
    expires_at: datetime | None
    atomic: bool = False
    attempt: int = 0
    failures: int = 0
    kills: int = 0
    lease_until: datetime | None = None
    claimed_at: datetime | None = None
    started_at: datetime | None = None
    to_cancel: bool = False
    dispatched: bool = False

    def leave(self, state: State) -> None:
        self.state, self.lease_until, self.dispatched = state, None, False

    def failed_by(self, error: Exception) -> State:
        """Count a failure; where it leads."""
        again = isinstance(error, Snooze) or (not isinstance(error, Discard) and self.failures + 1 < self.max_attempts)
        if again and self.to_cancel:
            return State.CANCELLED
        self.failures += not isinstance(error, Snooze)
        return State.RETRYING if again else State.FAILED


def some(*states: State) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A step is taken only while a job is in one of these states: a step that finds nothing to do teaches nothing."""
    return precondition(lambda self: any(job.state in states for job in self.jobs.values()))


def holding() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return precondition(lambda self: self.held["one"] or self.held["two"])


class Life(RuleBasedStateMachine):
    """The steps."""

    @initialize()
    def begin(self) -> None:
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.now = BEGIN
        self.jobs: dict[UUID, Expected] = {}
        self.held: dict[str, list[Job]] = {"one": [], "two": []}
        self.ended: dict[UUID, dict[str, Any]] = {}

    def teardown(self) -> None:
        """P1: whatever has happened, upkeep and one worker that lives are enough to bring every job to its end."""
        try:
            self.finish()
        finally:
            self.leave()

    def finish(self) -> None:
        for _ in range(40):
            if not Job.objects.exclude(state__in=FINAL).exists():
                return
            self.now += timedelta(minutes=20)
            dispatch.promote(now=self.now)
            rescue.expired_leases(now=self.now)
            rescue.expire_waiting(now=self.now)
            dispatch.find_lost(LANE, now=self.now)
            dispatch.refill(LANE, now=self.now)
            for _, ids in conveyor.taken(LANE):
                for row in claims.claim(ids, holder="last/1/message", now=self.now):
                    outcomes.succeed(row, None, 4, now=self.now)
        raise AssertionError(f"never ends: {list(Job.objects.exclude(state__in=FINAL).values())}")

    def leave(self) -> None:
        conveyor.purge(LANE)
        if hasattr(self, "transaction"):
            transaction.set_rollback(True)
            self.transaction.__exit__(None, None, None)

    # Steps of users

    @precondition(lambda self: sum(job.state not in FINAL for job in self.jobs.values()) < MOST_JOBS)
    @rule(kind=KINDS, max_attempts=st.integers(1, 3), delay=st.sampled_from([0, 0, 0, 3]), life=st.none() | SECONDS)
    def submit(self, kind: str, max_attempts: int, delay: int, life: int | None) -> None:
        due_at = self.now + timedelta(seconds=delay)
        expires_at = None if life is None else due_at + timedelta(seconds=life + 1)
        job = submitted(kind, now=self.now, queue=LANE, max_attempts=max_attempts, due_at=due_at, expires_at=expires_at)
        state = State.SCHEDULED if delay else State.QUEUED
        self.jobs[job.id] = Expected(state, max_attempts, due_at, expires_at, kind == ATOMIC)

    @some(State.RUNNING, State.RETRYING)
    @rule(pick=PICK)
    def cancel(self, pick: int) -> None:
        job_id, job = self.pick(pick)
        if job.state in FINAL - {State.CANCELLED}:
            with pytest.raises(Conflict):
                control.cancel(job_id, actor=None, now=self.now)
            return
        control.cancel(job_id, actor=None, now=self.now)
        job.to_cancel |= job.state is not State.CANCELLED
        if job.state in WAITING:
            job.leave(State.CANCELLED)

    # Steps of upkeep

    @some(*WAITING, State.RUNNING)
    @rule(seconds=SECONDS, ticks=st.lists(st.sampled_from(TICKS), max_size=4))
    def time_passes(self, seconds: int, ticks: list[str]) -> None:
        self.now += timedelta(seconds=seconds)
        for tick in ticks:
            getattr(self, tick)()

    def promote(self) -> None:
        dispatch.promote(now=self.now)
        for job in self.jobs.values():
            if job.state in {State.SCHEDULED, State.RETRYING} and job.due_at <= self.now:
                job.leave(State.QUEUED)

    def refill(self) -> None:
        queued = [job for job in self.jobs.values() if job.state is State.QUEUED]
        out = sum(job.dispatched for job in queued)
        room = WINDOW - max(out, transport.depth(LANE))
        assert dispatch.refill(LANE, now=self.now) == min(max(room, 0), len(queued) - out)
        assert transport.depth(LANE) <= WINDOW
        marked = set(Job.objects.filter(dispatched_at__isnull=False).values_list("id", flat=True))
        for job_id, job in self.jobs.items():
            assert job_id in marked or not (job.dispatched and job.state is State.QUEUED)
            job.dispatched = job_id in marked

    def flush(self) -> None:
        """The broker loses what it has."""
        conveyor.purge(LANE)

    def find_lost(self) -> None:
        marked = {job_id for job_id, job in self.jobs.items() if job.dispatched and job.state is State.QUEUED}
        found = dispatch.find_lost(LANE, now=self.now)
        left = set(Job.objects.filter(state="queued", dispatched_at__isnull=False).values_list("id", flat=True))
        assert left <= marked
        assert found == len(marked - left)
        for job_id in marked - left:
            self.jobs[job_id].dispatched = False

    def rescue(self) -> None:
        lapsed = [
            job for job in self.jobs.values()
            if job.state is State.RUNNING and job.lease_until is not None and job.lease_until < self.now
        ]  # fmt: skip
        assert rescue.expired_leases(now=self.now) == len(lapsed)
        for job in lapsed:
            self.lose(job)

    def expire(self) -> None:
        late = [
            job for job in self.jobs.values()
            if job.state is State.QUEUED and not job.started_at and job.expires_at and job.expires_at <= self.now
        ]  # fmt: skip
        assert rescue.expire_waiting(now=self.now) == len(late)
        for job in late:
            job.leave(State.FAILED)

    # Steps of workers

    @some(State.QUEUED)
    @rule(worker=WORKERS, picks=st.lists(PICK, min_size=1, max_size=4))
    def claim(self, worker: str, picks: list[int]) -> None:
        wanted = [self.pick(pick)[0] for pick in picks]
        found = claims.claim(wanted, holder=f"{worker}/1/{worker}-message", now=self.now)
        expected = [
            job_id for job_id in dict.fromkeys(wanted)
            if (job := self.jobs[job_id]).state is State.QUEUED
            and (job.started_at or job.expires_at is None or job.expires_at > self.now)
        ]  # fmt: skip
        assert [row.id for row in found] == expected
        for job_id in expected:
            job = self.jobs[job_id]
            job.state, job.attempt, job.lease_until = State.RUNNING, job.attempt + 1, self.now + LEASE
            job.claimed_at, job.started_at = self.now, job.started_at or self.now
        self.held[worker] += found

    @some(State.QUEUED)
    @rule(worker=WORKERS)
    def claim_all(self, worker: str) -> None:
        self.claim(worker=worker, picks=list(range(len(self.jobs))))

    @holding()
    @rule(worker=WORKERS)
    def beat(self, worker: str) -> None:
        told = liveness.extend([(row.id, row.attempt) for row in self.held[worker]], now=self.now)
        mine = [row.id for row in self.held[worker] if self.owns(row)]
        assert told == {job_id: self.jobs[job_id].to_cancel for job_id in mine}
        for job_id in mine:
            self.jobs[job_id].lease_until = self.now + LEASE

    @holding()
    @rule(pick=PICK, end=st.sampled_from(["succeed", "fail", "fail", "stop", "give_back"]), error=ERRORS)
    def settle(self, pick: int, end: str, error: Exception) -> None:
        """A worker reports an end, whether it still owns the job or not."""
        row, owned = self.take(pick)
        job = self.jobs[row.id]
        match end:
            case "succeed" if job.atomic:
                told, state = self.run(row), State.SUCCEEDED
            case "succeed":
                told, state = outcomes.succeed(row, {"attempt": row.attempt}, 10, now=self.now), State.SUCCEEDED
            case "stop":
                told, state = outcomes.cancel(row, now=self.now, reason="on request"), State.CANCELLED
            case "give_back":
                told = claims.give_back(row, now=self.now, reason="not started")
                state = State.CANCELLED if job.to_cancel else State.QUEUED
                if owned and job.started_at == job.claimed_at:
                    job.started_at = None  # as if it had never been claimed: it may expire
            case _:
                told = outcomes.fail(row, outcomes.Failure("on purpose"), error, NO_RETRY, now=self.now)
                state = job.failed_by(error) if owned else job.state
        assert told == owned
        if owned:
            job.leave(state)
            job.due_at = Job.objects.get(id=row.id).due_at
            assert job.due_at >= self.now or state is not State.RETRYING

    def run(self, row: Job) -> bool:
        """Run a job as its worker does, from the handler to the settlement; returns whether that was not refused."""
        held = Held(
            job_id=row.id, attempt=row.attempt, soft_at=0, hard_at=0,
            on_overdue=lambda *_: None, interrupt=lambda: None,
        )  # fmt: skip
        with pytest.MonkeyPatch.context() as patch:
            for each in (attempts, settlement):
                patch.setattr(each, "database_now", lambda: self.now)
            attempts.run(row, held, attempts.Course(self.now, time.monotonic()))
            tray.empty()
        return row.events.latest("id").name != "late write refused"

    @some(State.RUNNING)
    @rule(worker=WORKERS)
    def take_over(self, worker: str) -> None:
        """What the promises are about, as one step, so that it is met often: a frozen worker still holds its job."""
        self.now += LEASE + timedelta(seconds=1)
        self.rescue()
        self.claim_all(worker=worker)

    @holding()
    @rule(worker=WORKERS)
    def die(self, worker: str) -> None:
        ids = [row.id for row in self.held[worker]]
        mine = {row.id for row in self.held[worker] if self.owns(row)}
        assert rescue.lost_child(ids, f"{worker}-message", now=self.now, reason="killed") == len(mine)
        self.held[worker] = []
        for job_id in mine:
            self.lose(self.jobs[job_id])

    # What must hold after each step

    @invariant()
    def the_ledger_is_as_the_model_says(self) -> None:
        rows = {row["id"]: row for row in Job.objects.values()}
        assert set(rows) == set(self.jobs)
        for job_id, job in self.jobs.items():
            row = rows[job_id]
            assert (row["state"], row["attempt"], row["failures"], row["kills"], row["lease_until"]) == (
                job.state, job.attempt, job.failures, job.kills, job.lease_until,
            )  # fmt: skip
            assert (row["cancel_requested_at"] is not None) == job.to_cancel
            if job.state in FINAL:
                assert self.ended.setdefault(job_id, row) == row, "history is never overwritten"
        assert sum(row["state"] == "queued" and row["dispatched_at"] is not None for row in rows.values()) <= WINDOW

    @invariant()
    def effects_count_once(self) -> None:
        written = [name.rsplit(" ", 1)[0] for name in Group.objects.values_list("name", flat=True)]
        assert sorted(written) == sorted(
            f"{job_id} {job.attempt}"
            for job_id, job in self.jobs.items()
            if job.atomic and job.state is State.SUCCEEDED
        )

    @invariant()
    def attempts_add_up(self) -> None:
        outcomes_of: dict[UUID, Counter[str]] = {job_id: Counter() for job_id in self.jobs}
        for job_id, number, outcome in Attempt.objects.order_by("number").values_list("job_id", "number", "outcome"):
            outcomes_of[job_id][outcome] += 1
            assert number == outcomes_of[job_id].total(), "without gaps"
        for job_id, job in self.jobs.items():
            found = outcomes_of[job_id]
            assert found.total() == job.attempt
            assert found["running"] == (job.state is State.RUNNING)
            assert found["failed"] == job.failures
            assert found["succeeded"] == (job.state is State.SUCCEEDED)

    @invariant()
    def the_record_chains_from_the_first_state_to_the_present_one(self) -> None:
        at = dict.fromkeys(self.jobs, "")
        for job_id, name, source, target in Event.objects.order_by("id").values_list(
            "job_id", "name", "source", "target"
        ):
            if name != "late write refused":
                assert source == at[job_id]
                assert source in {"", target} or legal(State(source), State(target))
                at[job_id] = target
            else:
                assert source == target == at[job_id]
        assert at == {job_id: job.state for job_id, job in self.jobs.items()}

    def pick(self, number: int) -> tuple[UUID, Expected]:
        return list(self.jobs.items())[number % len(self.jobs)]

    def owns(self, row: Job) -> bool:
        job = self.jobs[row.id]
        return job.state is State.RUNNING and job.attempt == row.attempt

    def take(self, number: int) -> tuple[Job, bool]:
        """A row that a worker believes to hold; it keeps it now and then, to report twice."""
        worker, row = [(worker, row) for worker, rows in self.held.items() for row in rows][
            number % sum(map(len, self.held.values()))
        ]
        if number % 3:
            self.held[worker].remove(row)
        return row, self.owns(row)

    def lose(self, job: Expected) -> None:
        if job.to_cancel:
            job.leave(State.CANCELLED)
            return
        job.kills += 1
        job.leave(State.FAILED if job.kills >= MAX_KILLS else State.QUEUED)


def test_every_life_keeps_the_promises(db: None, configured: Any) -> None:
    configured(queues=("default", LANE), window=WINDOW, max_kills=MAX_KILLS, lease_seconds=LEASE.total_seconds())
    try:
        run_state_machine_as_test(
            Life,
            # What fails is shown as it was found: making it shorter would take minutes.
            settings=settings(
                phases=[Phase.generate], max_examples=60, stateful_step_count=40, deadline=None, database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )  # fmt: skip
    finally:
        conveyor.purge(LANE)
