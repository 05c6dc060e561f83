"""Two beats and a killer: schedules of every second and minute while beats and workers are killed and the broker is
flushed, all at random moments (seeded). After ten minutes every due tick must have exactly one job, or what its policy
says.

Now and then both beats are gone for longer than a tick may be late, so that there is something to miss.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from datetime import datetime

from benchmarks import figures, ground
from jobs_app.core import clock
from jobs_app.lifecycle import UNFINISHED
from jobs_app.models import Job, Schedule, Tick
from tests.support import ticking

SECONDS = 600
OUTAGE_SECONDS = 14.0
OUTAGE_EACH = 120.0
PATIENCE_SECONDS = 600.0


class Crew:
    """The processes, each started anew as soon as it is found dead, unless it is to stay away."""

    def __init__(self) -> None:
        self.made = {name: self._start(name) for name in ("beat", "other beat", "worker", "upkeep")}
        self.away_until = 0.0
        self.done: Counter[str] = Counter()

    def _start(self, name: str) -> ground.Process:
        return ground.Process(name.rpartition(" ")[2], name.replace(" ", "-"), WORKER_CONCURRENCY="3")

    def revive(self) -> None:
        """Start what is dead."""
        for name, process in self.made.items():
            if not process.running and not ("beat" in name and time.monotonic() < self.away_until):
                self.made[name] = self._start(name)

    def hurt(self) -> None:
        """Kill something, or have the broker forget."""
        what = ground.chance.choice(("beat", "other beat", "beat", "other beat", "worker", "child", "flush"))
        if what == "flush":
            self.done["broker flushed"] += 1
            with ground.broker.client() as client:
                client.flushall()
        elif what == "child":
            held = Job.objects.filter(state="running").values_list("holder", flat=True)
            for pid in {int(each.split("/")[1]) for each in held[:1]}:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    self.done["child killed"] += 1
        else:
            self.done[f"{what.rpartition(' ')[2]} killed"] += self.made[what].running
            self.made[what].kill()

    def leave(self) -> None:
        """Both beats are gone for a while."""
        self.done["both beats away"] += 1
        self.away_until = time.monotonic() + OUTAGE_SECONDS
        for name in ("beat", "other beat"):
            self.made[name].kill()


def main() -> int:
    """Schedule, kill, wait, count. Returns 1 if anything is not as promised."""
    settings, seconds = ground.settings(), ground.scaled(SECONDS, 20)
    begun = clock.database_now()
    plans = ticking.make(begun)
    crew = Crew()
    _rage(crew, seconds)
    until = clock.database_now()
    _come_to_rest(crew, until)
    wrong = list(ticking.faults(plans, begun, until))
    rows = [_row(key, plan.name) for key, plan in plans.items()]
    figures.table(f"Schedules for {seconds} s, {ground.options.database}: {dict(crew.done)}", rows)
    figures.keep(
        f"schedules-{ground.options.database}", settings,
        {"seconds": seconds, "faults injected": dict(crew.done), "rows": rows, "violations": wrong},
    )  # fmt: skip
    figures.say("\n".join(wrong) or f"{sum(int(row['due']) for row in rows):,} ticks, each as promised")
    return int(bool(wrong))


def _rage(crew: Crew, seconds: float) -> None:
    until = time.monotonic() + seconds
    next_hurt, next_outage = 3.0 + time.monotonic(), time.monotonic() + OUTAGE_EACH / 2
    while time.monotonic() < until:
        crew.revive()
        if time.monotonic() >= next_hurt:
            crew.hurt()
            next_hurt = time.monotonic() + ground.chance.uniform(0.5, 5.0)
        if time.monotonic() >= next_outage:
            crew.leave()
            next_outage = time.monotonic() + OUTAGE_EACH
        ground.until(lambda: False, 0.1)


def _come_to_rest(crew: Crew, now: datetime) -> None:
    """Let everything be decided that was due by now, then end the schedules and let their jobs end."""

    def decided() -> bool:
        crew.revive()
        return not Schedule.objects.filter(next_due_at__lte=now).exists()

    crew.away_until = 0.0
    ground.wait(decided, PATIENCE_SECONDS, "every tick to be decided")
    ticking.end(clock.database_now())
    ground.wait(lambda: not Job.objects.filter(state__in=UNFINISHED).exists(), PATIENCE_SECONDS, "every job to end")


def _row(key: int, name: str) -> dict[str, object]:
    ticks = list(Tick.objects.filter(schedule=key))
    found = Counter(tick.outcome for tick in ticks)
    late = sorted(tick.lateness.total_seconds() for tick in ticks) or [0.0]
    return {
        "schedule": name, "due": len(ticks), "submitted": found["submitted"], "missed": found["missed"],
        "overlapped": found["overlapped"], "late p50 (s)": round(figures.percentile(late, 0.5), 2),
        "late p99": round(figures.percentile(late, 0.99), 2), "late most": round(late[-1], 2),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
