"""A broker that loses every message (FLUSHALL) while thousands of jobs wait: how much comes back, and how soon.

One flush while no worker consumes, then some in the midst of the work. Just before a flush the messages on the broker
are read, in the same transaction, so it is known which jobs lost theirs. Measured: from the flush until a message is on
the broker again, and until the first of those jobs is claimed. Promised: 5 s, never more messages than the window, and
every job run; the program ends with 1 if one of these does not hold.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from base64 import b64decode
from typing import Any
from uuid import UUID

import redis

from benchmarks import figures, ground, promises
from jobs_app import conf
from jobs_app.core import clock, dispatch, submission, transport
from jobs_app.lifecycle import FINAL, State
from jobs_app.models import Attempt, Job
from jobs_app.platform.waiting import until

JOBS = 10_000
FLUSHES = 5
QUEUE = "default"
BATCH = 500
PATIENCE = 1800.0
CLAIM_SECONDS = 120.0
SAMPLE_SECONDS = 0.005


class Depth:
    """Samples how many messages lie on the broker, all the time, from a thread."""

    def __init__(self) -> None:
        self.greatest = 0
        self.samples = 0
        self.flushed_at = 0.0
        self.back_at = 0.0
        self._client = ground.broker.client()
        threading.Thread(target=self._look, daemon=True).start()

    def flush(self) -> list[UUID]:
        """Flush the broker; returns the jobs whose messages were lost."""
        with self._client.pipeline(transaction=True) as steps:
            steps.lrange(QUEUE, 0, -1).flushall()
            lost, _ = steps.execute()
        self.back_at, self.flushed_at = 0.0, time.monotonic()
        return [UUID(each) for message in lost for each in json.loads(b64decode(json.loads(message)["body"]))[0][0]]

    @property
    def back_after(self) -> float:
        """Seconds from the flush until a message was there again; waits for it."""
        ground.wait(lambda: self.back_at, 120, "a message on the broker after a flush", pause=0.005)
        return round(self.back_at - self.flushed_at, 3)

    def _look(self) -> None:
        with ground.broker.client() as client:
            while True:
                try:
                    depth = int(client.llen(QUEUE))
                except redis.RedisError:
                    return
                self.greatest = max(self.greatest, depth)
                self.samples += 1
                if depth and self.flushed_at and not self.back_at:
                    self.back_at = time.monotonic()
                threading.Event().wait(SAMPLE_SECONDS)


def main() -> int:
    """Measure, print, keep, judge."""
    settings = ground.settings()
    count = ground.scaled(JOBS, 1000)
    # What waits must last: a flush takes seconds to show, in which hundreds of jobs run.
    times = min(FLUSHES, count // 1000)
    # This program submits only: it must not fill the window too.
    transport.publisher.work = None
    depth = Depth()
    ids = [submission.submit("probe.alone", {}).id for _ in range(count)]
    figures.say(f"{len(ids)} jobs wait")
    for name in ("upkeep", "beat"):
        ground.ready(name)
    window = conf.current().window
    ground.wait(lambda: depth.greatest >= dispatch.fill_of(window), 60, "a full window")
    flushes = [_flush_idle(depth)]
    began = time.monotonic()
    for node in ("first", "second"):
        ground.worker(node)
    left = Job.objects.exclude(state__in=FINAL)
    for number in range(times):
        mark = count * (times - number) // (times + 1)
        ground.wait(lambda mark=mark: left.count() <= mark, PATIENCE, f"{mark} jobs left", pause=0.2)
        flushes.append(_flush_working(depth))
        figures.say(str(flushes[-1]))
    ground.wait(lambda: not left.exists(), PATIENCE, "every job to end", pause=0.5)
    seconds = time.monotonic() - began
    succeeded = Job.objects.filter(state=State.SUCCEEDED, attempt=1).count()
    figures.table(f"Flush, {ground.options.database}: s from each flush", flushes)
    ended = {
        "jobs": count, "succeeded at the first attempt": succeeded, "window": window,
        "greatest depth": depth.greatest, "samples": depth.samples, "jobs/s with flushes": round(count / seconds, 1),
    }  # fmt: skip
    figures.table("Jobs and depth", [ended])
    figures.keep(f"flush-{ground.options.database}", settings, {"flushes": flushes, **ended})
    return figures.verdict(promises.of_flush(flushes, ended))


def _flush_idle(depth: Depth) -> dict[str, Any]:
    """No worker takes anything: only upkeep can notice."""
    lost = depth.flush()
    return {
        "flush": "no worker",
        "lost messages": len(lost),
        "message again": depth.back_after,
        "lost job claimed": None,
    }


def _flush_working(depth: Depth) -> dict[str, Any]:
    at = clock.database_now()
    lost = depth.flush()
    # A message that was a second one, of a job that is claimed already, is no loss.
    claimed = Attempt.objects.filter(job_id__in=lost, started_at__gt=at).order_by("started_at")
    found = bool(lost) and until(claimed.exists, CLAIM_SECONDS, pause=0.02)
    first = round((claimed[0].started_at - at).total_seconds(), 3) if found else float("inf")
    return {
        "flush": "two workers", "lost messages": len(lost), "message again": depth.back_after,
        "lost job claimed": first,
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
