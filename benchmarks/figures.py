"""Figures: percentiles, tables, what must hold of them, and where they are kept."""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results")


@dataclass(frozen=True)
class Check:
    """One thing that must hold."""

    check: str
    found: str
    expected: str
    holds: bool

    def row(self) -> dict[str, Any]:
        """For a table."""
        return {**asdict(self), "holds": "yes" if self.holds else "NO"}


def verdict(checks: Sequence[Check]) -> int:
    """Say which checks do not hold; returns the exit code of a program that made them."""
    failed = [f"{each.check}: {each.found}, expected {each.expected}" for each in checks if not each.holds]
    say(f"\n{len(failed)} checks do not hold: {'; '.join(failed)}" if failed else "\nevery check holds")
    return 1 if failed else 0


def percentile(values: Sequence[float], part: float) -> float:
    """The nearest-rank percentile: a value that was really measured. ``part`` is 0 to 1."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def summary(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """Count, p50, p99 and maximum."""
    found = {"p50": statistics.median(values), "p99": percentile(values, 0.99), "max": max(values)}
    return {"count": len(values), **{name: round(value, digits) for name, value in found.items()}}


def spread(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """Median, least and greatest of some repetitions."""
    found = {"median": statistics.median(values), "least": min(values), "greatest": max(values)}
    return {name: round(value, digits) for name, value in found.items()}


def table(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows under their names, aligned."""
    names = list(rows[0])
    cells = [names, *([str(row.get(name, "")) for name in names] for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(names))]
    say(f"\n{title}")
    for row in cells:
        say("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def keep(name: str, settings: Mapping[str, Any], figures: Mapping[str, Any], folder: Path = RESULTS) -> None:
    """Print what the figures depend on, and keep both as ``results/NAME.json``, or in another folder."""
    say("  with " + ", ".join(f"{key} {value}" for key, value in settings.items()))
    folder.mkdir(parents=True, exist_ok=True)
    measured = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "settings": settings, "figures": figures}
    (folder / f"{name}.json").write_text(json.dumps(measured, indent=1, default=str) + "\n")


def say(words: str) -> None:
    """Print a line at once, also into a pipe."""
    sys.stdout.write(words + "\n")
    sys.stdout.flush()
