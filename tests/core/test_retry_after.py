"""The time that those refused are told: from what was measured, for each reason, within bounds."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User

from jobs_app.core import estimates
from jobs_app.core.pulses import SILENCE_SECONDS
from jobs_app.core.turnstile import turnstile
from jobs_app.errors import QueueFull, Refused, ShareExceeded
from jobs_app.models import Flow
from jobs_app.models.guard import writing
from jobs_app.reads import reasons
from tests.support.ledger import claimed, submitted
from tests.support.measures import flowed, listening

pytestmark = pytest.mark.usefixtures("transactional_db", "nudged", "still_line")

Configure = Callable[..., None]
DRAIN = 2.0


@pytest.fixture
def drained(now: datetime) -> None:
    """Two jobs a second leave the queue, as measured."""
    listening("default", now)
    flowed("default", now, 10, left=4, ended=4, depth=20, busy_seconds=4.0)


def fill(count: int, **options: object) -> None:
    for _ in range(count):
        submitted(**options)  # type: ignore[arg-type]


def told(kind: type[Refused], *, fresh: bool = True, **options: object) -> Refused:
    """The refusal of one more, by a process that looks anew."""
    if fresh:
        estimates.forget()
    with pytest.raises(kind) as refused:
        submitted(**options)  # type: ignore[arg-type]
    return refused.value


def seconds(jobs: float) -> int:
    """What it takes so many jobs to leave, and a tenth more."""
    return math.ceil(1.1 * jobs / DRAIN)


@pytest.mark.usefixtures("drained")
def test_a_full_queue_tells_when_it_will_be_at_low_water(configured: Configure, now: datetime) -> None:
    configured(queue_limit=20, queue_low_water=0.5)
    fill(20, now=now)
    refused = told(QueueFull, now=now, idempotency_key="a")
    assert refused.retry_after == seconds(20 - 10 + 1)
    assert refused.facts["drain_rate"] == DRAIN
    assert str(refused) == (
        "20 jobs wait in queue default, and its limit is 20; 2 jobs a second leave it; try again in 7 s"
    )
    assert told(QueueFull, now=now, idempotency_key="a").retry_after == refused.retry_after, "it keeps its place"
    others = [told(QueueFull, fresh=False, now=now, idempotency_key=str(n)).retry_after for n in range(10)]
    assert others == sorted(others)
    assert others[-1] == seconds(20 - 10 + 1 + 10)


@pytest.mark.usefixtures("drained")
def test_a_share_has_room_when_those_before_the_first_of_it_have_left(
    configured: Configure, now: datetime, alice: User, bob: User
) -> None:
    configured(queue_limit=40, user_share=0.1)
    fill(14, now=now - timedelta(seconds=1))
    fill(4, now=now, owner=alice)
    turnstile.forget()  # as a process that has never been at the gate
    refused = told(ShareExceeded, now=now, owner=alice, idempotency_key="a")
    assert refused.facts["depth"] == 18
    assert refused.retry_after == seconds(14 + 1)
    for key in range(30):
        told(ShareExceeded, fresh=False, now=now, owner=alice, idempotency_key=str(key))
    fill(4, now=now, owner=bob)
    assert told(ShareExceeded, now=now, owner=bob).retry_after == seconds(18 + 1), "the line of another is not his"


def test_while_nothing_was_measured_thirty_seconds_and_more_are_told(configured: Configure, now: datetime) -> None:
    configured(queue_limit=1)
    listening("default", now)
    fill(1, now=now)
    refusals = [told(QueueFull, fresh=False, now=now) for _ in range(40)]
    assert "how fast jobs leave it is not known yet" in str(refusals[0])
    times = {each.retry_after for each in refusals}
    assert 30 <= min(times) < max(times) <= 40


@pytest.mark.usefixtures("drained")
@pytest.mark.parametrize("measured", [True, False])
def test_no_time_is_longer_than_the_longest(configured: Configure, now: datetime, measured: bool) -> None:
    configured(queue_limit=20, queue_low_water=0, retry_after_seconds=5)
    if not measured:
        with writing():
            Flow.objects.all().delete()
    fill(20, now=now)
    assert {told(QueueFull, fresh=False, now=now).retry_after for _ in range(40)} <= {4, 5}


def test_a_broker_that_died_while_a_job_runs_is_told_by_the_refusal_as_by_the_page(
    configured: Configure, now: datetime
) -> None:
    configured(queue_limit=2, queue_low_water=0.5)
    silent = timedelta(seconds=SILENCE_SECONDS + 5)
    listening("default", now, slots=2)
    flowed("default", now - silent, 10, left=4, ended=4, depth=20, busy_seconds=4.0, running=2)
    claimed(submitted(now=now - 2 * silent), now=now - silent)
    fill(2, now=now - silent)
    refused = told(QueueFull, now=now)
    assert "nothing leaves it at the moment; try again in 300 s" in str(refused)
    pulse = estimates.pulse("default", now=now)
    assert pulse.running == 1
    words = reasons.because(pulse, reasons.Facts(2, estimates.drain_of(pulse)))
    assert words.startswith("The broker, or upkeep, seems to be away: 1 slot is free")
