"""The bounds of DuckDB: what it may read, how much it may use, how soon it stops, and that its progress moves."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from jobs_app.authoring import Artifact, Cancelled, DetachedContext, Discard, TimedOut
from tasks.kinds.datasets.aggregate import aggregate
from tasks.kinds.datasets.engine import Engine
from tests.core.kinds.conftest import Put

ENDLESS = "SELECT count(*) FROM range(1000000) AS a, range(1000000) AS b WHERE hash(a.range + b.range) = 1"


def engine(detached: DetachedContext, put: Put) -> Engine:
    return Engine(put("g,n\na,1\n").path, "data.csv", detached)


@pytest.mark.parametrize("error", [Cancelled, TimedOut])
def test_a_running_query_stops_within_a_second(put: Put, detached: DetachedContext, error: type[BaseException]) -> None:
    told = []

    def check() -> None:
        if time.monotonic() > begun + 0.3:
            told.append(time.monotonic())
            raise error("stop")

    with engine(detached, put) as running:
        detached.check = check  # type: ignore[method-assign]
        begun = time.monotonic()
        with pytest.raises(error):
            running.run(ENDLESS)
    assert time.monotonic() - told[0] < 1
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("duckdb")]


def test_a_query_stopped_before_it_began_does_not_run_on(put: Put, detached: DetachedContext) -> None:
    with engine(detached, put) as running:
        detached.stop = True
        begun = time.monotonic()
        with pytest.raises(Cancelled):
            running.run(ENDLESS)
        assert time.monotonic() - begun < 1


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM '/etc/hostname'",
        "COPY (SELECT 1) TO 'written-by-duckdb.csv'",
        "ATTACH 'written-by-duckdb.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM read_csv('http://127.0.0.1:9/x.csv')",
        "SET memory_limit = '100GB'",
        "SET enable_external_access = true",
        "RESET threads",
        "SELECT * FROM told",  # no Python variable is a table
    ],
)
def test_nothing_but_the_dataset_can_be_reached(put: Put, detached: DetachedContext, statement: str) -> None:
    told = [(1,)]
    with engine(detached, put) as running, pytest.raises((Discard, OSError, duckdb.Error)):
        running.run(statement)
    assert told
    assert not list(Path().glob("written-by-duckdb*"))


def test_too_many_groups_for_the_memory_are_said_so(
    put: Put, detached: DetachedContext, configure: Callable[..., None]
) -> None:
    configure(dataset_memory_megabytes=64)
    dataset = put("g,n\n" + "".join(f"{index:0200d},1\n" for index in range(200_000)))
    with pytest.raises(Discard, match="needs more than the 64 MB of memory"):
        aggregate(dataset, ["g"], "n", statistics=["median"], context=detached)


def test_little_memory_and_one_thread_suffice_for_few_groups(
    put: Put, detached: DetachedContext, configure: Callable[..., None]
) -> None:
    configure(dataset_memory_megabytes=64, dataset_threads=1)
    dataset = put("g,n\n" + "".join(f"{index % 10},{index}\n" for index in range(200_000)))
    assert aggregate(dataset, ["g"], "n", statistics=["count"], context=detached).facts.rows == 200_000


def test_progress_moves_while_duckdb_works(put: Put, detached: DetachedContext) -> None:
    dataset = put("g,n\n" + "".join(f"{index},{index * 7}\n" for index in range(1_500_000)))
    aggregate(dataset, ["g"], "n", statistics=["count", "sum", "mean"], context=detached)
    assert detached.fractions == sorted(detached.fractions)
    assert len({round(each, 2) for each in detached.fractions if 0.1 < each < 0.8}) >= 3
    assert detached.fractions[-1] == 1


MEASURED = """
import sys
from pathlib import Path
from django.conf import settings
from jobs_app import conf
settings.configure(WEIR=conf.load({"SECRET_KEY": "x" * 32}))
from jobs_app.authoring import Artifact, DetachedContext
from tasks.kinds.datasets.aggregate import aggregate
context = DetachedContext(Path(sys.argv[2]))
facts = aggregate(Artifact.local(Path(sys.argv[1])), sys.argv[3].split(","), "price",
                  statistics=["count", "sum", "mean", "minimum", "maximum"], context=context).facts
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
steps = len({round(each, 2) for each in context.fractions})
print(facts.rows, facts.groups, steps, int(peak) // 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from Linux's /proc")
@pytest.mark.parametrize(("group_by", "groups"), [("region,product", 10_000), ("id", 2_500_000)])
def test_a_file_of_100_megabytes_stays_within_the_memory(tmp_path: Path, group_by: str, groups: int) -> None:
    path = tmp_path / "large.csv"
    duckdb.execute(
        "COPY (SELECT i AS id, 'r' || i % 50 AS region, 'p' || (i // 50) % 200 AS product, (i * 37) % 1000 AS quantity,"
        " (i % 9973) / 100 AS price, 'order ' || i || ', with words' AS note FROM range(2_500_000) AS r(i)) "
        f"TO '{path}' (HEADER)"
    )
    assert path.stat().st_size > 100_000_000
    (tmp_path / "work").mkdir()
    arguments = [sys.executable, "-c", MEASURED, str(path), str(tmp_path / "work"), group_by]
    root = Path(__file__).parents[3]
    done = subprocess.run(arguments, cwd=root, env=os.environ, capture_output=True, text=True, check=True)
    rows, found, steps, peak = map(int, done.stdout.split())
    assert (rows, found) == (2_500_000, groups)
    assert steps >= 8
    assert peak < 256, f"expected a peak below the 256 MB of DATASET_MEMORY_MEGABYTES, got {peak} MB"


def test_the_workspace_holds_the_temporary_files(put: Put, detached: DetachedContext, tmp_path: Path) -> None:
    aggregate(put("g,n\na,1\n"), ["g"], "n", statistics=["count"], context=detached)
    assert not Path(".tmp").exists()
    assert isinstance(detached.artifacts["summary.csv"], Artifact)
