"""How soon a job runs again after its worker process, or its whole worker, was killed (SIGKILL).

Measured from the signal to the claim of the next attempt, by the ledger. Promised: 5 s, and 30 s; the program ends
with 1 if a 99th percentile is beyond.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from datetime import datetime
from pathlib import Path
from uuid import UUID

from benchmarks import figures, ground, promises
from jobs_app.core import clock, submission
from jobs_app.lifecycle import State
from jobs_app.models import Attempt, Job

TRIALS = 30
VICTIMS = 5
ROUNDS = 5
AGAIN_SECONDS = 90.0


def main() -> int:
    """Measure both, print, keep, judge."""
    settings = ground.settings()
    for name in ("upkeep", "beat"):
        ground.ready(name)
    survivor = ground.worker("survivor", concurrency=VICTIMS)
    children = [_child_killed(number) for number in range(ground.scaled(TRIALS, 3))]
    figures.say(f"children: {children}")
    workers = [delay for number in range(ground.scaled(ROUNDS)) for delay in _workers_killed(number)]
    survivor.kill()
    rows = [
        {
            "killed (s until the next claim)": "a worker's child",
            **figures.summary(children),
            "promised": promises.CHILD_SECONDS,
        },
        {
            "killed (s until the next claim)": "a whole worker",
            **figures.summary(workers),
            "promised": promises.WORKER_SECONDS,
        },
    ]
    figures.table(f"Rescue, {ground.options.database}", rows)
    figures.keep(f"rescue-{ground.options.database}", settings, {"child": children, "worker": workers, "rows": rows})
    return figures.verdict(promises.of_rescue(children, workers))


def _child_killed(number: int) -> float:
    """One job, one child: killed at a random moment of its lease."""
    (job,) = _running([_submit(f"child-{number}")])
    threading.Event().wait(ground.chance.uniform(0, 2.5))
    killed_at = clock.database_now()
    os.kill(int(job.holder.split("/")[1]), signal.SIGKILL)
    delay = _again(job.id, killed_at)
    _finished([job.id])
    return delay


def _workers_killed(number: int) -> list[float]:
    """A round: several workers of one child each are killed while one that is busy, and soon free, stays."""
    victims = [ground.worker(f"victim{number}-{each}", concurrency=1) for each in range(VICTIMS)]
    jobs = _running([_submit(f"round-{number}-{each}") for each in range(2 * VICTIMS)])
    held = {job.holder.split("@")[0]: job.id for job in jobs if job.holder.startswith("victim")}
    spared = [job for job in jobs if job.id not in held.values()]
    for job in spared:
        Path(job.parameters["release"]).touch()
    _finished([job.id for job in spared])
    killed_at: dict[UUID, datetime] = {}
    for place, victim in enumerate(victims):
        threading.Event().wait(ground.chance.uniform(0, 1))
        killed_at[held[f"victim{number}-{place}"]] = clock.database_now()
        victim.kill()
    delays = [_again(job_id, moment) for job_id, moment in killed_at.items()]
    _finished(list(killed_at))
    figures.say(f"round {number + 1}: {delays}")
    return delays


def _submit(name: str) -> UUID:
    files = {"file": str(ground.directory / "effects"), "release": str(ground.directory / f"release-{name}")}
    return submission.submit("probe.marks", files).id


def _running(ids: list[UUID]) -> list[Job]:
    rows = Job.objects.filter(id__in=ids, state=State.RUNNING)
    ground.wait(lambda: rows.count() == len(ids), ground.START_SECONDS, f"{len(ids)} jobs to run")
    return list(rows)


def _again(job_id: UUID, killed_at: datetime) -> float:
    second = Attempt.objects.filter(job_id=job_id, number=2)
    ground.wait(second.exists, AGAIN_SECONDS, f"job {job_id} to be claimed again")
    return round((second.get().started_at - killed_at).total_seconds(), 3)


def _finished(ids: list[UUID]) -> None:
    left = Job.objects.filter(id__in=ids).exclude(state=State.SUCCEEDED)
    ground.wait(lambda: not left.exists(), ground.START_SECONDS, "the jobs to succeed")


if __name__ == "__main__":
    sys.exit(main())
