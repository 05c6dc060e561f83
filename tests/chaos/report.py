"""What a run has shown: figures for people and for programs."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.chaos import figures, history, verify
from tests.chaos.depths import Samples
from tests.chaos.killer import Killer
from tests.chaos.load import Known
from tests.chaos.options import Options


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
    late_atomic: int
    executed: dict[str, int]
    duplicates: dict[str, int]
    rescues: dict[str, figures.Times]
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
    executed, duplicates = figures.executions(record)
    depth = max((number for _, number in depths), default=0)
    excess = figures.excess(depths, killer.sent, window + len(known.cancelled))
    if excess:
        found.wrong(None, f"{excess[0]} messages were on the broker when at most {excess[1]} were expected")
    late = verify.late_writes(found)
    if options.late and not late:
        found.wrong(None, "expected late writes to be refused, and none was made")
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
        late_writes=late,
        late_atomic=verify.late_writes(found, "chaos.atomic"),
        executed=executed,
        duplicates=duplicates,
        rescues=figures.rescues(found, killer.journal),
        injected=dict(sorted(Counter(entry.name for entry in killer.journal if not entry.failed).items())),
        not_injected=dict(sorted(Counter(entry.name for entry in killer.journal if entry.failed).items())),
        starts=dict(starts),
        longest_pause=figures.longest_pause(found),
        depth_max=depth,
        window=window,
        loaded_seconds=round(took[0], 1),
        drained_seconds=round(took[1], 1),
        faults=[history.tell(found, job_id, sentence, n) for n, (job_id, sentence) in enumerate(found.faults)],
        journal=[str(entry) for entry in killer.journal],
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
        f"late writes refused and recorded: {report.late_writes}, of atomic jobs {report.late_atomic}",
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


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return "(no case)"
    return f"p50 {statistics.median(seconds):.1f} s, max {max(seconds):.1f} s (n={len(seconds)})"
