"""What a run has shown: figures for people and for programs."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs_app.lifecycle import EventName
from tests.chaos import verify
from tests.chaos.faults import Entry, Killer
from tests.chaos.load import Ledger as Known

if TYPE_CHECKING:
    from uuid import UUID

    from tests.chaos.run import Options

KILLS = {
    "child killed": "child",
    "worker killed, its children left": "worker",
    "worker and its children killed": "worker",
    "child frozen past its lease": "frozen",
    "worker and its children frozen past the lease": "frozen",
}
Samples = list[tuple[float, int]]
"""Numbers with their times, in seconds of a monotonic clock."""

LONG_SECONDS = 15.0
"""A rescued job that waits longer for its next claim is shown with its history."""

SHOWN = 10
"""Violations that are printed in full."""


@dataclass
class Times:
    """Seconds from a kill until the job was queued again, and until it was claimed again."""

    slowest: str = ""
    """The history of the job that waited longest for its next claim, if that was long."""
    queued: list[float] = field(default_factory=list)
    claimed: list[float] = field(default_factory=list)


@dataclass
class Report:
    """Everything that is printed. ``rescues``: by what had been done to the worker."""

    seed: int
    seconds: float
    database: str
    broker: str
    submitted: int
    accepted: int
    tries: int
    slowest_answer: float
    states: dict[str, int]
    lost_attempts: int
    late_writes: int
    executed: dict[str, int]
    duplicates: dict[str, int]
    rescues: dict[str, Times]
    injected: dict[str, int]
    not_injected: dict[str, int]
    starts: dict[str, int]
    longest_pause: float
    depth_max: int
    window: int
    loaded_seconds: float
    drained_seconds: float
    faults: list[str]
    journal: list[str]
    kept: str = ""

    @property
    def good(self) -> bool:
        """Whether nothing was violated."""
        return not self.faults

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


def make(
    options: Options, found: verify.Found, known: Known, killer: Killer, depths: Samples, *, record: Path,
    window: int, took: tuple[float, float], starts: Mapping[str, int],
) -> Report:  # fmt: skip
    """Count."""
    executed, duplicates = _executions(record)
    events = Counter(event["name"] for rows in found.events.values() for event in rows)
    depth = max((number for _, number in depths), default=0)
    excess = _excess(depths, killer.sent, window + len(known.cancelled))
    if excess:
        found.wrong(None, f"{excess[0]} messages were on the broker when at most {excess[1]} were expected")
    return Report(
        seed=options.seed,
        seconds=options.seconds,
        database=options.database,
        broker=options.broker,
        submitted=options.jobs,
        accepted=len(known.accepted),
        tries=known.tries,
        slowest_answer=round(known.slowest, 2),
        states=dict(sorted(Counter(job["state"] for job in found.jobs.values()).items())),
        lost_attempts=sum(row["outcome"] == "lost" for rows in found.attempts.values() for row in rows),
        late_writes=events[verify.REFUSED],
        executed=executed,
        duplicates=duplicates,
        rescues=_rescues(found, killer.journal),
        injected=dict(sorted(Counter(entry.name for entry in killer.journal if not entry.failed).items())),
        not_injected=dict(sorted(Counter(entry.name for entry in killer.journal if entry.failed).items())),
        starts=dict(starts),
        longest_pause=_longest_pause(found),
        depth_max=depth,
        window=window,
        loaded_seconds=round(took[0], 1),
        drained_seconds=round(took[1], 1),
        faults=[_told(found, job_id, sentence, n) for n, (job_id, sentence) in enumerate(found.faults)],
        journal=[_line(entry) for entry in killer.journal],
    )


def show(report: Report) -> str:
    """The report for people."""
    lines = [
        f"chaos on {report.database} and {report.broker}, seed {report.seed}: {'PASSED' if report.good else 'FAILED'}",
        f"  jobs: {report.submitted} submitted in {report.tries} requests, {report.accepted} accepted; "
        + ", ".join(f"{number} {state}" for state, number in report.states.items()),
        f"  loaded for {report.loaded_seconds} s, drained {report.drained_seconds} s after the last fault; "
        f"slowest submission {report.slowest_answer} s, retries included; longest time without a claim "
        f"{report.longest_pause} s",
        f"  attempts lost with their worker or given back: {report.lost_attempts}; "
        f"late writes refused and recorded: {report.late_writes}",
        "  executions beyond the first, failures on purpose left out: "
        + (
            ", ".join(f"{kind} {number} of {report.executed[kind]}" for kind, number in report.duplicates.items())
            or "none"
        ),
        f"  deepest queue on the broker: {report.depth_max} messages, ours included (window {report.window})",
    ]
    for victim, times in report.rescues.items():
        lines.append(f"  {victim}: back in the queue {_spread(times.queued)}; claimed again {_spread(times.claimed)}")
        if times.slowest:
            lines.append(f"    {times.slowest}")
    lines.append("  faults: " + ", ".join(f"{name} x{number}" for name, number in report.injected.items()))
    if report.not_injected:
        lines.append("  not possible when due: " + ", ".join(f"{n} x{c}" for n, c in report.not_injected.items()))
    lines.append("  starts: " + ", ".join(f"{name} {number}" for name, number in report.starts.items()))
    lines += [f"  WRONG: {fault}" for fault in report.faults]
    if report.faults or report.kept:
        lines += ["  what was done, in order:", *(f"    {line}" for line in report.journal)]
    if report.kept:
        lines.append(f"  ledger, logs and record are kept in {report.kept}")
    return "\n".join(lines)


def _executions(record: Path) -> tuple[dict[str, int], dict[str, int]]:
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


def _rescues(found: verify.Found, journal: list[Entry]) -> dict[str, Times]:
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
                        spent.slowest = _told(found, attempt["job_id"], words, 0)
                    spent.claimed.append(took)
    return times


def _excess(depths: Samples, sent: Samples, allowed: int) -> tuple[int, int] | None:
    """The first sample that is deeper than the window and what we added since the queue was last empty.

    ``allowed`` holds the cancels, too: a cancelled job makes room in the window while its message still lies there.
    """
    since = 0.0
    for at, depth in depths:
        ours = sum(number for sent_at, number in sent if since <= sent_at <= at)
        if depth > allowed + ours:
            return depth, allowed + ours
        if depth == 0:
            since = at
    return None


def _longest_pause(found: verify.Found) -> float:
    """The longest time between two claims: how long the platform as a whole did nothing."""
    claims = sorted(row["started_at"] for rows in found.attempts.values() for row in rows)
    return max((round((after - before).total_seconds(), 1) for before, after in pairwise(claims)), default=0.0)


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return "(no case)"
    return f"p50 {statistics.median(seconds):.1f} s, max {max(seconds):.1f} s (n={len(seconds)})"


def _told(found: verify.Found, job_id: UUID | None, sentence: str, number: int) -> str:
    """A violation; the first ones with the whole history of their job."""
    if job_id is None or number >= SHOWN:
        return sentence if job_id is None else f"job {job_id}: {sentence}"
    job = found.jobs.get(job_id, {})
    lines = [f"job {job_id} ({job.get('kind')}, {job.get('parameters')}): {sentence}"]
    lines += [
        f"      {key} = {job[key]}" for key in ("state", "attempt", "dispatched_at", "due_at", "lease_until") if job
    ]
    lines += [
        f"      {row['at']:%H:%M:%S.%f} {row['name']} ({row['source']} to {row['target']}), attempt {row['attempt']}: "
        f"{row['reason'][:200]}"
        for row in found.events.get(job_id, [])
    ]
    lines += [
        f"      attempt {row['number']}: {row['outcome']} {row['error_type']} {row['error'][:200]}"
        for row in found.attempts.get(job_id, [])
    ]
    return "\n".join(lines)


def _line(entry: Entry) -> str:
    until = f" until {entry.until:%H:%M:%S.%f}"[:-3] if entry.until else ""
    words = f"{entry.at:%H:%M:%S.%f}"[:-3] + until + f" {entry.name}"
    return (
        words
        + (f" ({entry.target})" if entry.target else "")
        + (f": not possible, {entry.failed}" if entry.failed else "")
    )
