"""F14: a handler that ends, fills or never leaves its process. The worker stays, and the job fails with a reason.

Errors, ``sys.exit``, ``os._exit``, SIGKILL, MemoryError and handlers that swallow interruptions are in
``tests/crash/test_handlers.py``; here is what it lacks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from jobs_app import conf
from tests.faults.stage import Stage
from tests.support.freezing import process_of
from tests.support.ledger import fresh, submitted
from tests.support.processes import eventually, finished

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _the_worker_stays(stage: Stage) -> Iterator[None]:
    before = stage.pids()
    yield
    stage.serves()
    assert stage.pids() == before


@pytest.mark.parametrize(
    ("kind", "error_type", "reason"),
    [
        ("probe.crashes", "WorkerLost", r"it ended its worker 3 times, .* killed by signal 11 \(SIGSEGV"),
        ("probe.spins", "TimedOut", "its time was up: it may take 1 s"),
    ],
)
def test_f14_a_handler_that_crashes_or_computes_for_ever_fails_its_job_alone(
    kind: str, error_type: str, reason: str
) -> None:
    row = finished(submitted(kind).id)
    assert (row.state, row.error_type) == ("failed", error_type)
    assert re.match(reason, row.error), row.error


def test_f14_a_call_into_c_that_lets_no_other_thread_run_is_ended_from_outside(stage: Stage) -> None:
    row = finished(submitted("probe.computes_in_c").id, 90)
    assert (row.state, row.error_type) == ("failed", "WorkerLost")
    held = {process_of(each) for each in row.attempts.all()}
    eventually(lambda: held.isdisjoint(stage.children()), what="its processes to be ended")


def test_f14_a_hard_timeout_ends_one_child_and_not_the_one_beside_it() -> None:
    beside = submitted("probe.slow", {"seconds": 5})
    eventually(lambda: fresh(beside).state == "running", what="the job to run")
    holder = fresh(beside).holder
    hanging = submitted("probe.hangs")
    eventually(lambda: fresh(hanging).state == "running", what="the job to run")
    ended = process_of(fresh(hanging))
    row = finished(hanging.id)
    assert (row.state, row.error_type) == ("failed", "TimedOut")
    assert "so its process was ended" in row.error
    assert ended != process_of(fresh(beside)) or fresh(beside).final
    row = finished(beside.id)
    assert (row.state, row.kills, row.attempts.get().holder) == ("succeeded", 0, holder)


def test_f14_a_result_beyond_all_bounds_fails_its_job_in_words() -> None:
    row = finished(submitted("probe.large", {"size": conf.current().result_bytes + 1}).id)
    assert row.state == "failed"
    assert "result" in row.error
    assert row.kills == 0
