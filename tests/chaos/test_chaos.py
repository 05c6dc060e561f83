"""A short run of chaos, on the database and the broker that the tests run on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.plan import ROOT

SECONDS = 30
JOBS = 1000
SEED = 20261123
PATIENCE = 240
LIMIT = SECONDS + 3 * PATIENCE


@pytest.mark.slow
@pytest.mark.timeout(LIMIT + 60)
def test_nothing_is_lost_and_nothing_counts_twice_whatever_is_killed_meanwhile(tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    database = os.environ.get("WEIR_TEST_DATABASE", "sqlite")
    broker = os.environ.get("WEIR_TEST_BROKER", "valkey")
    ended = subprocess.run(
        [
            sys.executable, "-m", "tests.chaos", "--seed", str(SEED), "--seconds", str(SECONDS), "--jobs", str(JOBS),
            "--database", database, "--broker", broker, "--patience", str(PATIENCE), "--json", str(answer), "--late",
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    said = f"{ended.stdout}\n{ended.stderr[-4000:]}"
    print(said)
    assert ended.returncode == 0, said
    [report] = json.loads(answer.read_text())
    assert report["accepted"] == JOBS
    assert sum(report["states"].values()) == JOBS
    # It must have hurt: attempts were lost with their worker, and most of the planned faults found their victim.
    assert report["lost_attempts"] > 0
    assert sum(report["injected"].values()) >= 12
