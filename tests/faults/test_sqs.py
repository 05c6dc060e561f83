"""Amazon SQS over connections that neither end knows to be dead: no worker waits for an answer that never comes."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from django.contrib.auth.models import User

from tests.faults.stage import Stage, api_of
from tests.support.ledger import fresh, submitted
from tests.support.processes import eventually, finished
from tests.support.sqs import SQS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def _sqs_stage(worker_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    directory = tmp_path_factory.mktemp("sqs")
    made = Stage(directory, SQS(directory / "broker"), worker_environment)
    yield made
    made.close()


@pytest.fixture
def stage(quiet: None, unpublished: None, _sqs_stage: Stage) -> Iterator[Stage]:
    """The stage on SQS."""
    _sqs_stage.ensure()
    _sqs_stage.serves()
    yield _sqs_stage
    _sqs_stage.heal()


@pytest.fixture
def api(stage: Stage, alice: User) -> Iterator[httpx.Client]:
    """Alice at the stage's web server."""
    with api_of(stage, alice) as client:
        yield client


def test_f08_every_process_recovers_from_half_open_connections_to_sqs(stage: Stage, api: httpx.Client) -> None:
    before = stage.pids()
    slow = submitted("probe.slow", {"seconds": 4})
    eventually(lambda: fresh(slow).state == "running", what="the job to run")
    assert stage.way_to_broker.half_open() > 0, "connections that are open"
    response = api.post("/api/jobs", json={"kind": "system.echo", "parameters": {"text": "hello"}})
    assert response.status_code == 202, response.text
    for job in (response.json()["id"], slow.id):
        row = finished(job)
        assert (row.state, row.attempts.count()) == ("succeeded", 1)
    stage.serves()
    assert stage.pids() == before
