"""Run the parts, judge, draw, keep: ``python -m benchmarks.overload``. Ends with 1 if a check does not hold."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import figures
from benchmarks.figures import Check
from benchmarks.overload import checks, picture, series
from benchmarks.overload.options import given, options
from jobs_app.platform.processes import tether

ROOT = Path(__file__).resolve().parents[2]
UNBOUNDED = 10_000_000
OPEN = ("USER_SHARE=1", "TOKEN_SHARE=1", "TOKEN_RATE=0")
"""Nothing but the queue's own limit is to refuse."""


def main() -> int:
    """Return the exit code."""
    # A part that is told to stop stops what it started; it is told when this program ends, however it ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to stop"))
    parts: dict[str, Callable[[], dict[str, Any]]] = {"load": _loads, "herd": _herd, "estimates": _estimates}
    found = {name: part() for name, part in parts.items() if options.only in (None, name)}
    judged = {name: each.pop("checks") for name, each in found.items()}
    for name, each in judged.items():
        figures.table(f"{name}, {options.database}", [check.row() for check in each])
    settings = {name: each.pop("settings") for name, each in found.items()}
    kept = {**found, "checks": {name: [check.row() for check in each] for name, each in judged.items()}}
    figures.keep(f"overload-{options.database}", next(iter(settings.values())), kept, _folders()[0])
    return figures.verdict([check for each in judged.values() for check in each])


def _loads() -> dict[str, Any]:
    limit = max(20, round(options.limit * options.scale))
    bounded = _run("load", f"QUEUE_LIMIT={limit}")
    unbounded = _run("load", f"QUEUE_LIMIT={UNBOUNDED}", "--unbounded", "--rate", str(bounded["rate"]))
    rows = {"bounded": series.by_second(bounded), "unbounded": series.by_second(unbounded)}
    results, images = _folders()
    name = "overload" if options.database == "sqlite" else f"overload-{options.database}"
    series.keep([*rows["bounded"], *rows["unbounded"]], results / f"overload-{options.database}.csv")
    picture.draw(bounded, unbounded, rows, images / f"{name}.svg")
    judged: list[Check] = checks.of_load(bounded)
    summaries = {"bounded": _summary(bounded), "unbounded": _summary(unbounded)}
    names = list(summaries["bounded"])
    figures.table(
        f"Both queues, {options.database}",
        [{"": row, **{queue: _short(each[row]) for queue, each in summaries.items()}} for row in names],
    )
    return {"settings": bounded["settings"], **summaries, "checks": judged}


def _summary(load: dict[str, Any]) -> dict[str, Any]:
    """The figures of one load that are kept."""
    waits = [wait for _, wait in load["jobs"]]
    accepted, refused = checks.answers(load, 202), checks.answers(load, 503)
    return {
        "limit": load["limit"], "offered jobs/s": round(len(load["sent"]) / load["seconds"], 1),
        "worker alone jobs/s": round(load["baseline"], 1), "worker under load jobs/s": round(load["under_load"], 1),
        "worker once full jobs/s": round(load["once_full"], 1),
        "greatest depth": max(waiting for _, waiting, _ in load["samples"]),
        "accepted": load["accepted"], "refused": load["refused"], "succeeded once": load["succeeded_once"],
        "accepted ms": figures.summary(accepted, 1) if accepted else None,
        "refused ms": figures.summary(refused, 1) if refused else None,
        "wait s": figures.summary(waits, 1) if waits else None,
        "wait once full s": figures.summary(full, 1) if (full := checks.waits_when_full(load)) else None,
        "Retry-After s": figures.summary(told, 1) if (told := _told(load)) else None, "no answer": load["errors"],
    }  # fmt: skip


def _told(load: dict[str, Any]) -> list[int]:
    """Every Retry-After that was told."""
    return [int(seconds) for seconds, times in load["retry_after"].items() for _ in range(times)]


def _short(value: object) -> str:
    """A figure for a table's cell."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items() if name != "count") or "none"
    return "none" if value is None else str(value)


def _herd() -> dict[str, Any]:
    limit = max(20, round(options.limit * options.scale))
    herd = _run("herd", f"QUEUE_LIMIT={limit}")
    return {**herd, "checks": checks.of_herd(herd)}


def _estimates() -> dict[str, Any]:
    estimates = _run("estimates", f"QUEUE_LIMIT={UNBOUNDED}")
    return {**estimates, "checks": checks.of_estimates(estimates)}


def _run(part: str, limit: str, *more: str) -> dict[str, Any]:
    """Run a part as a process with a platform of its own; returns what it found, or ends the program with it."""
    figures.say(f"\n{part} with {limit}")
    with tempfile.TemporaryDirectory(prefix="weir-overload-") as directory:
        result = Path(directory) / "result.json"
        command = [*tether(), sys.executable, "-m", f"benchmarks.overload.{part}", *given, *more]
        for setting in (limit, *OPEN):
            command += ["--set", setting]
        with subprocess.Popen([*command, "--result", str(result)], cwd=ROOT) as process:
            try:
                code = process.wait()
            finally:
                process.terminate()
        if code:
            sys.exit(f"expected {part} to end well, and it ended with {code}")
        return dict(json.loads(result.read_text()))


def _folders() -> tuple[Path, Path]:
    """Where figures and picture go. What is not the whole measurement does not replace one that is."""
    whole = options.scale >= 1 and options.only is None
    if options.output is None and whole:
        return figures.RESULTS, ROOT / "docs" / "images"
    folder = options.output or ROOT / "var" / "overload"
    folder.mkdir(parents=True, exist_ok=True)
    return folder, folder


if __name__ == "__main__":
    sys.exit(main())
