"""One round of one peer: drain a backlog, take jobs while they are submitted, pick one up when idle, keep memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers.catalog import SLOTS
from benchmarks.peers.contestant import Contestant, Control, Failed
from jobs_app.platform.waiting import until

START_SECONDS = 120.0
END_SECONDS = 120.0
BOTH_SECONDS = 5.0
WARM_SECONDS = 0.5
WARMING = 100
POLL_SECONDS = 0.02
IDEAL = SLOTS / 0.010
"""Jobs of 10 ms a second, if nothing else took time."""

Turn = dict[str, Any]
"""What one turn found."""


def warm_up(contestant: Contestant) -> None:
    """Some jobs of both kinds before anything is measured, until the peer has learnt of them what it wants to."""
    with contestant.control() as control:
        control.ask("clear")
        contestant.tally.clear()
        for kind in ("noop", "compute"):
            control.ask("load", kind, WARMING)
        with contestant.workers():
            _reached(contestant, 2 * WARMING, START_SECONDS)
            if not until(lambda: bool(control.ask("learnt")), START_SECONDS):
                raise Failed(f"expected it to have learnt of its jobs within {START_SECONDS:g} s")


def drain(contestant: Contestant, kind: str, backlog: int, seconds: float, pause: float = POLL_SECONDS) -> Turn:
    """Jobs a second of a backlog that waits before the workers start; at most so many seconds of it.

    The clock starts when both processes have begun with jobs, so how long they take to start plays no part. It stops
    when the peer's own store holds no job that is not ended, or when the time is up.
    """
    with contestant.control() as control:
        control.ask("clear")
        contestant.tally.clear()
        control.ask("load", kind, backlog)
        contestant.servers.quiet()
        with contestant.workers():
            _begun(contestant)
            first, began = contestant.tally.read()[0], time.monotonic()
            whole = until(lambda: contestant.tally.read()[0] >= backlog, seconds, pause)
            last, ended = contestant.tally.read()[0], _settled(control) if whole else time.monotonic()
            chunk = control.ask("chunk")
    return {
        "rate": (last - first) / (ended - began), "jobs": last - first, "seconds": ended - began, "whole": whole,
        "chunk": chunk,
    }  # fmt: skip


def compute(contestant: Contestant, seconds: float) -> Turn:
    """As ``drain``, with jobs of 10 ms of the processor's time; it is seldom looked at, since that takes some too."""
    return drain(contestant, "compute", round(IDEAL * seconds * 1.5), seconds, pause=0.25)


def live(contestant: Contestant, seconds: float) -> Turn:
    """Jobs a second that begin while one process submits one after the other, as fast as it can, for so long."""
    with _idle(contestant) as control:
        first = contestant.tally.read()[0]
        submitted = control.ask("submit_for", "noop", seconds)
        begun = contestant.tally.read()[0] - first
    return {"rate": begun / seconds, "submitted": submitted / seconds, "behind": submitted - begun}


def pickup(contestant: Contestant, trials: int) -> Turn:
    """Milliseconds from a submission to the start of its job, everything idle before, trial after trial."""
    with _idle(contestant) as control:
        return {"ms": [round(1000 * each, 3) for each in control.ask("pickup", trials)]}


def worker_memory(contestant: Contestant, few: int, many: int, seconds: float) -> Turn:
    """KiB of memory (PSS) of a worker's process, on average, after a few jobs and after many."""
    found: Turn = {}
    with contestant.control() as control:
        control.ask("clear")
        contestant.tally.clear()
        control.ask("load", "noop", few)
        with contestant.workers():
            _reached(contestant, few, START_SECONDS + few / 20)
            found |= {"few": few, "few_kib": _pss(contestant)}
            control.ask("load", "noop", many - few)
            until(lambda: contestant.tally.read()[0] >= many, seconds, pause=0.05)
            found |= {"many": contestant.tally.read()[0], "many_kib": _pss(contestant)}
    return {**found, "ratio": found["many_kib"] / found["few_kib"]}


def broker_memory(contestant: Contestant, few: int, many: int, seconds: float) -> Turn:
    """Bytes that the broker holds more than when empty, with a few jobs queued and with many: at rest and at work."""
    servers = contestant.servers
    found: Turn = {"few": few, "many": many}
    with contestant.control() as control:
        for name, count in (("few", few), ("many", many)):
            control.ask("clear")
            contestant.tally.clear()
            found[f"{name}_empty"] = servers.used_memory()
            control.ask("load", "noop", count)
            found[f"{name}_used"] = servers.used_memory()
            if name == "many":
                found["many_at_work"] = _greatest_at_work(contestant, seconds)
        control.ask("clear")
    return {**found, "ratio": found["many_used"] / found["few_used"]}


def _greatest_at_work(contestant: Contestant, seconds: float) -> int:
    greatest = contestant.servers.used_memory()

    def sample() -> bool:
        nonlocal greatest
        greatest = max(greatest, contestant.servers.used_memory())
        return False

    with contestant.workers():
        _begun(contestant)
        until(sample, seconds)
    return greatest


def _begun(contestant: Contestant) -> None:
    """Wait until both processes have begun; one that has all the work to itself is enough after a while."""
    _reached(contestant, 1, START_SECONDS)
    until(lambda: contestant.tally.read()[2] >= SLOTS, BOTH_SECONDS, pause=0.005)


def _reached(contestant: Contestant, count: int, seconds: float) -> None:
    if not until(lambda: contestant.tally.read()[0] >= count, seconds, pause=0.005):
        raise Failed(f"expected {count} jobs to begin within {seconds:g} s, got {contestant.tally.read()[0]}")


def _settled(control: Control) -> float:
    """When the peer's store told that nothing is left: the time before it was asked."""
    asked: list[float] = []

    def ask() -> bool:
        asked.append(time.monotonic())
        return not control.ask("remaining")

    if not until(ask, END_SECONDS, pause=0.01):
        raise Failed(f"expected every job to end within {END_SECONDS:g} s, {control.ask('remaining')} have not")
    return asked[-1]


@contextmanager
def _idle(contestant: Contestant) -> Iterator[Control]:
    """Workers that have run some jobs and have none."""
    with contestant.control() as control:
        control.ask("clear")
        contestant.tally.clear()
        with contestant.workers():
            submitted = control.ask("submit_for", "noop", WARM_SECONDS)
            _reached(contestant, submitted, START_SECONDS)
            _settled(control)
            yield control


def _pss(contestant: Contestant) -> float:
    """KiB, on average of the processes that have run jobs and are still there."""
    sizes = [_kib(Path("/proc") / each.name / "smaps_rollup") for each in contestant.tally.folder.iterdir()]
    found = [size for size in sizes if size]
    return sum(found) / len(found)


def _kib(rollup: Path) -> int:
    try:
        line = next(line for line in rollup.read_text().splitlines() if line.startswith("Pss:"))
    except OSError:
        return 0
    return int(line.split()[1])
