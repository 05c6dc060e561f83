"""Does a test notice? ``make mutants`` takes one guard at a time out of a copy of the code and runs the tests that are
to fail then. It prints which did, and ends with an error if a mutant lived.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FAMILIES, FAMILY_PROPERTY, FAMILY_RACES = (f"tests/{each}/test_families.py" for each in ("core", "property", "race"))
GATE, SIDE_DOOR, ADMISSION, RETRY_AFTER = (
    f"tests/core/test_{each}.py" for each in ("gate", "side_door", "admission", "retry_after")
)
GROWING, GROWING_RACES = "tasks/kinds/growing", "tests/race/test_growing.py"
PROPERTY, RACES = "tests/property/test_lifecycle.py", "tests/race"


@dataclass(frozen=True)
class Mutant:
    """One change that must not go unnoticed."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    database: str = "sqlite"


CORE = "jobs_app/core"
SCHEDULES = f"{CORE}/schedules"
TICKS, SCHEDULE_CHANGES = "tests/core/test_ticks.py", "tests/core/test_schedule_changes.py"
MUTANTS = (
    Mutant(
        "settle without the state", f"{CORE}/transitions.py",
        "Job.objects.filter(id=job_id, state=source, attempt=attempt).update(",
        "Job.objects.filter(id=job_id, attempt=attempt).update(",
        ("tests/core/test_transitions.py", "tests/race/test_settlements.py", PROPERTY),
    ),
    Mutant(
        "settle without the attempt", f"{CORE}/transitions.py",
        "Job.objects.filter(id=job_id, state=source, attempt=attempt).update(",
        "Job.objects.filter(id=job_id, state=source).update(",
        ("tests/core/test_outcomes.py", PROPERTY),
    ),
    Mutant(
        "claim without the state (SQLite)", f"{CORE}/sql/claim.sqlite.sql",
        "AND state = 'queued'", "", ("tests/core/test_claims.py", PROPERTY),
    ),
    Mutant(
        "heartbeat without the attempt (SQLite)", f"{CORE}/sql/heartbeat.sqlite.sql",
        "json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(%(held)s)",
        "json_extract(value, '$[0]'), attempt FROM json_each(%(held)s)",
        ("tests/core/test_liveness.py", PROPERTY),
    ),
    Mutant(
        "heartbeat without the state (SQLite)", f"{CORE}/sql/heartbeat.sqlite.sql",
        "WHERE state = 'running' AND", "WHERE", ("tests/core/test_liveness.py",),
    ),
    Mutant(
        "claim without the state (PostgreSQL)", f"{CORE}/sql/claim.postgresql.sql",
        "AND state = 'queued'", "", ("tests/core/test_claims.py", PROPERTY), "postgresql",
    ),
    Mutant(
        "claim without a lock (PostgreSQL)", f"{CORE}/sql/claim.postgresql.sql",
        "    FOR UPDATE SKIP LOCKED\n", "", ("tests/race/test_claims.py",), "postgresql",
    ),
    Mutant(
        "heartbeat without the attempt (PostgreSQL)", f"{CORE}/sql/heartbeat.postgresql.sql",
        "job.attempt = held.attempt AND ", "", ("tests/core/test_liveness.py", PROPERTY), "postgresql",
    ),
    Mutant(
        "heartbeat without the state (PostgreSQL)", f"{CORE}/sql/heartbeat.postgresql.sql",
        " AND job.state = 'running'", "", ("tests/core/test_liveness.py",), "postgresql",
    ),
    Mutant(
        "giving back what is no longer ours", f"{CORE}/claims.py",
        "row = queries.running(job.id, job.attempt)", "row = Job.objects.get(id=job.id)",
        ("tests/core/test_claims.py", "tests/race/test_settlements.py", PROPERTY),
    ),
    Mutant(
        "giving back what is to be cancelled", f"{CORE}/claims.py",
        "cancelled = row.cancel_requested_at is not None", "cancelled = False", ("tests/core/test_claims.py",),
    ),
    Mutant(
        "an attempt that has ended ends again", f"{CORE}/claims.py",
        "number=job.attempt, outcome=Outcome.RUNNING", "number=job.attempt", ("tests/core/test_claims.py",),
    ),
    Mutant(
        "the end of one attempt ends another", f"{CORE}/claims.py",
        "number=job.attempt, outcome=Outcome.RUNNING", "outcome=Outcome.RUNNING", ("tests/core/test_claims.py",),
    ),
    Mutant(
        "a stopping worker puts back what runs", f"{CORE}/dispatch.py",
        "filter(id__in=list(ids), state=State.QUEUED).update(dispatched_at=None)",
        "filter(id__in=list(ids)).update(dispatched_at=None)", ("tests/core/test_dispatch.py",),
    ),
    Mutant(
        "many are moved whatever their state", f"{CORE}/transitions.py",
        "rows = Job.objects.filter(id__in=ids, state=source)", "rows = Job.objects.filter(id__in=ids)",
        ("tests/core/test_transitions.py",),
    ),
    Mutant(
        "many are moved whatever their attempt", f"{CORE}/transitions.py",
        "rows = rows if attempt is None else rows.filter(attempt=attempt)", "",
        ("tests/core/test_transitions.py",),
    ),
    Mutant(
        "rescue of a lease that was extended meanwhile", f"{CORE}/rescue.py",
        "if job is None or (lapsed and job.lease_until is not None and job.lease_until >= now):",
        "if job is None:", ("tests/core/test_rescue.py", "tests/race/test_settlements.py"),
    ),
    Mutant(
        "rescue without counting the kill", f"{CORE}/rescue.py",
        "kills = job.kills + 1", "kills = job.kills", ("tests/core/test_rescue.py", PROPERTY),
    ),
    Mutant(
        "an atomic kind keeps its effects when refused", f"{CORE}/execution.py",
        "                raise _Refused\n", "                pass\n", ("tests/core/test_execution.py", PROPERTY),
    ),
    Mutant(
        "progress without the attempt", f"{CORE}/liveness.py",
        "Job.objects.filter(id=held.job_id, state=State.RUNNING, attempt=held.attempt).update(",
        "Job.objects.filter(id=held.job_id).update(", ("tests/core/test_reports.py",),
    ),
    Mutant(
        "a checkpoint of a worker that was given up", f"{CORE}/checkpoints.py",
        "if queries.running_here(job) is None:", "if False:", ("tests/core/test_checkpoints.py",),
    ),
    Mutant(
        "a unique key that is not looked at", f"{CORE}/uniqueness.py",
        "        raise Taken(holder)\n", "        pass\n", ("tests/core/test_uniqueness.py",),
    ),
    Mutant(
        "the window is not kept", f"{CORE}/dispatch.py",
        "- max(published, there)", "", ("tests/core/test_dispatch.py", PROPERTY),
    ),
    Mutant(
        "lost messages are told by an empty queue alone", f"{CORE}/dispatch.py",
        "published[depth:] if at", "(published if depth == 0 else []) if at", ("tests/core/test_dispatch.py",),
    ),
    Mutant(
        "a settlement that meets an outage is given up", f"{CORE}/settlement.py",
        "if time.monotonic() >= give_up_at or", "if True or", ("tests/core/test_settlement.py",),
    ),
    Mutant(
        "a stopping worker keeps what it has not started", f"{CORE}/liveness.py",
        "if sign.raised_at is not None and self.take_unstarted(held):", "if False:", ("tests/core/test_stopping.py",),
    ),
    Mutant(
        "admission: what processes hold is not counted", f"{CORE}/gate.py",
        "room = policy.limit - depth - held", "room = policy.limit - depth", (GATE, f"{RACES}/test_admission.py"),
    ),
    Mutant(
        "admission: who comes in by the side door spends no credit", f"{CORE}/side_door.py",
        "gate.spend(queue, len(moved))", "pass", (SIDE_DOOR,),
    ),
    Mutant(
        "admission: who comes in by the side door has no share", f"{CORE}/side_door.py",
        "if owner is None or left[owner] > 0:", "if True:", (SIDE_DOOR,),
    ),
    Mutant(
        "admission: a closed gate is kept closed by children", f"{CORE}/side_door.py",
        "most = max(policy.low_water, 1)", "pass", (SIDE_DOOR,),
    ),
    Mutant(
        "admission: overflow has no bound", f"{CORE}/gate.py",
        "return int(standing.depth + held < policy.hard_limit)", "return 1", (SIDE_DOOR, ADMISSION),
    ),
    Mutant(
        "admission: all are told the same time", f"{CORE}/line.py",
        "max(after_others, now + MARGIN * max(first, 0.0))", "now + MARGIN * max(first, 0.0)", (GATE, RETRY_AFTER),
    ),
    Mutant(
        "admission: the time told leaves out who is ahead", f"{CORE}/admission.py",
        "first=ahead / drain", "first=1 / drain", (RETRY_AFTER, SIDE_DOOR),
    ),
    Mutant(
        "admission: a process takes of a rate what it does not need", f"{CORE}/rates.py",
        "        wanted = 1\n", "        wanted = 10\n", (ADMISSION,),
    ),
    Mutant(
        "family: a parent waits for nobody", f"{CORE}/outcomes.py",
        "if families.turn(job) is not Turn.SUCCEED:", "if False:", (FAMILIES, FAMILY_PROPERTY, FAMILY_RACES),
    ),
    Mutant(
        "family: a worker that was given up spawns", f"{CORE}/spawning.py",
        "if row is None or row.cancel_requested_at is not None:", "if False:", (FAMILIES, FAMILY_PROPERTY),
    ),
    Mutant(
        "family: a parent that begins to wait is not looked at", f"{CORE}/families.py",
        "transaction.on_commit(lambda: settle(job.id, now=now), robust=True)", "pass", (FAMILIES,),
    ),
    Mutant(
        "family: children are let in without a bound", f"{CORE}/side_door.py",
        "room = _room(row, queue, policy, headroom) - held", "room = BATCH",
        (FAMILIES, FAMILY_PROPERTY, FAMILY_RACES, SIDE_DOOR),
    ),
    Mutant(
        "family: upkeep does not look for orphans", f"{CORE}/families.py",
        "for state in sorted(UNFINISHED):\n        left", "for state in ():\n        left", (FAMILIES, FAMILY_PROPERTY),
    ),
    Mutant(
        "family: no preview", f"{CORE}/submission.py",
        "            previews.write(job, kind, checked.model)\n", "", ("tests/core/test_previews.py",),
    ),
    Mutant(
        "family: a batch writes to a post that was deleted", "tasks/kinds/timeline/fanning.py",
        "written = posts.hold(post)", "written = Post.objects.filter(id=post).first()",
        ("tests/core/test_timeline.py", FAMILY_RACES),
    ),
    Mutant(
        "growing: fold without the watermark", f"{GROWING}/folding.py",
        "Rollup.objects.filter(pk=rollup.pk, through=rollup.through)", "Rollup.objects.filter(pk=rollup.pk)",
        (GROWING_RACES, "tests/property/test_growing.py"),
    ),
    Mutant(
        "growing: a table takes the place of one that is ahead", f"{GROWING}/folding.py",
        "state=CURRENT, through__lte=built.through", "state=CURRENT", (GROWING_RACES,),
    ),
    Mutant(
        "growing: late rows by the newest of their own part", f"{GROWING}/sums.py",
        "before is not None and hour < before", "newest is not None and hour < newest",
        ("tests/core/test_growing.py", "tests/property/test_growing.py"),
    ),
    Mutant(
        "growing: a key is looked for only before the dataset is held", f"{GROWING}/datasets.py",
        "        earlier = _earlier(part)\n        if earlier is not None:\n            transaction",
        "        if earlier is not None:\n            transaction", (GROWING_RACES,),
    ),
    Mutant(
        "tick: a beat that was overtaken writes all the same", f"{SCHEDULES}/standing.py",
        "filter(pk=schedule.pk, decided_until=schedule.decided_until)", "filter(pk=schedule.pk)", (TICKS,),
    ),
    Mutant(
        "tick: a job without a key", f"{SCHEDULES}/work.py", "idempotency_key=key(schedule, due_at)",
        "idempotency_key=None", (TICKS,),
    ),
    Mutant(
        "tick: a full queue loses it", f"{SCHEDULES}/ticks.py",
        "until, following = max(schedule.decided_until, made.left - MOMENT), made.left", "following = made.left",
        (TICKS,),
    ),
    Mutant(
        "tick: an edit is not noticed at the tick", f"{SCHEDULES}/ticks.py", "if standing.stale(task):", "if False:",
        (TICKS, SCHEDULE_CHANGES),
    ),
    Mutant(
        "tick: what is enabled again makes up for what is past", f"{SCHEDULES}/standing.py",
        "anew = mended or timed != schedule.timing_digest", "anew = mended", (SCHEDULE_CHANGES,),
    ),
)  # fmt: skip


def copy(to: Path) -> None:
    """The files of this checkout, with its virtual environment beside them."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, to / name)


def noticed(mutant: Mutant, code: Path) -> list[str]:
    """The test files that fail with this mutant in the code."""
    file = code / mutant.file
    whole = file.read_text()
    if whole.count(mutant.old) != 1:
        raise SystemExit(f"expected {mutant.old!r} once in {mutant.file}: the code has moved on, so must the mutant")
    file.write_text(whole.replace(mutant.old, mutant.new))
    try:
        return [name for name in mutant.tests if not passes(name, code, mutant.database)]
    finally:
        file.write_text(whole)


def passes(tests: str, code: Path, database: str) -> bool:
    """Whether these tests pass, on a database of their own."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly", tests]
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment["WEIR_TEST_DATABASE"] = database
    ended = subprocess.run(command, cwd=code, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode not in {0, 1}:
        raise SystemExit(f"expected {tests} to run, and it ended with {ended.returncode}:\n{ended.stdout[-3000:]}")
    return ended.returncode == 0


def main() -> int:
    """Every mutant in turn, or those whose names hold a given word."""
    chosen = [each for each in MUTANTS if all(word in each.name for word in sys.argv[1:])]
    lived = 0
    with tempfile.TemporaryDirectory(prefix="weir-mutants-") as directory:
        code = Path(directory)
        copy(code)
        for mutant in chosen:
            found = noticed(mutant, code)
            lived += len(found) < len(mutant.tests)
            missed = sorted(set(mutant.tests) - set(found))
            verdict = "noticed by " + ", ".join(found) if found else "LIVED"
            print(f"{mutant.name}: {verdict}" + (f"; NOT by {', '.join(missed)}" if missed else ""), flush=True)
    print(f"{len(chosen)} mutants, {lived} not noticed by all the tests named for them")
    return bool(lived)


if __name__ == "__main__":
    sys.exit(main())
