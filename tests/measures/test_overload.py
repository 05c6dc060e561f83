"""``make overload``, small: the machinery works, and what does not depend on the speed of the machine holds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.overload import checks
from tests.support.processes import ROOT

SURE = (
    "accepted jobs that succeeded exactly once",
    "refused jobs that exist, or jobs nobody was told of",
    "other answers than 202 and 503",
)


@pytest.mark.slow
@pytest.mark.platform
def test_a_small_overload_is_judged_and_drawn_and_loses_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.overload", "--only", "load", "--cut", "--output", str(tmp_path)]
    small = ["--limit", "20", "--slots", "1", "--seconds", "6", "--clients", "8"]
    run = subprocess.run([*command, *small], cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert run.returncode in (0, 1), run.stderr
    kept = json.loads((tmp_path / "overload-sqlite.json").read_text())["figures"]
    held = {row["check"]: row for row in kept["checks"]["load"]}
    for name in SURE:
        assert held[name]["holds"] == "yes", held[name]
    (depth,) = (row for name, row in held.items() if name.startswith("depth"))
    assert depth["holds"] == "yes", depth
    bounded, unbounded = kept["load"]["bounded"], kept["load"]["unbounded"]
    assert bounded["limit"] == 20
    assert bounded["refused"] > 0
    assert unbounded["refused"] == 0
    assert (run.returncode == 0) == all(row["holds"] == "yes" for row in held.values())
    picture = (tmp_path / "overload.svg").read_text()
    assert "limit of 20 jobs" in picture
    assert (tmp_path / "overload-sqlite.csv").read_text().count("\nunbounded,") > 3


def test_a_herd_is_seen_as_one() -> None:
    together = [5.0 + number / 1000 for number in range(200)]
    assert checks.peak_of(together) > checks.PEAK * checks.mean_of(together)
    spread = [5.0 + number / 40 for number in range(200)]
    assert checks.peak_of(spread) <= checks.PEAK * checks.mean_of(spread)
    assert checks.peak_of([0.0, 1.0, 1.5, 1.9]) == 3
    assert checks.peak_of([]) == 0
