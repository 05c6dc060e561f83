"""A worker that is told to stop ends, whatever its children do."""

from __future__ import annotations

import pytest

from tests.faults.stage import Stage
from tests.support.ledger import fresh, happened, submitted
from tests.support.processes import eventually

pytestmark = pytest.mark.slow


def test_a_stop_does_not_wait_for_a_child_that_stands_still_in_c(stage: Stage) -> None:
    job = submitted("probe.computes_in_c")
    eventually(lambda: fresh(job).state == "running", what="the job to run")
    assert stage.stop("worker") == 0
    assert "it holds jobs and has not stirred" in stage.said("worker")
    assert eventually(lambda: happened(fresh(job))[2:], what="its rescue") == ["rescued"]
