"""The flood against one queue, bounded or not: ``python -m benchmarks.overload.load``.

A backlog is put in, the worker works on it undisturbed for a while (the baseline), and then the clients come with three
times what it did, or with --rate. In the end the queue is emptied, and the ledger is compared with what the clients
were told.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from typing import Any

from benchmarks.overload.options import TIMES, options, tell

# isort: split
from benchmarks import figures, ground

# isort: split
from django.db.models import Count

from benchmarks.overload import backlog
from benchmarks.overload.watch import Watch, finished, watched
from jobs_app.core import transport
from jobs_app.lifecycle import FINAL, State
from jobs_app.models import Job
from jobs_app.platform.ports import HOST, Reservation
from jobs_app.platform.processes import tether

KIND = "load.steady"
QUEUE = "default"
BACKLOG = 0.95
"""Part of the limit that waits before anybody comes: less than would close the gate."""
BASELINE = 1 / 3
"""Part of the load's time that the worker works alone."""
PATIENCE = 1800.0


def main() -> None:
    """Load, then tell the orchestrating program."""
    settings = ground.settings()
    # This program submits only: it must not fill the window too.
    transport.publisher.work = None
    texts = [backlog.token(f"client {number}") for number in range(options.clients)]
    seconds = options.seconds * ground.options.scale
    backlog.put_in(KIND, round(ground.scaled(options.limit, 20) * BACKLOG))
    reservation = Reservation(0)
    ground.ready("web", PORT=str(reservation.port))
    for name in ("upkeep", "beat"):
        ground.ready(name)
    url = f"http://{HOST}:{reservation.port}"
    backlog.warm(url, texts[0])
    with watched(QUEUE) as watch:
        ground.worker("worker", options.slots)
        baseline = _baseline(seconds * BASELINE)
        rate = options.rate or TIMES * baseline
        figures.say(f"alone {baseline:.1f} jobs/s; {options.clients} clients offer {rate:.1f}/s for {seconds:g} s")
        sent = _offer(url, texts, rate, seconds)
        done = _done(sent, seconds)
        if not (options.unbounded and options.cut):
            _empty(watch)
    tell({
        "settings": settings, "limit": None if options.unbounded else ground.scaled(options.limit, 20),
        "seconds": seconds, "rate": rate, "baseline": baseline, **done,
        "samples": watch.samples, "sent": [[each["at"], each["milliseconds"], each["status"]] for each in sent.values()
                                           if each["status"]],
        "retry_after": Counter(each["retry_after"] for each in sent.values() if each.get("retry_after")),
        "errors": Counter(each["error"] for each in sent.values() if not each["status"]),
        "statuses": Counter(each["status"] for each in sent.values()), **_compare(sent), "jobs": _jobs(done["begin"]),
    })  # fmt: skip


def _baseline(seconds: float) -> float:
    """Jobs a second while nobody else wants anything."""
    warm = options.slots * 2
    ground.wait(lambda: Job.objects.filter(state=State.SUCCEEDED).count() >= warm, 60, "the worker to be at work")
    begin = time.time()
    ground.wait(lambda: time.time() >= begin + seconds, seconds + 60, "the baseline", pause=0.1)
    return finished(begin, begin + seconds) / seconds


def _offer(url: str, texts: list[str], rate: float, seconds: float) -> dict[str, dict[str, Any]]:
    """Have the clients send; returns what became of each idempotency key."""
    result = ground.directory / "sent.json"
    command = [*tether(), sys.executable, "-m", "benchmarks.overload.clients", url, KIND, str(rate), str(seconds)]
    subprocess.run([*command, str(result)], input="\n".join(texts), text=True, check=True)
    return {each["key"]: each for each in json.loads(result.read_text())}


def _done(sent: dict[str, dict[str, Any]], seconds: float) -> dict[str, float]:
    """When the load was, and how many jobs a second the worker did in it, and once the queue was full."""
    begin = min(each["at"] for each in sent.values() if each["status"])
    end = begin + seconds
    full = min((each["at"] for each in sent.values() if each["status"] == 503), default=end)
    return {
        "begin": begin, "end": end, "under_load": finished(begin, end) / seconds,
        "once_full": finished(full, end) / max(end - full, 1.0),
    }  # fmt: skip


def _empty(watch: Watch) -> None:
    left = Job.objects.exclude(state__in=FINAL)
    figures.say(f"{watch.depth} jobs wait at the end")
    ground.wait(lambda: not left.exists(), PATIENCE, "every job to end", pause=0.5)


def _compare(sent: dict[str, dict[str, Any]]) -> dict[str, int]:
    """What the ledger holds, against what the clients were told."""
    rows = Job.objects.filter(idempotency_key__isnull=False).annotate(runs=Count("attempts"))
    kept = {job.idempotency_key: job for job in rows}
    accepted = {key: each for key, each in sent.items() if each["status"] in (200, 202)}
    once = [
        key for key, each in accepted.items() if key in kept and str(kept[key].id) == each["job"]
        and (kept[key].state, kept[key].attempt, kept[key].runs) == (State.SUCCEEDED, 1, 1)
    ]  # fmt: skip
    refused = [key for key, each in sent.items() if each["status"] in (429, 503)]
    return {
        "accepted": len(accepted), "succeeded_once": len(once), "refused": len(refused),
        "missing": len(accepted.keys() - kept.keys()), "refused_but_there": sum(key in kept for key in refused),
        "there_but_unknown": len(kept.keys() - accepted.keys()) - sum(key in kept for key in refused),
    }  # fmt: skip


def _jobs(begin: float) -> list[tuple[float, float]]:
    """When each job was submitted and how long it waited, of those submitted since ``begin`` that have started."""
    rows = Job.objects.filter(idempotency_key__isnull=False, started_at__isnull=False).order_by("created_at")
    return [
        (created.timestamp(), (started - created).total_seconds())
        for created, started in rows.values_list("created_at", "started_at")
        if started is not None and created.timestamp() >= begin - 1
    ]


if __name__ == "__main__":
    main()
