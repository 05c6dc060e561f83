"""The tray: what handlers of short jobs have done is settled together, each guarded as if it were alone."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from jobs_app.core import attempts, claims, clock, control, execution, liveness, outcomes
from jobs_app.core.transitions import Success
from jobs_app.core.tray import tray
from jobs_app.lifecycle import EventName
from jobs_app.models import Job
from jobs_app.platform.waiting import until
from tests.support.ledger import HOLDER, claimed, columns_of, fresh, happened, moves_of, submitted

SECOND = timedelta(seconds=1)


def success(job: Job, now: datetime, result: str = "null") -> Success:
    return Success(job, result, len(result), now + SECOND, now + 2 * SECOND)


def test_many_successes_are_settled_as_one_by_one(now: datetime) -> None:
    together = [claimed(submitted(now=now), now=now) for _ in range(3)]
    alone = claimed(submitted(now=now), now=now)
    outcomes.succeed(alone, {"a": 1}, 7, now=now + 2 * SECOND)
    outcomes.succeed_many([success(job, now, '{"a":1}') for job in together])
    same = {"id", "trace", "request_digest"}
    expected = {name: value for name, value in columns_of(alone).items() if name not in same}
    for job in together:
        assert {name: value for name, value in columns_of(job).items() if name not in same} == expected
        assert moves_of(job) == moves_of(alone)
        attempt = job.attempts.get()
        assert (attempt.outcome, attempt.started_at, attempt.finished_at) == (
            "succeeded", now + SECOND, now + 2 * SECOND,
        ), "the attempt began when its handler did"  # fmt: skip


@pytest.mark.parametrize(
    "text", ['"', "\\", '\\"', "{}", ",", "NULL", "a\nb\t", "é 😀", "'; --", '{"a": [1, "}"]}', ""]
)
def test_a_result_comes_back_as_it_was_given(now: datetime, text: str) -> None:
    jobs = [claimed(submitted(now=now), now=now) for _ in range(2)]
    results = [json.dumps({"said": text}), json.dumps([text, None], ensure_ascii=False)]
    outcomes.succeed_many(
        [Success(job, result, len(result), now, now) for job, result in zip(jobs, results, strict=True)]
    )
    assert [fresh(job).result for job in jobs] == [{"said": text}, [text, None]]


def test_one_that_was_lost_meanwhile_is_refused_and_the_others_are_not(now: datetime) -> None:
    mine, lost, settled = (claimed(submitted(now=now), now=now) for _ in range(3))
    claims.give_back(lost, now=now, reason="frozen")
    again = claimed(lost, now=now, holder="another")
    outcomes.succeed_many([success(settled, now)])
    before = [columns_of(job) for job in (lost, settled)]
    outcomes.succeed_many([success(job, now) for job in (lost, mine, settled)])
    assert fresh(mine).state == "succeeded"
    assert [columns_of(job) for job in (lost, settled)] == before
    assert again.attempts.get(number=2).outcome == "running"
    assert happened(lost)[-1] == EventName.LATE_WRITE_REFUSED
    assert happened(settled)[-1] == EventName.SUCCEEDED, "its own, of which only the answer was lost"


@pytest.mark.parametrize("number", [1, 50])
def test_they_take_as_many_queries_for_one_as_for_fifty(
    now: datetime, number: int, django_assert_num_queries: Any
) -> None:
    held = [claimed(submitted(now=now), now=now) for _ in range(number)]
    # On SQLite savepoint, jobs, attempts, events, release.
    with django_assert_num_queries(1 if connection.vendor == "postgresql" else 5):
        outcomes.succeed_many([success(job, now) for job in held])


@pytest.mark.usefixtures("quiet", "nudged")
class TestMessages:
    """A message of several jobs, run as a worker runs it."""

    @pytest.fixture(autouse=True)
    def _patient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """On a loaded machine any job may take longer than a second."""
        monkeypatch.setattr(liveness, "LONG_SECONDS", 60.0)

    def run(self, *ids: UUID) -> int:
        return execution.run(list(ids), holder=HOLDER)

    def test_each_attempt_has_times_of_its_own(self) -> None:
        jobs = [submitted("probe.number", {"value": value}) for value in range(5)]
        slow = submitted("probe.slow", {"seconds": 0.3, "steps": 1})
        self.run(slow.id, *(job.id for job in jobs))
        first, *others = [fresh(job).attempts.get() for job in (slow, *jobs)]
        assert first.finished_at is not None
        assert first.finished_at - first.started_at >= timedelta(seconds=0.3)
        for each in others:
            assert each.finished_at is not None
            assert first.finished_at <= each.started_at <= each.finished_at
            assert each.finished_at - each.started_at < timedelta(seconds=0.3)
        assert [fresh(job).result for job in jobs] == [0, 1, 2, 3, 4]

    def test_a_failure_a_timeout_and_a_cancel_touch_their_own_job_alone(self) -> None:
        fine = [submitted("probe.number", {"value": value}) for value in range(3)]
        broken, late, unwanted = submitted("probe.fails"), submitted("probe.overruns"), submitted()
        held = claims.claim

        def cancelled_since(ids: Any, **named: Any) -> list[Job]:
            jobs = held(ids, **named)
            control.cancel(unwanted.id, actor=None, now=clock.database_now())
            return jobs

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(claims, "claim", cancelled_since)
            self.run(fine[0].id, broken.id, fine[1].id, late.id, unwanted.id, fine[2].id)
        assert [fresh(job).state for job in fine] == ["succeeded"] * 3
        assert [fresh(job).error_type for job in (broken, late)] == ["ValueError", "TimedOut"]
        assert fresh(unwanted).final
        assert {fresh(job).attempt for job in (*fine, broken, late, unwanted)} == {1}

    def test_those_behind_a_long_job_are_given_to_others_and_use_up_no_attempt(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(liveness, "LONG_SECONDS", 1.0)
        slow, behind = submitted("probe.slow", {"seconds": 4}), [submitted() for _ in range(5)]
        seen: list[set[str]] = []

        def watch() -> None:
            assert until(lambda: fresh(slow).state == "running", 20)
            assert until(lambda: {fresh(job).state for job in behind} == {"queued"}, 20)
            seen.append({fresh(slow).state})

        thread = threading.Thread(target=watch)
        thread.start()
        self.run(slow.id, *(job.id for job in behind))
        thread.join()
        assert seen == [{"running"}], "while it still runs"
        assert fresh(slow).state == "succeeded"
        for job in behind:
            row = fresh(job)
            assert (row.state, row.started_at, row.failures, row.kills) == ("queued", None, 0, 0)
            assert row.attempts.get().error == "a job of the same message takes long"
        assert self.run(*(job.id for job in behind)) == 5

    def test_what_has_ended_is_settled_while_the_next_job_still_runs(self) -> None:
        quick, slow = submitted(), submitted("probe.slow", {"seconds": 4})
        seen: list[str] = []

        def watch() -> None:
            assert until(lambda: fresh(quick).final, 20)
            seen.append(fresh(slow).state)

        thread = threading.Thread(target=watch)
        thread.start()
        self.run(quick.id, slow.id)
        thread.join()
        assert seen == ["running"]

    def test_what_is_on_the_tray_is_settled_before_an_atomic_job_begins(self, monkeypatch: pytest.MonkeyPatch) -> None:
        quick, atomic = submitted(), submitted("probe.atomic_writer", {"name": "a"})
        states: list[str] = []
        effects = attempts._effects

        def looked(job: Job) -> Any:
            states.append(fresh(quick).state)
            return effects(job)

        monkeypatch.setattr(attempts, "_effects", looked)
        self.run(quick.id, atomic.id)
        assert states == ["succeeded"]
        assert fresh(atomic).state == "succeeded"

    def test_a_kind_that_is_to_be_alone_is_settled_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        together: list[int] = []
        succeed_many = outcomes.succeed_many
        monkeypatch.setattr(outcomes, "succeed_many", lambda done: together.append(len(done)) or succeed_many(done))
        alone = [submitted("probe.alone") for _ in range(3)]
        self.run(*(job.id for job in alone))
        assert {fresh(job).state for job in alone} == {"succeeded"}
        assert together == []

    def test_a_parent_is_told_of_its_children_that_end_together(self) -> None:
        parent = submitted("family.parent", {"count": 6, "failing": []})
        self.run(parent.id)
        children = list(Job.objects.filter(parent=parent).order_by("id"))
        assert fresh(parent).state == "blocked"
        assert {child.state for child in children} == {"queued"}
        self.run(*(child.id for child in children))
        assert (fresh(parent).state, fresh(parent).progress) == ("succeeded", 1.0)

    def test_reports_of_short_jobs_are_kept(self) -> None:
        jobs = [submitted("probe.logs") for _ in range(3)]
        self.run(*(job.id for job in jobs))
        assert [(fresh(job).state, fresh(job).log_lines.count()) for job in jobs] == [("succeeded", 100)] * 3

    def test_a_ripe_tray_is_emptied_in_between(self, monkeypatch: pytest.MonkeyPatch) -> None:
        settled: list[int] = []
        succeed_many = outcomes.succeed_many
        monkeypatch.setattr(outcomes, "succeed_many", lambda done: settled.append(len(done)) or succeed_many(done))
        jobs = [submitted("probe.slow", {"seconds": 0.06, "steps": 1}) for _ in range(6)]
        self.run(*(job.id for job in jobs))
        assert sum(settled) == 6
        assert len(settled) >= 2, "after a tenth of a second at the latest"


@pytest.fixture(autouse=True)
def _empty() -> Iterator[None]:
    yield
    assert not tray._waiting
