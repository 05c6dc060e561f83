"""What pruning would do now."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from jobs_app import conf
from jobs_app.core.retention import orphans, rules
from jobs_app.lifecycle import State
from jobs_app.models import Job, QueueLevel, Refusal, Rollup
from jobs_app.steps import Step

NAMED = 20
"""Orphans that a report names; the rest is counted."""


@dataclass(frozen=True)
class Settled:
    """Jobs of a kind that ended in a state. kept: how long, None for ever. old: longer ago. due: to be pruned."""

    state: State
    kind: str
    kept: timedelta | None
    count: int
    old: int
    due: int


@dataclass
class Report:
    """Everything. ``files`` and ``rows`` are the first orphans, with how many there are in all."""

    settled: list[Settled]
    uploads: int
    refusals: int
    rollups: dict[Step, int]
    levels: int
    files: list[str] = field(default_factory=list)
    files_count: int = 0
    files_bytes: int = 0
    rows: list[str] = field(default_factory=list)
    rows_count: int = 0


def make(*, now: datetime, files: bool = True) -> Report:
    """Count; ``files`` tells whether to look at every file too, which takes long where there are many."""
    report = Report(
        settled=[_settled(state, kind, now) for state, kind in rules.settled()],
        uploads=rules.unused_uploads(now=now).count(),
        refusals=_refusals(now),
        rollups={step: Rollup.objects.filter(step=step).count() for step in Step},
        levels=QueueLevel.objects.count(),
    )
    if files:
        _orphans(report, now)
    return report


def _settled(state: State, kind: str, now: datetime) -> Settled:
    return Settled(
        state, kind, conf.current().kept_for(kind, state),
        count=Job.objects.filter(state=state, kind=kind, finished_at__isnull=False).count(),
        old=rules.old(state, kind, now=now).count(),
        due=rules.due(state, kind, now=now).count(),
    )  # fmt: skip


def _refusals(now: datetime) -> int:
    kept = conf.span(conf.current().keep_refusals_days)
    return 0 if kept is None else Refusal.objects.filter(at__lt=now - kept).count()


def _orphans(report: Report, now: datetime) -> None:
    for orphan in orphans.files(now=now):
        report.files_count += 1
        report.files_bytes += orphan.size
        if len(report.files) < NAMED:
            report.files.append(f"{orphan.path} ({orphan.size:,} bytes)")
    for row in orphans.rows():
        report.rows_count += 1
        if len(report.rows) < NAMED:
            report.rows.append(f"{row.id} {row.name}")
