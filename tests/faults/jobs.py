"""Jobs as the cases of the database submit and follow them."""

from __future__ import annotations

from uuid import UUID

import httpx

from jobs_app.models import Job
from tests.support.ledger import fresh, submitted
from tests.support.processes import eventually, finished
from tests.surfaces.api.support import PROBLEM

BODY = {"kind": "system.echo", "parameters": {"text": "hello"}}


def accepted(response: httpx.Response) -> UUID:
    assert response.status_code == 202, response.text
    return UUID(response.json()["id"])


def refused(response: httpx.Response) -> None:
    assert (response.status_code, response.headers["Content-Type"]) == (503, PROBLEM), response.text
    assert response.json()["code"] == "ledger-away"
    assert response.json()["detail"] == (
        "the ledger's database does not answer; try again, with the same Idempotency-Key"
    )
    assert 5 <= int(response.headers["Retry-After"]) <= 10


def slow_job(seconds: float = 5.0) -> Job:
    job = submitted("probe.slow", {"seconds": seconds, "steps": 20})
    eventually(lambda: fresh(job).state == "running", what="the job to run")
    return job


def all_succeed(jobs: list[UUID], seconds: float = 60.0) -> None:
    for job in jobs:
        row = finished(job, seconds)
        assert row.state == "succeeded", row.error
        assert row.attempts.filter(outcome="succeeded").count() == 1
