"""The gate that every way in passes: whether one more job may be accepted, and if not, when to come back.

A refusal writes nothing, and is counted later. Retries and rescues are no submissions: they are never refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import connection

from jobs_app import conf
from jobs_app.core import estimates, gate, lanes
from jobs_app.core.lanes import Policy
from jobs_app.core.line import UNMEASURED_SECONDS, line
from jobs_app.core.pulses import jobs_wait
from jobs_app.core.rates import rates
from jobs_app.core.refusals import tally
from jobs_app.core.turnstile import Full, turnstile
from jobs_app.errors import InvalidRequest, NotAllowed, QueueFull, RateExceeded, Refused, ShareExceeded, TooLarge
from jobs_app.lifecycle import Reason, State
from jobs_app.models import Job

if TYPE_CHECKING:
    from django.contrib.auth.models import User

OVERFLOW = "jobs_app.overflow_queue"
POLICY_SECONDS = 1.0
"""A changed limit is in force in every process after so long."""


@dataclass(frozen=True)
class Applicant:
    """Who wants a job in. token: the id of the API token used. overflow: up to the hard limit, with a permission.
    later: due at another time, so that it does not wait in the queue yet. key: its idempotency key. headroom: up to the
    hard limit, whoever asks, and however much of it they hold: the core's own."""

    queue: str
    owner: User | None
    token: int | None = None
    overflow: bool = False
    later: bool = False
    key: str | None = None
    headroom: bool = False


@dataclass
class Entry:
    """That an applicant was let in; ``leave`` says when its job is committed, or came to nothing."""

    queue: str
    counted: bool = False
    """Whether it holds a credit still."""
    shares: list[tuple[object, ...]] = field(default_factory=list)
    """The shares in which it is kept account of still."""

    def leave(self, *, now: datetime) -> None:
        """Give the credit back to the gate's account: the job is a row now, or never will be. Twice is no error."""
        while self.shares:
            turnstile.shares.leave(self.shares.pop())
        if self.counted:
            self.counted = False
            turnstile.leave(self.queue, now=now)


class Policies:
    """The policies of queues, read again after a second. ``clock`` in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """Read them all again."""
        self._known: dict[str, tuple[float, conf.Configuration, Policy]] = {}

    def of(self, queue: str) -> Policy:
        """What holds for a queue."""
        known, configuration = self._known.get(queue), conf.current()
        if known is None or known[0] < self._clock() - POLICY_SECONDS or known[1] is not configuration:
            known = self._known[queue] = (self._clock(), configuration, lanes.policy(queue))
        return known[2]


policies = Policies()


def check_size(parameters_bytes: int) -> None:
    """Raise TooLarge for parameters above PARAMETERS_BYTES."""
    limit = conf.current().parameters_bytes
    if parameters_bytes > limit:
        raise TooLarge(
            f"expected parameters of at most {limit:,} bytes as JSON, got {parameters_bytes:,}; "
            "upload large data as an artifact and pass its id"
        )


def check_queue(name: str) -> None:
    """Raise InvalidRequest for a queue that no worker of this installation is configured for."""
    queues = conf.current().queues
    if name not in queues:
        raise InvalidRequest(f"expected one of the queues {', '.join(queues)}, got {name[:100]!r}")


def check_rate(token: int | None, queue: str, owner: User | None, *, key: str | None = None, now: datetime) -> None:
    """Raise RateExceeded for a token that submits faster than TOKEN_RATE. Every try counts, also one refused later.

    key: the idempotency key of the submission, which keeps its place in the line.
    """
    rate, burst = conf.current().token_rate, conf.current().token_burst
    if token is None or not rate:
        return
    taken = rates.take(token, rate=rate, burst=burst, now=now)
    if taken.credits == 0:
        words = f"expected at most {rate:g} submissions a second of this token (at once {burst}), got more"
        facts = {"reason": Reason.RATE, "limit": burst}
        longest = conf.current().retry_after_seconds
        retry_after = line.place((Reason.RATE, token), key, first=taken.wait, pace=rate, longest=longest)
        raise _counted(RateExceeded(words, retry_after=retry_after, facts=facts), queue, owner)


def enter(applicant: Applicant, *, now: datetime) -> Entry:
    """Let one job in. Raises QueueFull or ShareExceeded, each with a time to come back, and NotAllowed."""
    entry = Entry(applicant.queue)
    try:
        if applicant.later:
            _check_scheduled(applicant.owner)
            return entry
        if applicant.overflow:
            _check_may_overflow(applicant.owner)
        policy = policies.of(applicant.queue)
        over = applicant.overflow or applicant.headroom
        if not applicant.headroom:
            _enter_shares(applicant, entry, policy, now)
        try:
            entry.counted = turnstile.enter(applicant.queue, policy, now=now, over=over)
        except Full as full:
            raise _queue_full(applicant, policy, full.depth, full.processes, now) from None
    except BaseException as error:
        entry.leave(now=now)
        if isinstance(error, Refused):
            _counted(error, applicant.queue, applicant.owner)
        raise
    return entry


def allowances(queue: str, owner: User, token: int | None) -> list[tuple[str, int, int | None]]:
    """What is left: of the queue, of the user's share, of the token's rate. Each a name, the quota, and about what
    remains."""
    policy = policies.of(queue)
    found: list[tuple[str, int, int | None]] = [("queue", policy.limit, turnstile.room(queue))]
    if policy.user_limit < policy.limit:
        found.append(("user", policy.user_limit, turnstile.shares.room((queue, Reason.USER_SHARE, owner.pk))))
    if token is not None and conf.current().token_rate:
        found.append(("token", conf.current().token_burst, rates.left(token)))
    return found


def _check_scheduled(owner: User | None) -> None:
    limit = conf.current().scheduled_limit
    if owner is None or Job.objects.filter(owner=owner, state=State.SCHEDULED).values("id")[:limit].count() < limit:
        return
    raise ShareExceeded(
        f"expected at most {limit:,} jobs of one user that are due later, and you have so many; cancel some, or wait",
        retry_after=conf.current().retry_after_seconds,
        facts={"reason": Reason.SCHEDULED, "limit": limit},
    )


def _enter_shares(applicant: Applicant, entry: Entry, policy: Policy, now: datetime) -> None:
    """The share of the user, then that of the token. The system's own jobs have none."""
    if applicant.owner is None:
        return
    shares: list[tuple[Reason, str, int, dict[str, Any]]] = [
        (Reason.USER_SHARE, "you hold", policy.user_limit, {"owner_id": applicant.owner.pk})
    ]
    if applicant.token is not None:
        of = {"owner_id": applicant.owner.pk, "token_id": applicant.token}
        shares.append((Reason.TOKEN_SHARE, "this token holds", policy.token_limit, of))
    for reason, whose, limit, of in shares:
        if limit >= policy.limit:
            continue  # the whole of it: the gate itself sees to that
        key = (applicant.queue, reason, *of.values())
        ahead = turnstile.shares.enter(
            key, limit, processes=turnstile.processes(applicant.queue), unseen=not connection.in_atomic_block,
            count=partial(gate.waiting, applicant.queue, limit, **of),
            ahead=partial(estimates.before_first, applicant.queue, **of),
        )  # fmt: skip
        if ahead is None:
            entry.shares.append(key)
            continue
        words = f"expected fewer than {limit:,} waiting jobs in queue {applicant.queue}, and {whose} as many"
        depth = estimates.pulse(applicant.queue, now=now).depth
        part = limit / max(depth, limit)  # of what leaves the queue then, a part is theirs
        raise _refusal(
            ShareExceeded, applicant, words, reason, policy, depth, lane=key, ahead=ahead + 1, part=part, now=now
        )


def _check_may_overflow(owner: User | None) -> None:
    if owner is not None and not owner.has_perm(OVERFLOW):
        raise NotAllowed("expected the permission to submit over a queue's limit; submit without overflow instead")


def _queue_full(applicant: Applicant, policy: Policy, depth: int, processes: int, now: datetime) -> Refused:
    if depth >= policy.limit or applicant.overflow or applicant.headroom:
        words = f"{jobs_wait(depth)} in queue {applicant.queue}, and its limit is {policy.limit:,}"
    else:
        words = (
            f"{jobs_wait(depth)} in queue {applicant.queue}; it was full, and takes jobs again at {policy.low_water:,}"
        )
    # Those who were accepted and wait outside come in first; more of them than fit leave room in between.
    outside = min(estimates.pulse(applicant.queue, now=now).outside, policy.hard_limit - policy.low_water)
    ahead = depth - policy.low_water + outside + processes
    return _refusal(
        QueueFull, applicant, words, Reason.FULL, policy, depth, lane=applicant.queue, ahead=ahead, part=1 / processes,
        now=now,
    )  # fmt: skip


def _refusal(
    error: type[Refused], applicant: Applicant, words: str, reason: Reason, policy: Policy, depth: int, *,
    lane: Hashable, ahead: int, part: float, now: datetime,
) -> Refused:  # fmt: skip
    """The refusal, with when to come back: ``ahead`` jobs must leave the queue before there is room for the first of
    those who stand in line for that; of the room that is made then, this process may give away a ``part``."""
    longest = conf.current().retry_after_seconds
    pulse = estimates.pulse(applicant.queue, now=now)
    drain = estimates.drain_of(pulse)
    if policy.paused_at is not None:
        retry_after, why = longest, "it is paused"
    elif pulse.slots == 0:
        retry_after, why = longest, "no worker takes its jobs"
    elif pulse.stalled or pulse.forsaken:
        retry_after, why = longest, "nothing leaves it at the moment"
    elif not drain:
        retry_after, why = min(longest, line.somewhen(*UNMEASURED_SECONDS)), "how fast jobs leave it is not known yet"
    else:
        retry_after = line.place(
            lane, applicant.key, user=applicant.owner.pk if applicant.owner else None,
            first=ahead / drain, pace=drain * part, longest=longest,
        )  # fmt: skip
        why = f"{_rate(drain)} leave it"
    facts = {
        "queue": applicant.queue, "depth": depth, "limit": policy.limit, "low_water": policy.low_water,
        "drain_rate": drain, "reason": reason,
    }  # fmt: skip
    return error(f"{words}; {why}; try again in {retry_after} s", retry_after=retry_after, facts=facts)


def _rate(jobs_a_second: float) -> str:
    if jobs_a_second >= 1:
        return f"{jobs_a_second:.3g} jobs a second"
    return f"{jobs_a_second * 60:.3g} jobs a minute"


def _counted(refused: Refused, queue: str, owner: User | None) -> Refused:
    tally.count(queue, owner.pk if owner else None, Reason(refused.facts["reason"]))
    return refused
