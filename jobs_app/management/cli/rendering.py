"""How jobs, results and files look as text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from jobs_app.lifecycle import State
from jobs_app.management.cli.moments import shown
from jobs_app.management.cli.output import Output
from jobs_app.reads.views import ArtifactView, FamilyView, JobView

NARROW = 120
ROWS = 20
TEXT = 2000
NOBODY = "(system)"
UNITS = ("B", "kB", "MB", "GB", "TB")


def job_table(output: Output, jobs: Sequence[JobView]) -> None:
    """A list of jobs; a narrow terminal gets fewer columns, so that ids stay whole."""
    columns: tuple[str, ...] = ("id", "kind", "state", "done", "owner", "created", "note")
    rows: list[tuple[str, ...]] = [
        (str(job.id), job.kind, job.state.value, progress(job), job.owner or NOBODY, shown(job.created_at), note(job))
        for job in jobs
    ]
    if output.drawn and output.console.width < NARROW:
        columns, rows = (*columns[:4], columns[-1]), [(*row[:4], row[-1]) for row in rows]
    output.table(columns, rows, fixed=range(len(columns) - 1))


def progress(job: JobView) -> str:
    """``42 %``; empty before a job runs."""
    return f"{job.progress.fraction:.0%}" if job.attempt else ""


def note(job: JobView) -> str:
    """The most telling thing about a job, in a few words."""
    if job.state is State.FAILED:
        return ": ".join(filter(None, (job.error_type, job.error)))
    if job.cancel_requested and not job.final:
        return "asked to stop"
    if job.state is State.RETRYING:
        return ": ".join(filter(None, (f"next attempt at {shown(job.due_at)}", job.error)))
    if job.state is State.SCHEDULED:
        return f"due at {shown(job.due_at)}"
    return job.progress.message


def job_facts(output: Output, job: JobView) -> None:
    """Everything a job's row says, a line each; empty facts are left out."""
    facts = {
        "job": str(job.id),
        "kind": job.kind,
        "state": f"{job.state.value} ({job.meaning})",
        "progress": " ".join(filter(None, (progress(job), job.progress.message))),
        "owner": job.owner or NOBODY,
        "submitted": f"{shown(job.created_at)} via {job.via}",
        "queue": f"{job.queue}, priority {job.priority}" if job.priority else job.queue,
        "due": shown(job.due_at) if job.due_at != job.created_at else "",
        "expires": shown(job.expires_at),
        "started": shown(job.started_at),
        "ended": shown(job.finished_at),
        "attempts": f"{job.attempt} made; at most {job.max_attempts} may fail",
        "stop": "asked to stop" if job.cancel_requested and not job.final else "",
        "run again of": str(job.rerun_of or ""),
        "spawned by": str(job.parent or ""),
        "error": note(job) if job.state is State.FAILED else "",
    }
    for name, value in facts.items():
        if value:
            output.line(f"{name + ':':<14}{value}")
    told = job.parameters_hidden or _clip(json.dumps(job.parameters, ensure_ascii=False))
    output.line("parameters:   " + told)


def result(output: Output, value: Any) -> None:
    """What a handler returned: its tables and charts as tables, the rest as JSON, all bounded."""
    shapes = [value] if _shape(value) else list(value.values()) if isinstance(value, dict) else []
    drawn = [each for each in shapes if _shape(each)]
    for each in drawn:
        _drawn(output, each)
    rest = {name: each for name, each in value.items() if not _shape(each)} if isinstance(value, dict) else value
    if not drawn:
        output.line(_clip(value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)))
    elif rest and not _shape(value):
        output.line(_clip(json.dumps(rest, indent=2, ensure_ascii=False)))


def family(told: FamilyView | None) -> str:
    """``37 of 100 ended: 60 wait, 3 run, 37 succeeded``; what there is none of is left out."""
    if told is None:
        return ""
    counts = {"wait": told.waiting, "run": told.running, "succeeded": told.succeeded}
    counts |= {"failed": told.failed, "cancelled": told.cancelled}
    parts = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return f"{told.total - told.waiting - told.running} of {told.total} ended: {parts}"


def files(output: Output, artifacts: Sequence[ArtifactView]) -> None:
    """Files, with their sizes and the start of their hashes."""
    rows = [(each.name, size(each.size), each.content_type, each.sha256[:12]) for each in artifacts]
    output.table(("file", "size", "type", "sha256"), rows)


def size(count: int) -> str:
    """``12.3 MB``."""
    number, unit = float(count), 0
    while number >= 1000 and unit < len(UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{count} B" if unit == 0 else f"{number:.1f} {UNITS[unit]}"


def _shape(value: Any) -> str:
    shape = value.get("shape") if isinstance(value, dict) else None
    return shape if shape in ("table", "chart", "artifact") else ""


def _drawn(output: Output, value: Any) -> None:
    try:
        if value["shape"] == "artifact":
            output.line(f"file: {value['name']}")
            return
        if value["shape"] == "table":
            columns, rows, total = value["columns"], value["rows"], int(value["total_rows"])
        else:
            columns = ["", *(series["name"] for series in value["series"])]
            rows = list(zip(value["labels"], *(series["values"] for series in value["series"]), strict=False))
            total = len(rows)
        if value.get("title"):
            output.line(str(value["title"]), style="bold")
        cells = [["" if cell is None else str(cell) for cell in row] for row in rows[:ROWS]]
        output.table([str(name) for name in columns], cells, fixed=())
    except (KeyError, TypeError, ValueError):
        # A handler may return any dict with a "shape"; one that is not ours is shown as it is.
        output.line(_clip(json.dumps(value, indent=2, ensure_ascii=False)))
        return
    if total > len(cells):
        output.line(f"… {len(cells)} of {total:,} rows")


def _clip(text: str) -> str:
    return text if len(text) <= TEXT else f"{text[:TEXT]}… ({len(text):,} characters; --json or fetch gives all)"
