"""Why one job waits, in one sentence: the first reason that holds, asked in the order in which a job meets it.

The rules are those of the core's own doors: its time (``dispatch.promote``), room in its queue (``side_door``), the
queue's pause and window (``dispatch.refill``), then workers and the broker as the queue's pulse knows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from jobs_app.core import dispatch, estimates, families, lanes, side_door, transport
from jobs_app.core.lanes import Policy
from jobs_app.core.pulses import SILENCE_SECONDS, Pulse, jobs_wait
from jobs_app.core.side_door import Standing
from jobs_app.lifecycle import Outcome, State
from jobs_app.models import Job
from jobs_app.reads.reasons import spell
from jobs_app.reads.views import View

MOST = 1000
"""Jobs that go before another are counted up to this many."""


class Reason(StrEnum):
    """Why a job waits."""

    NOT_DUE = "not due"
    RETRY = "retry"
    SNOOZED = "snoozed"
    CHILDREN = "children"
    FULL = "full"
    SHARE = "share"
    PAUSED = "paused"
    NO_WORKER = "no worker"
    BROKER = "broker"
    UPKEEP = "upkeep"
    WINDOW = "window"
    BUSY = "busy"
    TURN = "turn"


class ReasonView(View):
    """Why a job waits, and where to look."""

    reason: Reason
    sentence: str = Field(description="In one sentence.")
    queue: str | None = Field(None, description="The queue that is the cause, if it is one.")
    until: datetime | None = Field(None, description="When that is over, if it is known.")


@dataclass(frozen=True)
class Facts:
    """What is known of a queued job and its queue.

    ahead: jobs that go before it, counted up to 1,000. on_broker: its own message has been published. messages: those
    of its queue that are on the broker, of ``window``. publishing: whether this process may try the broker.
    """

    ahead: int
    on_broker: bool
    messages: int
    policy: Policy
    publishing: bool = True


def why(job: Job, *, now: datetime) -> ReasonView | None:
    """Why a job waits; None for one that does not: it runs, or has ended, or is being stopped."""
    match job.status:
        case State.SCHEDULED | State.RETRYING if job.due_at > now:
            return _not_due(job)
        case State.SCHEDULED:
            return _outside(job, now, headroom=False)
        case State.RETRYING:
            return _view(Reason.UPKEEP, "Its time has come: upkeep queues it in a moment, if it is there", job)
        case State.BLOCKED if job.attempt:
            return _for_children(job)
        case State.BLOCKED:
            return _outside(job, now, headroom=True)
        case State.QUEUED:
            return _queued(job, now)
    return None


def of_queued(job: Job, seen: Pulse, facts: Facts) -> ReasonView:
    """The reason of a job that is due and in its queue. Pure."""
    name, free = f"Queue {job.queue}", seen.slots - seen.running
    if facts.policy.paused_at is not None and not facts.on_broker:
        since = spell((seen.at - facts.policy.paused_at).total_seconds())
        return _view(Reason.PAUSED, f"{name} was paused {since} ago: nothing of it starts until it is resumed", job)
    if not seen.slots:
        return _view(Reason.NO_WORKER, f"No worker listens to queue {job.queue}: it starts when one does", job)
    if not facts.publishing and not facts.on_broker:
        return _view(Reason.BROKER, "The broker takes no messages now; it is tried again every few seconds", job)
    if seen.forsaken:
        words = f"The broker, or upkeep, seems to be away: {_slots(free)} free, and nothing is measured any more"
        return _view(Reason.BROKER, words, job)
    if seen.unserved and seen.stalled:
        return _view(
            Reason.BROKER, f"No message reaches a worker of queue {job.queue}, though {_slots(free)} free", job
        )
    ahead = _ahead(facts.ahead)
    if not facts.on_broker and facts.messages >= dispatch.fill_of(facts.policy.window):
        words = f"The window of queue {job.queue} is full, with {facts.messages:,} messages on the broker: {ahead}"
        return _view(Reason.WINDOW, words, job)
    if free <= 0:
        slots = "The only slot" if seen.slots == 1 else f"All {seen.slots:,} slots"
        words = f"{slots} of queue {job.queue} {'is' if seen.slots == 1 else 'are'} busy: {ahead}"
        return _view(Reason.BUSY, words, job)
    return _view(Reason.TURN, f"Its turn comes: {ahead}, and {_slots(free)} free in queue {job.queue}", job)


def of_outside(job: Job, room: Standing, silent: bool) -> ReasonView:
    """The reason of a job that waits for room in its queue. Pure. ``silent``: upkeep has not been heard of."""
    if room.room <= 0 and room.closed:
        words = (
            f"Queue {job.queue} was full: it takes jobs again below {room.most:,}, and {jobs_wait(room.waiting)} in it"
        )
        return _view(Reason.FULL, words, job)
    if room.room <= 0:
        words = f"Queue {job.queue} is full: {jobs_wait(room.waiting)} in it, and it has room for {room.most:,}"
        return _view(Reason.FULL, words, job)
    if room.of_owner is not None and room.of_owner <= 0:
        words = f"Its owner has as many jobs in queue {job.queue} as one user may: it comes in when one of them starts"
        return _view(Reason.SHARE, words, job)
    if silent:
        return _view(Reason.UPKEEP, "Its time has come, but upkeep, which would queue it, seems to be away", job)
    return _view(Reason.TURN, f"Queue {job.queue} has room: it comes in in a moment", job)


def _queued(job: Job, now: datetime) -> ReasonView:
    seen = estimates.pulse(job.queue, now=now)
    waiting = Job.objects.filter(queue=job.queue, state=State.QUEUED, dispatched_at__isnull=False)
    policy = lanes.policy(job.queue)
    facts = Facts(
        ahead=estimates.ahead_of(job, most=MOST),
        on_broker=job.dispatched_at is not None,
        messages=waiting.order_by().values("dispatched_at").distinct().count() if job.dispatched_at is None else 0,
        policy=policy,
        publishing=transport.circuit.closed,
    )
    found = of_queued(job, seen, facts)
    if not job.attempt:
        return found
    # It had begun, and its worker was lost or given notice.
    return found.model_copy(update={"sentence": f"Its worker was lost, so it waits for another. {found.sentence}"})


def _outside(job: Job, now: datetime, *, headroom: bool) -> ReasonView:
    room = side_door.standing(job.queue, owner=job.owner_id, headroom=headroom)
    return of_outside(job, room, estimates.pulse(job.queue, now=now).silent(SILENCE_SECONDS))


def _not_due(job: Job) -> ReasonView:
    if job.status is State.SCHEDULED:
        return ReasonView(reason=Reason.NOT_DUE, sentence="It waits for its time", until=job.due_at)
    last = job.attempts.filter(number=job.attempt).values_list("outcome", flat=True).first()
    if last == Outcome.SNOOZED:
        return ReasonView(reason=Reason.SNOOZED, sentence="It put itself off; it goes on", until=job.due_at)
    words = f"Attempt {job.attempt} failed; the next of at most {job.max_attempts:,} begins"
    return ReasonView(reason=Reason.RETRY, sentence=words, until=job.due_at)


def _for_children(job: Job) -> ReasonView:
    family = families.standing(job.id)
    left = family.unfinished
    words = f"It waits for the jobs that it spawned: {left:,} of {family.total:,} {'has' if left == 1 else 'have'} not"
    return ReasonView(reason=Reason.CHILDREN, sentence=f"{words} ended")


def _view(reason: Reason, sentence: str, job: Job) -> ReasonView:
    return ReasonView(reason=reason, sentence=sentence, queue=job.queue)


def _ahead(count: int) -> str:
    if count >= MOST:
        return f"{MOST:,} jobs or more go before it"
    return "it is the next" if not count else f"{count:,} {'job goes' if count == 1 else 'jobs go'} before it"


def _slots(free: int) -> str:
    return f"{free:,} {'slot is' if free == 1 else 'slots are'}"
