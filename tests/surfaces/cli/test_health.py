"""``jobs health``: exit codes for probes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path

import pytest

from jobs_app.core import vitals
from jobs_app.reads import readiness
from tests.support.processes import CELERY, ROOT, Workers, eventually
from tests.surfaces.cli.support import jobs, process


@pytest.fixture(autouse=True)
def _of_this_test(configured: Callable[..., None], tmp_path: Path) -> Iterator[None]:
    configured(data_dir=tmp_path)
    readiness._migrated.clear()
    yield
    for name in ("beat", "worker"):
        vitals.leave(name)


@pytest.mark.django_db
def test_what_readyz_asks() -> None:
    ran = jobs("health")
    assert ran.code == 9
    heading, *rows = ran.out.splitlines()
    assert heading.split() == ["CHECK", "STANDS", "WHY"]
    assert [row.split()[0] for row in rows] == list(readiness.NAMES)
    told = {check["name"]: check["standing"] for check in jobs("health", "--json").document}
    assert (told["ledger"], told["upkeep"], told["disk"]) == ("ok", "failed", "ok")


def test_a_process_of_this_machine_without_the_database() -> None:
    vitals.promise("beat", 60)
    assert jobs("health", "beat").code == 0
    vitals.promise("worker", inf)
    assert jobs("health", "beat", "worker").code == 0, "it connects to a broker that is away"
    vitals.promise("worker", -5)
    late = jobs("health", "beat", "worker", "--json")
    assert [check["standing"] for check in late.document] == ["ok", "failed"]
    assert (late.code, "5 s ago" in late.document[1]["words"]) == (9, True)
    vitals.leave("beat")
    vitals.leave("beat")
    assert "found none" in jobs("health", "beat").out
    assert jobs("health", "../../etc/passwd").code == 9


def test_one_that_is_gone_or_unreadable() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    vitals.promise("beat", 60)
    vitals._file("beat").write_text(f"{ended.pid} {10**9}")
    assert "it is gone" in jobs("health", "beat").out
    vitals._file("beat").write_text("nonsense")
    assert "ValueError" in jobs("health", "beat").out
    assert vitals._directory().stat().st_mode & 0o077 == 0


def test_real_processes(quiet: None, worker_environment: dict[str, str], tmp_path: Path) -> None:
    environment = {**worker_environment, "DATA_DIR": str(tmp_path)}
    workers = Workers(environment, tmp_path)
    assert process("health", "worker", environment=environment).code == 9
    workers.start("worker")
    # The beat of the product: the tests' own keeps its schedule in memory.
    beat = [*CELERY, "beat", "--pidfile="]
    workers.processes["beat"] = subprocess.Popen(beat, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        for name in ("worker", "beat"):
            eventually(lambda name=name: vitals.fault(name) is None, what=f"a word of {name}")
        assert process("health", "worker", "beat", environment=environment).code == 0
        workers.processes["worker"].kill()
        workers.processes["worker"].wait(30)
        assert vitals.fault("worker") is not None
        workers.processes["beat"].terminate()
        workers.processes["beat"].wait(30)
        assert "found none" in (vitals.fault("beat") or "")
    finally:
        workers.stop()
