"""How long a submission over HTTP takes while the broker is away, against the same server while it is there.

Blocks with a broker and without alternate, so that both meet the same noise. Faults: connections refused; new ones
never answered (the backlog full) and open ones swallowed; the server frozen (SIGSTOP); open connections half-open.
Twice: the whole platform at work, and the web server alone with room in the window for every job, so that each
submission of a good block publishes a message and nobody else uses the machine. Promised: every answer 202, the 99th
percentile within 1.5 of normal (the median of the blocks), and every job run when the broker is back. The program ends
with 1 if that does not hold.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import chain
from typing import Any

from benchmarks import figures, ground, promises
from jobs_app.core import clock, tokens, transport
from jobs_app.lifecycle import FINAL, State
from jobs_app.models import Job
from jobs_app.platform.ports import HOST, Reservation
from tests.support.relays import Relay

BLOCKS = 5
BLOCK = 200
WARMING = 50
PAUSE_SECONDS = 0.01
PATIENCE = 300.0
FAULTS: dict[str, Callable[[Relay], None]] = {
    "refused": lambda relay: relay.refuse(),
    "black-holed": lambda relay: relay.black_hole(),
    "frozen": lambda _: ground.broker.freeze(),
    "half-open": lambda relay: relay.half_open(),
}


class Site:
    """A web server behind a relay to the broker, with workers or alone."""

    def __init__(self, token: str, *, alone: bool) -> None:
        self.alone = alone
        self.token = token
        self.restarts = 0
        self._running: list[tuple[Callable[[], ground.Process], ground.Process]] = []
        self.relay = Relay((HOST, ground.broker.port))
        self.url = self.relay.at(ground.broker.url)
        self._reservation = Reservation(0)
        variables = {"PORT": str(self._reservation.port), "BROKER_URL": self.url}
        if alone:  # nothing runs: every job has to find room, and one user submits them all
            variables |= {"WINDOW": "100000", "QUEUE_LIMIT": "100000", "USER_SHARE": "1", "TOKEN_SHARE": "1"}
        self._start(lambda: ground.ready("web", **variables))
        if not alone:
            self.start_workers()

    def start_workers(self) -> None:
        """What runs jobs."""
        self._start(lambda: ground.ready("upkeep", BROKER_URL=self.url))
        self._start(lambda: ground.ready("beat", BROKER_URL=self.url))
        self._start(lambda: ground.worker("worker", BROKER_URL=self.url))

    def _start(self, start: Callable[[], ground.Process]) -> None:
        self._running.append((start, start()))

    def supervise(self) -> None:
        """Start what has ended again, as whoever supervises the Procfile does: a watchdog may have ended a worker."""
        for place, (start, process) in enumerate(self._running):
            if not process.running:
                self.restarts += 1
                self._running[place] = (start, start())

    def submit(self, count: int) -> list[float]:
        """Milliseconds of each of ``count`` submissions. Ends the program unless each was answered 202."""
        command = [sys.executable, "-m", "benchmarks.client", str(self._reservation.port), self.token]
        ran = subprocess.run([*command, str(count), str(PAUSE_SECONDS)], capture_output=True, check=False, text=True)
        if ran.returncode:
            sys.exit(f"the client failed: {ran.stderr[-1000:]}")
        answers = json.loads(ran.stdout)
        wrong = [status for status, _ in answers if status != 202]
        if wrong:
            sys.exit(f"expected 202 for each of {count} submissions, got {wrong}")
        return [milliseconds for _, milliseconds in answers]

    def mend(self) -> float:
        """Have the broker back; returns the seconds until no job waits that has no message, or has not run."""
        began = time.monotonic()
        ground.broker.thaw()
        self.relay.mend()
        waiting = Job.objects.exclude(state__in=FINAL)
        if self.alone:
            waiting = Job.objects.filter(state=State.QUEUED, dispatched_at=None)
        while waiting.exists():
            if self.alone:
                self.submit(5)  # no upkeep here: the next submission publishes what was left
            self.supervise()
            threading.Event().wait(0.1)
            if time.monotonic() - began > PATIENCE:
                sys.exit(f"{waiting.count()} jobs still wait {PATIENCE:g} s after the broker came back")
        return round(time.monotonic() - began, 2)

    def close(self) -> None:
        """End everything."""
        for _, process in self._running:
            process.kill()
        self.relay.close()
        self._reservation.close()


def main() -> int:
    """Measure both, print, keep, judge."""
    from django.contrib.auth.models import User

    settings = ground.settings()
    transport.publisher.work = None
    _, token = tokens.issue(User.objects.create_user("measurer"), "measuring", now=clock.database_now())
    kept: dict[str, list[dict[str, Any]]] = {}
    checks: list[figures.Check] = []
    for alone in (False, True):
        title = "the web server alone" if alone else "the whole platform"
        kept[title], jobs, succeeded = _measure(title, token, alone=alone)
        checks += promises.of_broker_away(title, kept[title], jobs, succeeded)
    figures.keep(f"broker-away-{ground.options.database}", settings, kept)
    return figures.verdict(checks)


def _measure(title: str, token: str, *, alone: bool) -> tuple[list[dict[str, Any]], int, int]:
    """The row of each fault; how many jobs there are, and how many succeeded."""
    with ExitStack() as stack:
        site = Site(token, alone=alone)
        stack.callback(site.close)
        site.submit(WARMING)
        site.mend()
        rows = [_fault(site, name) for name in FAULTS]
        figures.table(f"Submissions, {title}, {ground.options.database} (ms)", rows)
        if alone:
            site.start_workers()
        left = Job.objects.exclude(state__in=FINAL)
        ground.wait(lambda: not left.exists(), PATIENCE, "every job to end", pause=0.5)
        jobs, succeeded = Job.objects.count(), Job.objects.filter(state=State.SUCCEEDED).count()
        figures.say(f"  jobs {jobs}, succeeded {succeeded}, processes started again {site.restarts}")
    return rows, jobs, succeeded


def _fault(site: Site, name: str) -> dict[str, Any]:
    normal: list[list[float]] = []
    broken: list[list[float]] = []
    back = []
    for _ in range(BLOCKS):
        normal.append(site.submit(ground.scaled(BLOCK)))
        FAULTS[name](site.relay)
        broken.append(site.submit(ground.scaled(BLOCK)))
        back.append(site.mend())
    figures.say(f"{name}: back in {back} s")
    usual, bad = figures.summary([*chain(*normal)], 1), figures.summary([*chain(*broken)], 1)
    ratios = figures.spread([_p99(b) / _p99(n) for n, b in zip(normal, broken, strict=True)], 2)
    noise = figures.spread([_p99(each) for each in normal], 1)
    return {
        "broker": name, "each": bad["count"], "normal p50": usual["p50"], "p99": usual["p99"], "max": usual["max"],
        "away p50": bad["p50"], "away p99": bad["p99"], "away max": bad["max"],
        "p50 ratio": round(bad["p50"] / usual["p50"], 2), "p99 ratio": round(bad["p99"] / usual["p99"], 2),
        "median p99 ratio": ratios["median"], "p99 ratio of blocks": "{least}-{median}-{greatest}".format(**ratios),
        "normal p99 of blocks": "{least}-{median}-{greatest}".format(**noise),
        "back: s until all ran": max(back),
    }  # fmt: skip


def _p99(values: list[float]) -> float:
    return figures.percentile(values, 0.99)


if __name__ == "__main__":
    sys.exit(main())
