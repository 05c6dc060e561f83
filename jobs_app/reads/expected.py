"""What to expect of a job before it is submitted: its wait, how long it takes, whether there is room for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from pydantic import Field

from jobs_app.core import estimates, lanes, transport
from jobs_app.reads import reasons
from jobs_app.reads.queues import WaitView, wait_of
from jobs_app.reads.views import View
from jobs_app.registry import Kind


class TakesView(View):
    """How long attempts of a kind take, in seconds: half of them less than the median, nine of ten less than p90."""

    p50: float
    p90: float
    samples: int


class ExpectedView(View):
    """What to expect of a job of a kind that is submitted now, with priority 0."""

    queue: str
    depth: int = Field(description="Jobs that wait in its queue.")
    wait: WaitView | None = Field(description="None where nothing is known, or nothing drains the queue.")
    takes: TakesView | None = Field(description="None for a kind that was never measured.")
    full: bool = Field(description="Whether it would be refused now.")
    because: str = Field(description="Why the queue's jobs wait, in one sentence.")


def expected(kind: Kind, *, now: datetime) -> ExpectedView:
    """From the queue's pulse, which the process keeps: mostly one query."""
    policy = lanes.policy(kind.queue)
    seen = replace(estimates.pulse(kind.queue, now=now), paused_at=policy.paused_at)
    pace = seen.paces.get(kind.name)
    facts = reasons.Facts(policy.limit, estimates.drain_of(seen), publishing=transport.circuit.closed)
    return ExpectedView(
        queue=kind.queue,
        depth=seen.depth,
        wait=wait_of(seen),
        takes=TakesView(p50=pace.p50, p90=pace.p90, samples=pace.samples) if pace is not None else None,
        full=seen.depth >= policy.limit,
        because=reasons.because(seen, facts),
    )
