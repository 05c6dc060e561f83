"""``make demo``: real jobs on real data, over the HTTP API, checked against the source."""

from __future__ import annotations

import queue
import threading
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from jobs_app.platform import demo_data
from jobs_app.platform.demo_checks import check_summary, check_thumbnails
from jobs_app.platform.demo_client import Api, Job
from jobs_app.platform.demo_data import GROUP_BY, MEASURE
from jobs_app.platform.demo_growing import grow
from jobs_app.platform.demo_progress import Bars
from jobs_app.platform.faults import PlatformError, ProcessError
from jobs_app.platform.running import ROOT, Platform, running
from jobs_app.platform.signals import Signals

USER = "demo"
PACKAGES = ROOT / "var" / "demo-data"
SIZES = (64, 160, 320)
JOB_SECONDS = 150
SHOWN_ROWS = 12


def demo(console: Console, signals: Signals) -> int:
    """Start the platform, run two jobs, show and check their results, stop the platform. Returns the exit code."""
    started = time.monotonic()
    with running("demo", console, signals) as platform:
        console.print(f"Weir is up: {platform.environment.url}/   ({time.monotonic() - started:.0f} s)")
        data = demo_data.gather(PACKAGES, platform.data_dir / "demo")
        with Api(platform.environment.url, platform.manage.token(USER)) as api:
            jobs = _submit(api, data, console)
            _follow(api, jobs, platform, console)
            checks = _show(api, jobs, data, platform.data_dir / "results", console)
            console.print("\nFlights as they came in, folded into hours and days:")
            checks.append(_grow(api, data, platform, console))
    console.print()
    for check in checks:
        console.print(f"[green]ok[/green]  {check}")
    console.print(f"Done in {time.monotonic() - started:.0f} s; everything is stopped.")
    return 0


def _submit(api: Api, data: demo_data.Data, console: Console) -> list[Job]:
    size = sum(path.stat().st_size for path in data.files)
    with Bars(console, "bytes") as bars:
        bars.add("upload", f"uploading {len(data.files)} files", size)
        artifacts = [api.upload(path, lambda sent: bars.advance("upload", sent))["id"] for path in data.files]
    flights, *pictures = artifacts
    summary = {"dataset": flights, "group_by": GROUP_BY, "measure": MEASURE}
    thumbnails = {"pictures": pictures, "sizes": SIZES}
    return [api.submit("datasets.aggregate", summary), api.submit("images.thumbnails", thumbnails)]


def _follow(api: Api, jobs: list[Job], platform: Platform, console: Console) -> None:
    """Show each job's progress from its live stream until all have ended; raises PlatformError unless all succeeded."""
    news: queue.Queue[Job | PlatformError] = queue.Queue()
    for job in jobs:
        threading.Thread(target=_listen, args=(api, job["id"], news), daemon=True).start()
    deadline = time.monotonic() + JOB_SECONDS
    open_jobs = {job["id"] for job in jobs}
    with Bars(console) as bars:
        for job in jobs:
            bars.add(job["id"], job["kind"], 1.0)
        while open_jobs:
            platform.check()
            if time.monotonic() > deadline:
                raise ProcessError(
                    f"expected the jobs to end within {JOB_SECONDS} s", platform.supervised.log("worker")
                )
            try:
                heard = news.get(timeout=1)
            except queue.Empty:
                continue
            if isinstance(heard, PlatformError):
                raise heard
            bars.set(heard["id"], heard["progress"]["fraction"], f"{heard['state']} {heard['progress']['message']}")
            if heard["final"]:
                open_jobs.discard(heard["id"])
                _require_success(heard, platform)


def _grow(api: Api, data: demo_data.Data, platform: Platform, console: Console) -> str:
    said, last = grow(
        api, data.flights, platform.data_dir / "demo", lambda jobs: _follow(api, list(jobs), platform, console)
    )
    _print_table(last["table"], console)
    return said


def _listen(api: Api, job_id: str, news: queue.Queue[Job | PlatformError]) -> None:
    try:
        for job in api.follow(job_id):
            news.put(job)
    except PlatformError as error:
        news.put(error)


def _require_success(job: Job, platform: Platform) -> None:
    if job["state"] != "succeeded":
        raise ProcessError(
            f"{job['kind']}: expected the job to succeed, it {job['state']}: {job['error_type']} {job['error']}",
            platform.supervised.log("worker"),
        )


def _show(api: Api, jobs: list[Job], data: demo_data.Data, results: Path, console: Console) -> list[str]:
    """Print the tables, fetch the artifacts, check them; returns what was found right."""
    flights, thumbnails = jobs
    for job in jobs:
        _print_table(api.result(job["id"])["table"], console)
    summary = {path.name: path for path in api.fetch_artifacts(flights["id"], results / "flights")}
    archive = {path.name: path for path in api.fetch_artifacts(thumbnails["id"], results / "thumbnails")}
    console.print("\nWhat the jobs made:")
    for path in (*summary.values(), *archive.values()):
        console.print(f"  {path}  ({path.stat().st_size:,} bytes)", markup=False, soft_wrap=True)
    return [
        check_summary(_named(summary, "summary.csv"), demo_data.tally(data.flights)),
        check_thumbnails(_named(archive, "thumbnails.zip"), demo_data.dimensions(data.pictures), SIZES),
    ]


def _named(files: dict[str, Path], name: str) -> Path:
    if name not in files:
        raise PlatformError(f"expected an artifact {name}, got {', '.join(files) or 'none'}")
    return files[name]


def _print_table(content: dict[str, Any], console: Console) -> None:
    total = content["total_rows"]
    rows = content["rows"][:SHOWN_ROWS]
    table = Table(title=content["title"], title_justify="left", caption_justify="left")
    if total > len(rows):
        table.caption = f"the first {len(rows)} of {total} rows"
    for index, column in enumerate(content["columns"]):
        numeric = all(isinstance(row[index], int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console.print()
    console.print(table)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}"
    return "" if value is None else str(value)
