"""Whether jobs start when they were told they would: ``python -m benchmarks.overload.estimates``.

Three kinds of different length, mixed at random, come at random moments: first less than the worker can do, so that
there is something to measure by, then twice as much, then half, until nothing waits. Each job's range was told when it
was accepted, and the ledger keeps it. The first phase is not judged.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from benchmarks.overload.options import options, tell

# isort: split
from benchmarks import figures, ground

# isort: split
from django.contrib.auth.models import User

from benchmarks.kinds import SECONDS
from jobs_app.core import submission
from jobs_app.lifecycle import FINAL
from jobs_app.models import Job

KINDS = ("load.short", "load.middle", "load.long")
PHASES = ((30.0, 0.5), (25.0, 1.6), (20.0, 0.4))
"""Seconds, and what comes, as a part of what the slots could do if a job cost no more than its own time."""
PATIENCE = 600.0


def main() -> None:
    """Submit, wait, compare, tell."""
    settings = ground.settings()
    owner = User.objects.create_user("offerer")
    for name in ("upkeep", "beat"):
        ground.ready(name)
    ground.worker("worker", options.slots)
    possible = options.slots / statistics.mean(SECONDS[kind] for kind in KINDS)
    phases = [_phase(seconds * ground.options.scale, part * possible, owner) for seconds, part in PHASES]
    left = Job.objects.exclude(state__in=FINAL)
    figures.say(f"{[len(jobs) for jobs in phases]} jobs came, {left.count()} are left")
    ground.wait(lambda: not left.exists(), PATIENCE, "every job to end", pause=0.5)
    judged = [job for ids in phases[1:] for job in Job.objects.filter(id__in=ids)]
    kinds = {kind: _compare([job for job in judged if job.kind == kind]) for kind in KINDS}
    tell({"settings": settings, **_compare(judged), "kinds": kinds})


def _phase(seconds: float, rate: float, owner: User) -> list[Any]:
    """Submit for so many seconds, at random moments (a Poisson process); returns the jobs' ids."""
    ids = []
    ends, at = time.monotonic() + seconds, time.monotonic()
    while (at := at + ground.chance.expovariate(rate)) < ends:
        ground.wait(lambda at=at: time.monotonic() >= at, seconds, "its moment", pause=max(0, at - time.monotonic()))
        ids.append(submission.submit(ground.chance.choice(KINDS), {}, owner=owner).id)
    return ids


def _compare(jobs: list[Job]) -> dict[str, Any]:
    """What was told of the start, against what came. Times in seconds since the job was submitted."""
    told = [job for job in jobs if job.start_from is not None and job.start_until is not None and job.started_at]
    early = sum(job.started_at < job.start_from for job in told)
    late = sum(job.started_at > job.start_until for job in told)
    found = {"jobs": len(jobs), "told": len(told), "within": len(told) - early - late, "early": early, "late": late}
    if not told:
        return found
    widths = [(job.start_until - job.start_from).total_seconds() for job in told]
    waits = [(job.started_at - job.created_at).total_seconds() for job in told]
    return {
        **found, "wait s": figures.summary(waits), "width of the range s": figures.summary(widths),
        "median width / median wait": round(statistics.median(widths) / max(statistics.median(waits), 0.001), 2),
    }  # fmt: skip


if __name__ == "__main__":
    main()
