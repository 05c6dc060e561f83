"""What a full queue answers while something is wrong: the status, the sentence and Retry-After are right each time."""

from __future__ import annotations

import httpx
import pytest

from jobs_app.core import clock, lane_control
from jobs_app.lifecycle import State
from jobs_app.models import Job
from tests.faults.stage import Stage
from tests.support.processes import eventually

pytestmark = pytest.mark.slow

LIMIT = 3
LONGEST = 300


@pytest.fixture
def narrow(api: httpx.Client) -> None:
    """A queue that holds three jobs, all of one user if need be; its web process knows of it."""
    bounds = {"limit": LIMIT, "user_share": 1, "token_share": 1}
    lane_control.set_limits("default", actor=None, now=clock.database_now(), **bounds)
    eventually(lambda: _limit_of(api) == LIMIT, what="the web process to know")
    eventually(lambda: not Job.objects.filter(state=State.QUEUED).exists(), what="the queue to be empty")
    eventually(lambda: submit(api).status_code == 202, what="the web process to know that too")


def _limit_of(api: httpx.Client) -> int:
    """What the web process that answers takes for the queue's limit."""
    answer = submit(api)
    if answer.status_code == 503:
        return answer.json()["limit"]
    return int(answer.headers["RateLimit-Policy"].split(";q=")[1].split(",")[0])


def submit(api: httpx.Client, seconds: float = 0) -> httpx.Response:
    return api.post("/api/jobs", json={"kind": "system.sleep", "parameters": {"seconds": seconds}})


def is_refused(api: httpx.Client, words: str, retry_after: int = LONGEST) -> None:
    """Submit until it is refused with these words, and look at the rest of the answer."""
    seen: list[str] = []
    try:
        answer = eventually(lambda: _refused(api, words, seen), what=f"a refusal that says {words!r}")
    except AssertionError:
        raise AssertionError(f"expected a refusal that says {words!r}, the last answers were {seen[-4:]}") from None
    assert answer is not None
    body = answer.json()
    assert (answer.status_code, body["code"], body["reason"]) == (503, "queue-full", "full")
    assert int(answer.headers["Retry-After"]) == body["retry_after"] == retry_after
    assert (body["queue"], body["limit"]) == ("default", LIMIT)


def _refused(api: httpx.Client, words: str, seen: list[str]) -> httpx.Response | None:
    answer = submit(api)
    seen.append(answer.text)
    assert answer.status_code in (202, 503), answer.text
    return answer if answer.status_code == 503 and words in answer.json()["detail"] else None


@pytest.mark.usefixtures("narrow")
def test_a_paused_queue_fills_and_says_so(api: httpx.Client) -> None:
    lane_control.pause("default", actor=None, now=clock.database_now())
    is_refused(api, "3 jobs wait in queue default, and its limit is 3; it is paused; try again in 300 s")
    lane_control.resume("default", actor=None, now=clock.database_now())
    eventually(lambda: submit(api).status_code == 202, what="room")


@pytest.mark.usefixtures("narrow")
def test_a_queue_without_workers_fills_and_says_so(stage: Stage, api: httpx.Client) -> None:
    stage.stop("worker")
    is_refused(api, "no worker takes its jobs; try again in 300 s")
    stage.start("worker")
    eventually(lambda: submit(api).status_code == 202, what="room")


@pytest.mark.usefixtures("narrow")
def test_while_the_broker_is_away_jobs_are_accepted_until_the_queue_is_full(stage: Stage, api: httpx.Client) -> None:
    stage.broker.kill()
    assert submit(api).status_code == 202
    is_refused(api, "nothing leaves it at the moment; try again in 300 s")
    stage.broker.start()
    eventually(lambda: submit(api).status_code == 202, what="room")
