"""What must be true of the ledger when everything has ended. Every function returns sentences about what is not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from jobs_app.lifecycle import EventName, Outcome, State, legal
from jobs_app.models import Attempt, Event, Job
from tests.chaos.journal import Entry
from tests.chaos.kinds import TABLE
from tests.chaos.load import Known
from tests.chaos.plan import PAST_LEASE, Order

REFUSED = str(EventName.LATE_WRITE_REFUSED)


@dataclass
class Found:
    """The ledger as it is now, read once."""

    jobs: dict[UUID, dict[str, Any]]
    attempts: dict[UUID, list[dict[str, Any]]]
    events: dict[UUID, list[dict[str, Any]]]
    effects: dict[UUID, list[int]]
    faults: list[tuple[UUID | None, str]] = field(default_factory=list)
    """What is wrong: the job, if it is one job's, and a sentence."""

    def wrong(self, job_id: UUID | None, sentence: str) -> None:
        """Note a violation."""
        self.faults.append((job_id, sentence))


def read() -> Found:
    """Everything, in a handful of queries."""
    attempts, events, effects = defaultdict(list), defaultdict(list), defaultdict(list)
    for row in Attempt.objects.order_by("job_id", "number").values():
        attempts[row["job_id"]].append(row)
    for row in Event.objects.order_by("id").values():
        events[row["job_id"]].append(row)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT job, attempt FROM {TABLE}")
        for job_id, attempt in cursor.fetchall():
            effects[UUID(job_id)].append(attempt)
    return Found({row["id"]: row for row in Job.objects.values()}, attempts, events, effects)


def check(
    found: Found, orders: Iterable[Order], known: Known, journal: Iterable[Entry], *, max_kills: int = 100
) -> None:
    """Check all of it; what is wrong is in ``found.faults`` afterwards."""
    by_key = {order.key: order for order in orders}
    _nothing_lost(found, by_key, known)
    _endings(found, by_key, known, max_kills)
    for job_id, job in found.jobs.items():
        _attempts_add_up(found, job_id, job)
        _the_record_chains(found, job_id, job)
        _effects_once(found, job_id, job)
    for job_id in set(found.effects) - set(found.jobs):
        found.wrong(job_id, "an effect of a job that is not in the ledger")
    _late_writes_recorded(found, journal)


def _nothing_lost(found: Found, by_key: Mapping[str, Order], known: Known) -> None:
    for refused in known.refused:
        found.wrong(None, f"a submission was refused: {refused}")
    for doubled in known.doubled:
        found.wrong(None, f"one idempotency key made two jobs: {doubled}")
    for key in sorted(set(by_key) - set(known.accepted)):
        found.wrong(None, f"{key} never got an answer")
    keys = Counter(job["idempotency_key"] for job in found.jobs.values())
    for key, times in keys.items():
        if times > 1:
            found.wrong(None, f"the key {key} has {times} jobs")
    for key, job_id in known.accepted.items():
        job = found.jobs.get(job_id)
        if job is None:
            found.wrong(job_id, f"{key} was accepted and is not in the ledger")
        elif job["idempotency_key"] != key:
            found.wrong(job_id, f"{key} was answered with the job of {job['idempotency_key']}")
        elif not State(job["state"]).final:
            found.wrong(job_id, f"{key} was accepted and is still {job['state']}")
    for job_id in set(found.jobs) - set(known.accepted.values()):
        found.wrong(job_id, "a job that nobody was told of")


def _endings(found: Found, by_key: Mapping[str, Order], known: Known, max_kills: int) -> None:
    """No fault of the machinery may show in how a job ends: that is what its kind does, or what was asked for.

    But for one that was hit so often that it counts as poison.
    """
    for key, job_id in known.accepted.items():
        job = found.jobs.get(job_id)
        if job is None or not State(job["state"]).final:
            continue
        allowed = {by_key[key].ending} | ({"cancelled"} if job_id in known.cancelled else set())
        if job["error_type"] == "WorkerLost" and job["kills"] >= max_kills:
            allowed.add("failed")
        if job["state"] not in allowed:
            found.wrong(job_id, f"expected it to end {' or '.join(sorted(allowed))}, it {job['state']}: {job['error']}")


def _attempts_add_up(found: Found, job_id: UUID, job: Mapping[str, Any]) -> None:
    rows = found.attempts.get(job_id, [])
    outcomes = [row["outcome"] for row in rows]
    if [row["number"] for row in rows] != list(range(1, job["attempt"] + 1)):
        found.wrong(job_id, f"attempts {[row['number'] for row in rows]} of a job at attempt {job['attempt']}")
    count = Counter(outcomes)
    if not State(job["state"]).final:
        return
    if count[Outcome.RUNNING]:
        found.wrong(job_id, f"an attempt is still running, the job is {job['state']}")
    if count[Outcome.SUCCEEDED] != (job["state"] == State.SUCCEEDED):
        found.wrong(job_id, f"{count[Outcome.SUCCEEDED]} attempts succeeded, the job is {job['state']}")
    if job["state"] == State.SUCCEEDED and outcomes[-1:] != [Outcome.SUCCEEDED]:
        found.wrong(job_id, f"it succeeded, its last attempt is {outcomes[-1:]}")
    if job["state"] == State.FAILED and outcomes[-1:] not in ([Outcome.FAILED], [Outcome.LOST]):
        found.wrong(job_id, f"it failed, its last attempt is {outcomes[-1:]}")
    if count[Outcome.FAILED] != job["failures"]:
        found.wrong(job_id, f"{count[Outcome.FAILED]} attempts failed, the job counts {job['failures']}")


def _the_record_chains(found: Found, job_id: UUID, job: Mapping[str, Any]) -> None:
    """Each move starts where the one before it ended, and the table of moves allows it."""
    at, claims = "", 0
    for event in found.events.get(job_id, []):
        source, target = event["source"], event["target"]
        if source == target:
            continue  # no move: a cancel request, a refused write
        if source != at:
            found.wrong(job_id, f"'{event['name']}' starts from {source or 'nothing'}, the job was {at or 'not there'}")
        elif source and not legal(State(source), State(target)):
            found.wrong(job_id, f"'{event['name']}' moved it from {source} to {target}, which is no legal move")
        claims += event["name"] == EventName.CLAIMED
        at = target
    if at != job["state"]:
        found.wrong(job_id, f"its record ends at {at}, the job is {job['state']}")
    if claims != job["attempt"]:
        found.wrong(job_id, f"its record has {claims} claims, the job is at attempt {job['attempt']}")


def _effects_once(found: Found, job_id: UUID, job: Mapping[str, Any]) -> None:
    rows = found.effects.get(job_id, [])
    wanted = [job["attempt"]] if job["kind"] == "chaos.atomic" and job["state"] == State.SUCCEEDED else []
    if rows != wanted:
        found.wrong(job_id, f"expected the effects of attempts {wanted}, found those of {rows}")


def _late_writes_recorded(found: Found, journal: Iterable[Entry]) -> None:
    """A process that was frozen until its job was taken over, and then went on, reported too late: that is on record.

    Only of jobs that end by themselves: a handler that listens is told that its job is gone, and reports nothing.
    """
    for entry in journal:
        if entry.name not in PAST_LEASE or entry.until is None:
            continue
        for pid in entry.survivors:
            for attempt in lost_by(found, pid, entry.at, entry.until):
                job = found.jobs[attempt["job_id"]]
                if job["kind"] != "chaos.slow" or job["parameters"]["listens"]:
                    continue
                refused = [row for row in found.events[attempt["job_id"]] if row["name"] == REFUSED]
                if not any(row["attempt"] == attempt["number"] for row in refused):
                    words = f"process {pid} was frozen until attempt {attempt['number']} was lost, went on,"
                    found.wrong(attempt["job_id"], f"{words} and no late write of it is recorded")


def late_writes(found: Found, kind: str = "") -> int:
    """How many late writes were refused, of all jobs or of one kind's."""
    return sum(
        event["name"] == REFUSED
        for job_id, events in found.events.items()
        for event in events
        if not kind or found.jobs[job_id]["kind"] == kind
    )


def lost_by(found: Found, pid: int, since: datetime, until: datetime | None = None) -> list[dict[str, Any]]:
    """The attempts that a process held at a time and that were given up after it (and before ``until``)."""
    return [
        row
        for rows in found.attempts.values()
        for row in rows
        if f"/{pid}/" in row["holder"]
        and row["outcome"] == Outcome.LOST
        and row["started_at"] <= since <= row["finished_at"]
        and (until is None or row["finished_at"] <= until)
    ]
