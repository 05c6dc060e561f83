"""What is counted when a run has ended: executions, rescues, pauses, messages too many."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from jobs_app.lifecycle import EventName
from tests.chaos import history, verify
from tests.chaos.depths import Samples, Sending
from tests.chaos.journal import Entry

KILLS = {
    "child killed": "child",
    "worker killed, its children left": "worker",
    "worker and its children killed": "worker",
    "child frozen past its lease": "frozen",
    "worker and its children frozen past the lease": "frozen",
}

LONG_SECONDS = 15.0
"""A rescued job that waits longer for its next claim is shown with its history."""


@dataclass
class Times:
    """Seconds from a kill until the job was queued again, and until it was claimed again."""

    slowest: str = ""
    """The history of the job that waited longest for its next claim, if that was long."""
    queued: list[float] = field(default_factory=list)
    claimed: list[float] = field(default_factory=list)


def executions(record: Path) -> tuple[dict[str, int], dict[str, int]]:
    """Starts by kind, and starts of one job beyond its first. A failing kind is meant to start again."""
    starts: Counter[tuple[str, str]] = Counter()
    for line in record.read_text().splitlines() if record.exists() else []:
        job, _, kind, _, _ = line.split()
        starts[kind, job] += 1
    executed: Counter[str] = Counter()
    duplicates: Counter[str] = Counter()
    for (kind, _), number in starts.items():
        executed[kind] += number
        if kind != "chaos.failing":
            duplicates[kind] += number - 1
    return dict(sorted(executed.items())), dict(sorted(duplicates.items()))


def rescues(found: verify.Found, journal: list[Entry]) -> dict[str, Times]:
    """From the killer's own clock to the events of the jobs that its victims held."""
    times = {victim: Times() for victim in ("child", "worker", "frozen")}
    for entry in journal:
        if entry.name not in KILLS or entry.failed:
            continue
        for pid in entry.pids:
            for attempt in verify.lost_by(found, pid, entry.at):
                rows = found.events[attempt["job_id"]]
                again = [row["at"] for row in rows if row["name"] == EventName.CLAIMED and row["at"] > entry.at]
                spent = times[KILLS[entry.name]]
                spent.queued.append(round((attempt["finished_at"] - entry.at).total_seconds(), 3))
                if again:
                    took = round((again[0] - entry.at).total_seconds(), 3)
                    if took > max(spent.claimed, default=LONG_SECONDS):
                        words = f"its worker was hit at {entry.at:%H:%M:%S}, it was claimed again {took:.1f} s later"
                        spent.slowest = history.tell(found, attempt["job_id"], words)
                    spent.claimed.append(took)
    return times


def excess(depths: Samples, sent: list[Sending], allowed: int) -> tuple[int, int] | None:
    """The first sample that is deeper than the window and what we added since the queue was last empty.

    ``allowed`` holds the cancels, too: a cancelled job makes room in the window while its message still lies there.
    A queue found empty while we were still sending says nothing of the messages that came after the look.
    """
    since = 0.0
    for at, depth in depths:
        ours = sum(each.number for each in sent if each.began <= at and each.ended >= since)
        if depth > allowed + ours:
            return depth, allowed + ours
        if depth == 0:
            since = at
    return None


def longest_pause(found: verify.Found) -> float:
    """The longest time between two claims: how long the platform as a whole did nothing."""
    claims = sorted(row["started_at"] for rows in found.attempts.values() for row in rows)
    return max((round((after - before).total_seconds(), 1) for before, after in pairwise(claims)), default=0.0)
