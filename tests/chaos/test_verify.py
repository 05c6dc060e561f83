"""What chaos looks for at the end is found: each kind of damage to a sound ledger makes a sentence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.chaos import verify
from tests.chaos.journal import Entry
from tests.chaos.load import Known
from tests.chaos.plan import Order
from tests.chaos.verify import Found

JOB, OTHER = UUID(int=1), UUID(int=2)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ATOMIC = Order(0, "one", "chaos.atomic", {"seconds": 0}, None, by_http=True, cancel_after=None)


def event(name: str, source: str, target: str, attempt: int = 1) -> dict[str, Any]:
    return {"name": name, "source": source, "target": target, "attempt": attempt}


def sound() -> Found:
    """One atomic job: its first attempt was lost with process 77, which was frozen; its second succeeded."""
    job = {
        "idempotency_key": "one", "kind": "chaos.atomic", "parameters": {"seconds": 0}, "state": "succeeded",
        "attempt": 2, "failures": 0, "error": "", "kills": 1, "error_type": "",
    }  # fmt: skip
    times = {"started_at": NOON, "finished_at": NOON + timedelta(seconds=6)}
    attempts = [
        {"job_id": JOB, "number": 1, "outcome": "lost", "holder": "w@h/77/message", **times},
        {"job_id": JOB, "number": 2, "outcome": "succeeded", "holder": "w@h/78/message", **times},
    ]
    events = [
        event("submitted", "", "queued", 0),
        event("claimed", "queued", "running"),
        event("rescued", "running", "queued"),
        event("claimed", "queued", "running", 2),
        event("succeeded", "running", "succeeded", 2),
        event("late write refused", "succeeded", "succeeded", 1),
    ]
    return Found({JOB: job}, {JOB: attempts}, {JOB: events}, {JOB: [2]})


def complaints(found: Found, known: Known | None = None, journal: tuple[Entry, ...] = ()) -> list[str]:
    verify.check(found, [ATOMIC], known or Known(accepted={"one": JOB}), journal)
    return [sentence for _, sentence in found.faults]


def test_a_sound_ledger_has_no_fault() -> None:
    assert complaints(sound()) == []


DAMAGE: dict[str, Callable[[Found], Any]] = {
    "is not in the ledger": lambda found: found.jobs.clear(),
    "is still queued": lambda found: found.jobs[JOB].update(state="queued"),
    "it failed": lambda found: found.jobs[JOB].update(state="failed", error="the ledger was away"),
    "found those of [2, 2]": lambda found: found.effects[JOB].append(2),
    "found those of []": lambda found: found.effects.clear(),
    "found those of [1]": lambda found: found.effects.update({JOB: [1]}),
    "an effect of a job that is not in the ledger": lambda found: found.effects.update({OTHER: [1]}),
    "a job that nobody was told of": lambda found: found.jobs.update({OTHER: {**found.jobs[JOB]}}),
    "the key one has 2 jobs": lambda found: found.jobs.update({OTHER: {**found.jobs[JOB]}}),
    "attempts [2] of a job at attempt 2": lambda found: found.attempts[JOB].pop(0),
    "2 attempts succeeded": lambda found: found.attempts[JOB][0].update(outcome="succeeded"),
    "an attempt is still running": lambda found: found.attempts[JOB][0].update(outcome="running"),
    "1 attempts failed, the job counts 0": lambda found: found.attempts[JOB][0].update(outcome="failed"),
    "'claimed' starts from queued, the job was running": lambda found: found.events[JOB].pop(2),
    "which is no legal move": lambda found: found.events[JOB].insert(5, event("due", "succeeded", "queued")),
    "its record ends at running": lambda found: found.events[JOB].pop(4),
}


@pytest.mark.parametrize("sentence", DAMAGE)
def test_damage_is_found(sentence: str) -> None:
    found = sound()
    DAMAGE[sentence](found)
    assert any(sentence in each for each in complaints(found)), found.faults


def test_an_order_without_an_answer_and_a_key_with_two_jobs_are_found() -> None:
    assert "one never got an answer" in complaints(sound(), Known())
    assert complaints(sound(), Known(accepted={"one": JOB}, doubled=["one: 1 and 2"]))
    assert complaints(sound(), Known(accepted={"one": JOB}, refused=["one: 400"]))


def test_a_job_that_was_hit_too_often_may_fail_and_one_that_was_not_may_not() -> None:
    for kills, wrong in ((3, 0), (2, 1)):
        found = sound()
        found.jobs[JOB].update(state="failed", kills=kills, error_type="WorkerLost")
        found.attempts[JOB][1].update(outcome="lost")
        found.events[JOB][4:] = [event("failed", "running", "failed", 2)]
        found.effects.clear()
        verify.check(found, [ATOMIC], Known(accepted={"one": JOB}), (), max_kills=3)
        assert len(found.faults) == wrong, found.faults


def test_late_writes_are_counted_by_kind() -> None:
    assert [verify.late_writes(sound(), kind) for kind in ("", "chaos.atomic", "chaos.slow")] == [1, 1, 0]


def test_a_late_write_that_was_not_recorded_is_found() -> None:
    name = "child frozen past its lease"
    entry = Entry(name, NOON + timedelta(seconds=1), until=NOON + timedelta(seconds=9), pids=[77], survivors=[77])
    found = sound()
    found.jobs[JOB].update(kind="chaos.slow", parameters={"seconds": 1, "listens": False})
    found.effects.clear()
    order = Order(0, "one", "chaos.slow", {}, None, by_http=True, cancel_after=None)
    known = Known(accepted={"one": JOB})
    verify.check(found, [order], known, (entry,))
    assert found.faults == []
    found.events[JOB].pop()
    verify.check(found, [order], known, (entry,))
    assert "no late write of it is recorded" in found.faults[0][1]
