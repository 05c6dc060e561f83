"""Does depth matter? The same code on a ledger of 1,000 jobs that have ended, and on one of ten million, in which a
million wait: how many jobs a second a worker of two processes settles, and how long what happens to each job takes.

Both ledgers are on one server, and take turns. ``--settled`` and ``--queued`` make the deep one smaller, and so does
``--scale``. The goal is a drain of at least 0.9 of the shallow one's.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import connection

from benchmarks import figures, ground
from benchmarks.bulk import Maker
from benchmarks.deep import DEEP, KIND, QUEUE, SHALLOW, at, make, policy, renew
from jobs_app.core import claims, clock, dispatch, flow, gate, outcomes, pulses, submission
from jobs_app.core.rollups import levels
from jobs_app.criteria import JobFilter
from jobs_app.lifecycle import State
from jobs_app.models import Event, Job
from jobs_app.models.guard import writing
from jobs_app.reads import counts, jobs
from tests.support import conveyor

FEW = 1_000
ROUNDS, TIMES, WARM = 5, 20, 3
BACKLOG = 20_000
"""Jobs that wait in the shallow ledger while it is drained, so that it does not run dry."""

DRAIN_SECONDS, WARM_JOBS, PATIENCE = 12.0, 50, 300.0
CLAIMED = 50
LEAST = 0.9


def main() -> int:
    """Fill, measure, print, keep. Returns 1 if the deep ledger is drained too slowly."""
    if ground.options.database != "postgresql":
        sys.exit("expected --database postgresql")
    settings = ground.settings()
    settled, queued = (ground.scaled(count, FEW) for count in (ground.options.settled, ground.options.queued))
    began = time.perf_counter()
    make(settled, FEW, queued)
    filled = time.perf_counter() - began
    figures.say(f"both are there, after {filled:.0f} s")
    rows = [_row(name, *_in_turn(partial(_timed, step))) for name, step in STEPS.items()]
    figures.table("Steps alone (ms)", rows)
    drained = _in_turn(_drained)
    ratios = [deep / shallow for shallow, deep in zip(*drained, strict=True)]
    ratio = figures.spread(ratios, 2)
    rows.append(
        {
            **_row("drained, jobs a second", *drained),
            "ratio": ratio["median"],
            "from": ratio["least"],
            "to": ratio["greatest"],
        }
    )
    figures.table(f"{FEW:,} jobs and {settled:,} with {queued:,} that wait (ms, but the last)", rows)
    conditions = {**settings, "settled": settled, "queued": queued, "filled_seconds": round(filled)}
    figures.keep("depth-postgresql", conditions, {"rows": rows, "drained": drained})
    found = f"{ratio['median']:.2f} of the shallow ledger's"
    return figures.verdict(
        [figures.Check("drain of the deep ledger", found, f"at least {LEAST}", ratio["median"] >= LEAST)]
    )


def _in_turn(measure: Callable[[str], list[float]]) -> tuple[list[float], list[float]]:
    """What was measured of the shallow and of the deep ledger, which take turns."""
    found: dict[str, list[float]] = {SHALLOW: [], DEEP: []}
    for _ in range(ROUNDS):
        for name in (SHALLOW, DEEP):
            with at(name):
                found[name] += measure(name)
    return found[SHALLOW], found[DEEP]


def _row(what: str, shallow: list[float], deep: list[float]) -> dict[str, Any]:
    ratios = [one / other for one, other in zip(sorted(deep), sorted(shallow), strict=True)]
    few, many = figures.spread(shallow, 2), figures.spread(deep, 2)
    return {
        "what": what, "shallow": few["median"], "least": few["least"], "greatest": few["greatest"],
        "deep": many["median"], "its least": many["least"], "its greatest": many["greatest"],
        "ratio": round(statistics.median(deep) / statistics.median(shallow), 2),
        "from": round(min(ratios), 2), "to": round(max(ratios), 2),
    }  # fmt: skip


def _timed(step: Callable[[], Callable[[], object]], name: str) -> list[float]:
    """Milliseconds of each of some times; ``step`` prepares, and returns what is timed."""
    found = []
    for turn in range(WARM + TIMES):
        work = step()
        began = time.perf_counter()
        work()
        if turn >= WARM:
            found.append((time.perf_counter() - began) * 1000)
    return found


def _waiting(count: int) -> list[Any]:
    """Ids of jobs that wait; of the shallow ledger they are made first."""
    rows = Job.objects.filter(queue=QUEUE, state=State.QUEUED, dispatched_at=None)
    found = list(rows.order_by("-priority", "due_at", "id").values_list("id", flat=True)[:count])
    while len(found) < count:
        found.append(submission.submit(KIND, {}, message=False).id)
    return found


def _refill() -> Callable[[], object]:
    conveyor.purge(QUEUE)
    _waiting(CLAIMED)
    with writing():
        Job.objects.filter(queue=QUEUE, state=State.QUEUED, dispatched_at__isnull=False).update(dispatched_at=None)
    return lambda: dispatch.refill(QUEUE, now=clock.database_now())


def _claim() -> Callable[[], object]:
    ids = _waiting(CLAIMED)
    return lambda: claims.claim(ids, holder="depth", now=clock.database_now())


def _settle() -> Callable[[], object]:
    (job,) = claims.claim(_waiting(1), holder="depth", now=clock.database_now())
    return lambda: outcomes.succeed(job, None, 4, now=clock.database_now())


def _contact() -> Callable[[], object]:
    bounds = policy()
    return lambda: gate.contact(QUEUE, bounds, holding=0, now=clock.database_now())


STEPS: dict[str, Callable[[], Callable[[], object]]] = {
    "refill of the window": _refill,
    f"claim of {CLAIMED}": _claim,
    "settlement of one": _settle,
    "submission": lambda: lambda: submission.submit(KIND, {}, message=False),
    "contact with the gate": _contact,
    "list of all": lambda: lambda: jobs.job_page(None, JobFilter()),
    "list of those that wait": lambda: lambda: jobs.job_page(None, JobFilter(states=(State.QUEUED,))),
    "list of a kind that ended": lambda: lambda: jobs.job_page(None, JobFilter(kind="kind1")),
    "counts beside a list": lambda: lambda: counts.by_state(None, JobFilter()),
    "pulse of the queue": lambda: lambda: pulses.read(QUEUE, now=clock.database_now()),
    "flow (every 2 s)": lambda: lambda: flow.observe(now=clock.database_now()),
    "levels (every 10 s)": lambda: lambda: levels.look(now=clock.database_now()),
}


def _drained(name: str) -> list[float]:
    """Jobs a second that one worker of two processes settles, once it is warm."""
    conveyor.purge(QUEUE)
    if name == SHALLOW:
        renew()
        maker = Maker(FEW)
        maker.wait(BACKLOG, clock.database_now(), kind=KIND, queue=QUEUE)
        maker.done()
    with writing():
        Job.objects.filter(queue=QUEUE, state=State.QUEUED, dispatched_at__isnull=False).update(dispatched_at=None)
    before = Event.objects.order_by("-id").values_list("id", flat=True).first() or 0
    worker = ground.worker("drainer", DATABASE_URL=_url(name))
    dispatch.refill(QUEUE, now=clock.database_now())
    ground.wait(lambda: _settled(before) >= WARM_JOBS, PATIENCE, "the first jobs to be settled")
    done, began = _settled(before), time.perf_counter()
    ground.until(lambda: False, DRAIN_SECONDS)
    rate = (_settled(before) - done) / (time.perf_counter() - began)
    worker.stop()
    return [rate]


def _settled(before: int) -> int:
    return Event.objects.filter(id__gt=before, name="succeeded").count()


def _url(name: str) -> str:
    there = connection.settings_dict
    return f"postgres://{there['USER']}@{there['HOST']}:{there['PORT']}/{name}"


if __name__ == "__main__":
    sys.exit(main())
